"""Segment and Generate: the package behind the book and its labs.

The rooms, each of which imports only from those above it (``data`` from none)::

    data  ops  models  losses  post  metrics  train  results  viz  checks  grading

Importing the package itself is cheap: it loads no room, and no room touches CUDA when imported.
"""

__version__ = "0.1.0"
