"""Checks of the lab `vqvae`."""
