"""Checks of the lab `flow-latent`."""
