"""The bounds that keep one file from taking the machine."""

from typing import NamedTuple


class Limits(NamedTuple):
    """Sizes in bytes, counts, and a time; the settings of the same names say what they mean."""

    max_source_bytes: int = 32 * 2**30
    max_columns: int = 1_000
    max_cell_bytes: int = 2**20
    max_row_bytes: int = 16 * 2**20
    max_errors: int = 10_000
    max_archive_entries: int = 100_000
    max_archive_ratio: int = 200
    max_bulk_count: int = 1_000_000
    retry_seconds: float = 30
