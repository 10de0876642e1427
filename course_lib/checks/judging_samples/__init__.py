"""Checks of the lab `judging_samples`."""
