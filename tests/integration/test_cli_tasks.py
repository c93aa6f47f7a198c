"""The commands that move tasks, for people and for programs."""

from pathlib import Path

import pytest

from command_line import Seeding

PATH = "acme/reviews/label-reviews"


@pytest.fixture
def seeding(capsys: pytest.CaptureFixture[str], catalogue_file: Path, tmp_path: Path) -> Seeding:
    """The command line on a store with two tasks."""
    source = tmp_path / "reviews.csv"
    source.write_text("review_id,body,stars\n1,one,5\n2,two,1.50\n3,three,1\n", encoding="utf-8")
    seeding = Seeding(capsys)
    assert seeding("apply", str(catalogue_file))[0] == 0
    assert seeding("seed", "csv", PATH, str(source), "--on-error", "skip-rows")[0] == 0
    return seeding


def test_a_task_is_claimed_and_submitted(seeding: Seeding) -> None:
    status, claimed = seeding.json("tasks", "claim", PATH, "--as", "ann")
    assert (status, claimed["id"], claimed["status"], claimed["claimed_by"]) == (
        0, 1, "in_progress", "ann",
    )  # fmt: skip
    status, done = seeding.json("tasks", "submit", "1", "--as", "ann", "--field", "sentiment=good")
    assert (status, done["status"], done["fields"]) == (
        0,
        "finished",
        {"review_id": "1", "body": "one", "stars": 5, "sentiment": "good"},
    )


def test_a_claim_without_available_tasks_says_so(seeding: Seeding) -> None:
    for _ in range(2):
        seeding("tasks", "claim", PATH, "--as", "ann")
    assert seeding("tasks", "claim", PATH, "--as", "ann") == (
        0, f"No task of {PATH} is available.\n", "",
    )  # fmt: skip
    assert seeding.json("tasks", "claim", PATH, "--as", "ann") == (0, None)


def test_a_task_shows_its_contributor_and_its_history(seeding: Seeding) -> None:
    seeding("tasks", "claim", PATH, "--as", "ann")
    seeding("tasks", "set-status", "1", "failed", "--reason", "the body is missing", "--as", "ann")
    lines = [
        line.split("UTC ")[-1].strip() for line in seeding("tasks", "show", "1")[1].split("\n")
    ]
    assert "claim by ann, pending -> in_progress" in lines
    assert "fail by ann, in_progress -> failed: the body is missing" in lines


def test_invalid_values_are_shown_as_a_table_with_status_1(seeding: Seeding) -> None:
    seeding("tasks", "claim", PATH, "--as", "ann")
    status, out, err = seeding("tasks", "submit", "1", "--as", "ann", "--fields", '{"stars": 1}')
    table = [line.split()[:2] for line in out.splitlines()]
    assert (status, table[0], table[1], table[-1]) == (
        1, ["row", "field"], ["stars", "read_only_field"], ["sentiment", "required"],
    )  # fmt: skip
    assert err == (
        "error: the values for task 1 were rejected: stars: field 'stars' came with the task and "
        "is read-only (and 1 more problem)\n"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (
            ["submit", "1", "--as", "ann", "--field", "sentiment=good"],
            1,
            "task 1 is pending; only a claimed task can be submitted or released",
        ),
        (["submit", "9", "--as", "ann"], 2, "there is no task 9"),
        (
            ["submit", "1", "--as", "ann", "--field", "good"],
            2,
            "--field 'good': must be name=value",
        ),
        (
            ["submit", "1", "--as", "ann", "--field", "a=1", "--field", "a=2"],
            2,
            "--field 'a=2': is given twice",
        ),
        (
            ["submit", "1", "--as", "ann", "--fields", "[1]"],
            2,
            "--fields '[1]' is not a JSON object: a row must be a JSON object, not an array",
        ),
        (
            ["set-status", "1", "finished"],
            2,
            'Invalid value "finished" for STATUS. Choose from: "failed", "escalated", '
            '"quarantined", "withdrawn", "pending".',
        ),
        (
            ["release", "1"],
            1,
            "task 1 is pending; release is allowed from in_progress",
        ),
    ],
)
def test_an_impossible_move_gets_one_sentence(
    seeding: Seeding, arguments: list[str], status: int, sentence: str
) -> None:
    assert seeding("tasks", *arguments) == (status, "", f"error: {sentence}\n")
