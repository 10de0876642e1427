"""Checks of the lab `gan-2d`."""
