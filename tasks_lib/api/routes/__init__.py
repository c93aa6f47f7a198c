"""The routes of the HTTP API, one module for each subject.

A module belongs here if it answers calls; each handler is thin and calls one operation.
"""
