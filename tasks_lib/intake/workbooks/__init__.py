"""Sheets of workbooks: Excel and ODS files as rows.

The engine is calamine, which reads a sheet as a whole. So it runs in a process of its own, whose
memory is limited, and this process stays small. The engine reports neither errors such as
``#REF!`` nor formats; ``cell_marks`` finds them in the file.
"""
