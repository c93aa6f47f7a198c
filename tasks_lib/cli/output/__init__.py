"""Output of the commands: tables and sentences for people, JSON for programs, files.

A module belongs here if it writes, or shapes what is written.
"""
