"""Seeding: one module for each way in which a source becomes tasks, and their common load.

A module belongs here if it creates tasks in one act that somebody asked for.

Each way is one function, which the command line and the HTTP API call without Prefect, so that a
seeding works on a machine on which no Prefect server runs. Its flow runs the same act, split into
the steps that are worth retrying or seeing: it calls the functions that the one function consists
of, each as a step of ``tasks_lib.steps``. So a way has no logic in its flow, and no function that
only its flow calls.

All of these functions raise SourceProblemError where the source or its rows cannot be used. One
place on either side catches it and records the rejection with ``reports.record_rejection``:
``reports.seed`` for the function as a whole, ``tasks_lib.steps.seeding.seeding_run`` for a flow.
"""
