"""Checks of the lab `unet`."""
