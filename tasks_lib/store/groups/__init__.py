"""Groups: the tasks of one seeding, their counts, and the flow runs that wait for them.

A module belongs here if it concerns a group as a whole; its tasks are removed in ``removal``.
"""
