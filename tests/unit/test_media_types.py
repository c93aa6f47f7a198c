"""The media type of an answer is the one that the header Accept prefers."""

import pytest

from tasks_lib.api.media_types import choose_media_type

OFFERED = ("application/x-ndjson", "text/csv", "application/vnd.apache.parquet")
LINES, CSV, PARQUET = OFFERED


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", LINES),
        ("*/*", LINES),
        ("text/csv", CSV),
        ("TEXT/CSV; header=present", CSV),
        ("text/*", CSV),
        ("application/*", LINES),
        ("application/json, text/csv;q=0.5", CSV),
        ("text/csv;q=0.5, application/vnd.apache.parquet", PARQUET),
        ("*/*;q=0.1, application/vnd.apache.parquet;q=0.2", PARQUET),
        ("application/x-ndjson;q=0, */*", CSV),
        ("application/json", None),
        ("text/csv;q=0", None),
        ("nonsense", None),
    ],
)
def test_the_preferred_type_is_chosen(accept: str, chosen: str | None) -> None:
    assert choose_media_type(accept, OFFERED) == chosen
