"""``python -m course_lib.cli``: the command ``course``."""

import sys

from course_lib.cli import main

sys.exit(main())
