"""Checks of the lab `deeplab`."""
