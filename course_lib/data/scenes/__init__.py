"""Scenes drawn by code: a module or folder for each kind, and what all of them draw with."""
