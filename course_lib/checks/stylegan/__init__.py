"""Checks of the lab `stylegan`."""
