"""Limits that keep one file or one client from using up the machine."""

from typing import NamedTuple

from tasks_lib.errors import UsageError


class Limits(NamedTuple):
    """Limits of sources; the settings of the same names describe them."""

    max_source_bytes: int = 32 * 2**30
    max_columns: int = 1_000
    max_cell_bytes: int = 2**20
    max_row_bytes: int = 16 * 2**20
    max_errors: int = 10_000
    max_archive_entries: int = 100_000
    max_archive_ratio: int = 200
    max_workbook_bytes: int = 2 * 2**30
    max_document_bytes: int = 2**20
    max_request_values: int = 100_000
    max_bulk_count: int = 1_000_000
    retry_seconds: float = 30


class ApiLimits(NamedTuple):
    """Limits of the HTTP API; the settings ``SEEDING_API_…`` describe them.

    If ``url`` is empty, the API's URL is taken from each request. Without ``cors_origins`` no page
    of another origin may read an answer.
    """

    max_body_bytes: int = 8 * 2**20
    max_connections: int = 800
    requests_per_second: float = 1_000
    burst: int = 2_000
    upload_minutes: int = 60
    url: str = ""
    cors_origins: tuple[str, ...] = ()


def check_list_limit(limit: int) -> None:
    """Raise UsageError if ``limit``, the number of entries to list at most, is below 1."""
    if limit < 1:
        raise UsageError(f"the limit is {limit}; it must be at least 1")
