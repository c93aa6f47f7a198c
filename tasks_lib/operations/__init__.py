"""One package for each subject, one module for each act; an act opens its transaction.

A module belongs here if it is what a command, a step or a route does; it knows none of them.
"""
