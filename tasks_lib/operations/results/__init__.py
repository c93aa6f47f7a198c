"""Results: the finished tasks of a pipeline or a group, as rows.

A module belongs here if it reads them or brings them somewhere.
"""
