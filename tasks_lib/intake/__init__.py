"""Bytes in; rows, values and problems out. Knows files and formats, no database."""
