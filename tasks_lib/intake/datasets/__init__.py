"""Foreign tables on their way into a dataset: files of records, Parquet, SQL queries.

A module belongs here if it turns an external source into rows of a dataset; ``foreign_rows`` says
how to add a source.
"""
