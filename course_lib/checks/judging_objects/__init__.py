"""Checks of the exercises of the lab `judging-objects`."""
