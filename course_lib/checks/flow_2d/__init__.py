"""Checks of the exercises of the lab `flow-2d`."""
