"""Checks of the lab `four_steps`."""
