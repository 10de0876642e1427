"""Checks of the lab `gan_2d`."""
