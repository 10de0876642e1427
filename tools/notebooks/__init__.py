"""Execute, measure and check the notebooks."""
