"""Build the book, check its links and look at its pages."""
