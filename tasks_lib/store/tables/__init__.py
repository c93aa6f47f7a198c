"""The tables. Their constraints forbid what must never happen.

``predefined`` is ``json``, not ``jsonb``: it keeps the digits of numbers and the text of documents
unchanged, and loads faster (docs/concepts/performance.md); values are read whole and
never searched.

A module of tables loads those that its foreign keys refer to. Mapping a table takes time, so that a
command loads the modules that it uses.
"""
