"""Checks of the lab `judging-samples`."""
