"""Checks of the lab `four-steps`."""
