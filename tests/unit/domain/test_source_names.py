"""Names of one source differ in dates and times only."""

import pytest

from tasks_lib.domain.sources import identity_of


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        ("reviews-2026-11-29.csv", "reviews-*.csv"),
        ("reviews_20261130.csv", "reviews_*.csv"),
        ("reviews-2026-11-30T02-15-00.csv", "reviews-*.csv"),
        ("reviews-20261130T021500Z.csv", "reviews-*.csv"),
        ("reviews-20261130021500.csv", "reviews-*.csv"),
        ("reviews 30.11.2026.csv", "reviews *.csv"),
        ("reviews-2026-11.csv", "reviews-*.csv"),
        ("s3://inbox/2026/11/30/shop-2.csv", "s3://inbox/*/shop-2.csv"),
        (f"file:///files/uploads/{'0f' * 16}-reviews.csv", "file:///files/uploads/*-reviews.csv"),
    ],
)
def test_a_date_or_an_upload_is_no_part_of_the_identity(name: str, identity: str) -> None:
    assert identity_of(name) == identity


@pytest.mark.parametrize(
    "name",
    [
        "shop-1.csv",
        "shop-20261399.csv",
        "shop-202611300.csv",
        "shop-1-2026.csv",
        "reviews-v2.csv",
        "/data/uploads/reviews.csv",
        "web-reviews",
    ],
)
def test_all_else_is(name: str) -> None:
    assert identity_of(name) == name
