"""Checks of the lab `wgan_gp`."""
