"""Checks of the exercises of the lab `cvae`."""
