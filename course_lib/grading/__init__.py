"""Grades notebooks that nobody needs to trust.

The order of things, one module each:

* `rebuild` makes of whatever a learner handed in a notebook in the shape of the released one;
* `sandbox` starts a Jupyter kernel that sees and reaches nothing: `bubblewrap` shuts it in,
  `limits` and `cgroup` say how much it may use, `template` starts it in a fraction of a second;
* `kernel` runs cells in it, and keeps what is reasonable of their `outputs`;
* `learner` runs the learner's cells, again where their kernel ended, and makes stand-ins for the
  learner's functions and networks;
* `judge` runs the released test cells here, in the grader's own process, over these;
* `inside` is the line between the two, through which nothing but bounded data passes.

* `sets` reads graded sets, which lie outside of this package, and an instructor's overlay, and
  draws a variant for each learner; `personal` releases them, and finds by what each is judged.

What an attacker may do: anything, in the kernel. What the grader believes: the data that come back,
and whether they are right is found out here.

For whoever adds the commands and the workers of a large class:

* `judge` is for one submission, keeps no state, and is called in a worker's main thread (its timer
  limits the tests); `Settings(template=Template())`, one for each worker, makes it fast. A
  `Template` that is gone raises `SandboxError`: make another one, and judge the submission again.
* A worker should be expendable all the same: what a learner's test makes a lent function compute
  is bounded in memory (`line._little_memory`) and, between two steps of Python, in time; one long
  call into C is not.
* `rebuild` wants the released notebook, `judge` the instructor's, with hidden tests: an overlay
  only has to hand over another one. Modules that would give an answer away are named `hidden`.
* A question has `by_hand` set where nobody but the instructor can give the points; it must not be
  exported as 0. Outputs and messages are a learner's text: escape them wherever they are shown.

The room needs the extra `grading` (nbformat, nbgrader and with it jupyter_client).
"""
