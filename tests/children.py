"""Processes that tests start and kill, forked from one that has the product loaded."""

import multiprocessing

CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload(
    ["tasks_lib.api.app", "tasks_lib.api.server", "tasks_lib.operations.seed_from_zip"]
)
