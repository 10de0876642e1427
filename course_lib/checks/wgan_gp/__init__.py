"""Checks of the lab `wgan-gp`."""
