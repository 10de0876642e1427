"""The primitives that are taught: written once, readably, and tested equal to the library."""
