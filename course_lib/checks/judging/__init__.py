"""Checks of the lab `judging`."""
