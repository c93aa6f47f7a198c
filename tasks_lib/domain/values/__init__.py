"""Values of cells: what each field type accepts, and the JSON text that is stored for it.

One module for each family of values that has rules of its own.
"""
