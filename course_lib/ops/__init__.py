"""The primitives that are taught: written once, readably, and tested equal to the library."""

from course_lib.ops.components import connected_components

__all__ = ["connected_components"]
