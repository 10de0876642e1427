"""Checks of the exercises of the lab `flow-editing`."""
