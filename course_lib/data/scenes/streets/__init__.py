"""Street scenes: `scene.py` draws them; the other files hold what stands on and beside the road."""
