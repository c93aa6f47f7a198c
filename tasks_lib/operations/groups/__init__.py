"""Task groups: what one seeding has created, and its report.

A module belongs here if it reads groups, or the reports of the runs that create them.
"""
