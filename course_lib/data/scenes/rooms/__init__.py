"""Views of rooms: `scene.py` draws them; the other files hold rays, surfaces and furniture."""
