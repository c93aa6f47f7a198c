"""Task groups: the tasks of one seeding, and its report.

A module belongs here if it reads groups, or the reports of the runs that create them.
"""
