"""Side-by-side timings: ours beside a library's, in turns, as ratios.

Each module is a command of its own, so nothing imports it before it is asked for.
"""
