"""The bounds of the External API, and its address."""

from typing import NamedTuple


class ApiLimits(NamedTuple):
    """Sizes in bytes, counts and times; the settings ``SEEDING_API_…`` say what they mean.

    Without ``url`` the API is where a request says that it is.
    """

    max_body_bytes: int = 8 * 2**20
    requests_per_second: float = 1_000
    burst: int = 2_000
    upload_minutes: int = 60
    url: str = ""
