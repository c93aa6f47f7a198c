"""One package for each subject, one module for each act; an act opens its transaction.

A module belongs here if commands, steps or routes call it; it knows none of them.
"""
