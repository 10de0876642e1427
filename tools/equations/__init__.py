"""Find the displayed equations and hold each to its test."""
