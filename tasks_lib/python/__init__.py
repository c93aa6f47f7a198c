"""The edge for Python programs: the functions that ``tasks_lib`` exports.

A module belongs here if it holds such a function; in a flow run it acts through ``steps``.
"""
