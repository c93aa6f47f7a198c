"""``seeding seed bulk``, for people and for programs, on the embedded defaults."""

from pathlib import Path

import pytest

from command_line import Seeding

PATH = "acme/ideas/collect-ideas"
EXAMPLE = Path(__file__).parents[2] / "examples" / "catalogue.yaml"


@pytest.fixture
def seeding(capsys: pytest.CaptureFixture[str]) -> Seeding:
    """Run commands on a store with the example's catalogue."""
    seeding = Seeding(capsys)
    assert seeding("apply", str(EXAMPLE))[0] == 0
    return seeding


def test_a_person_gets_one_sentence(seeding: Seeding) -> None:
    status, out, err = seeding("seed", "bulk", PATH, "250")
    assert (status, err) == (0, "")
    assert out == f"'bulk' created 250 tasks in group 1. Pipeline: {PATH}.\n"


def test_a_program_gets_the_report(seeding: Seeding) -> None:
    assert seeding.json("seed", "bulk", PATH, "3", "--key", "december") == (
        0,
        {
            "group_id": 1, "pipeline_id": 5, "created": 3, "rejected": 0, "already_seeded": 0,
            "changed": 0, "updated": 0, "withdrawn": 0,
            "dry_run": False, "source": "bulk december", "rejects_uri": None, "errors": [],
        },
    )  # fmt: skip


@pytest.mark.parametrize("count", ["0", "-1", "1000001", "many", "1.5"])
def test_an_invalid_count_is_a_usage_error(seeding: Seeding, count: str) -> None:
    status, out, err = seeding("seed", "bulk", PATH, count)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")


def test_a_pipeline_with_dataset_fields_is_rejected(seeding: Seeding) -> None:
    status, _, err = seeding("seed", "bulk", "acme/reviews/label-reviews", "3")
    assert status == 1
    assert err.splitlines()[-1] == (
        "hint: to get a CSV file to fill in, run: "
        "seeding template acme/reviews/label-reviews -o tasks.csv"
    )
