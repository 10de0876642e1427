"""Make the learners' notebooks and the book's pages from the exercises' sources."""
