"""Grades notebooks that nobody needs to trust.

The order of things, one module each:

* `rebuild` makes of whatever a learner handed in a notebook in the shape of the released one;
* `sandbox` starts a Jupyter kernel that sees and reaches nothing (`cgroup` is its limit);
* `judge` runs the learner's cells in it, and the released test cells here, in the grader's own
  process, over stand-ins for the learner's functions and networks;
* `inside` is the line between the two, through which nothing but bounded data passes.

What an attacker may do: anything, in the kernel. What the grader believes: the data that come back,
and whether they are right is found out here.

The room needs the extra `grading` (nbformat, nbgrader and with it jupyter_client).
"""
