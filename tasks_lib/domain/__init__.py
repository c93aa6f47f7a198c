"""Words and pure decisions: fields, values, statuses, reports, limits, rules.

A module belongs here if it needs no input or output and no clock.
"""
