"""Child processes that tests can kill, each a fork of a server that has everything imported."""

import multiprocessing
from typing import Final

CHILDREN: Final = multiprocessing.get_context("forkserver")
"""There is one server for all tests, and what it imports first is said once, so here.

Test modules are not among it: Python 3.11's server has no path to them. Where pandas is installed,
Arrow imports it with a process's first array: for longer than what is killed then lasts.
"""

CHILDREN.set_forkserver_preload(
    [
        "pandas",
        "pytest",
        "s3fs",
        "tasks_lib.api.app",
        "tasks_lib.api.server",
        "tasks_lib.operations.apply_catalogue",
        "tasks_lib.operations.draining",
        "tasks_lib.operations.reconcile",
        "tasks_lib.operations.seed_from_csv",
        "tasks_lib.operations.seed_from_dataset",
        "tasks_lib.operations.seed_from_zip",
    ]
)
