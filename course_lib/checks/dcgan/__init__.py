"""Checks of the lab `dcgan`."""
