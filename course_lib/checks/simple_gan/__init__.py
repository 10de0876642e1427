"""Checks of the lab `simple_gan`."""
