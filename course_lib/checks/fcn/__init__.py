"""Checks of the lab `fcn`."""
