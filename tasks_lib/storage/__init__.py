"""Files that outlive a run, in a folder or in an S3 bucket.

A module belongs here if it writes or finds stored files; it knows no database.
"""
