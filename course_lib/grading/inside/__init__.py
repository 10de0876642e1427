"""What is on both ends of the line between the grader and a learner's kernel.

This folder is shown in the sandbox as the package `course_inside`, alone: it imports nothing of
`course_lib`, and holds no secret. `wire` turns values into bounded data and back, `channel` carries
messages, `line` calls and gradients, `agent` answers for the learner's notebook.
"""
