"""Checks of the lab `simple-gan`."""
