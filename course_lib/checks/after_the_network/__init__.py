"""Checks of the exercises of the lab `after-the-network`."""
