"""Checks of the lab `classifier`."""
