"""The primitives that are taught: written once, readably, and tested equal to the library."""

from course_lib.ops.components import connected_components
from course_lib.ops.quantiser import VectorQuantizer

__all__ = ["VectorQuantizer", "connected_components"]
