"""Results: the finished tasks of a pipeline or a group, and how far each export of them got.

A module belongs here if it reads or declares results; it writes no file.
"""
