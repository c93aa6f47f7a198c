"""The bounds of the External API."""

from typing import NamedTuple


class ApiLimits(NamedTuple):
    """Sizes in bytes, counts and times; the settings ``SEEDING_API_…`` say what they mean."""

    max_body_bytes: int = 8 * 2**20
    requests_per_second: float = 1_000
    burst: int = 2_000
