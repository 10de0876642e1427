"""Checks of the lab `normalisation`."""
