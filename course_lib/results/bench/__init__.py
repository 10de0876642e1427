"""Side-by-side timings: ours beside a library's, in turns, as ratios."""
