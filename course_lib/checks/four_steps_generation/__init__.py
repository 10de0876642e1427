"""Checks of the exercises of the lab `four-steps-generation`."""
