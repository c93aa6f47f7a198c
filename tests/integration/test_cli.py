"""The command line, for people and for programs, on the embedded defaults."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from command_line import Seeding
from servers import wait_until
from tasks_lib.store.engine import LATEST_REVISION

PATH = "acme/reviews/label-reviews"
GOOD = "review_id,body,stars\n001,one,5\nNA, two ,\n"
BAD = "review_id,body,stars\n1,one,9\n"


@pytest.fixture
def seeding(capsys: pytest.CaptureFixture[str]) -> Seeding:
    return Seeding(capsys)


@pytest.fixture
def seeding_with_catalogue(seeding: Seeding, catalogue_file: Path) -> Seeding:
    assert seeding("apply", str(catalogue_file)) == (0, f"created    {PATH} (1)\n", "")
    return seeding


def test_applying_twice_changes_nothing(
    seeding_with_catalogue: Seeding, catalogue_file: Path
) -> None:
    expected = {"pipelines": [{"id": 1, "path": PATH, "outcome": "unchanged"}]}
    assert seeding_with_catalogue.json("apply", str(catalogue_file)) == (0, expected)


def test_the_template_is_the_header_that_is_accepted(
    seeding_with_catalogue: Seeding, tmp_path: Path
) -> None:
    header = "review_id,body,stars\r\n"
    target = tmp_path / "template.csv"
    assert seeding_with_catalogue("template", PATH) == (0, header, "")
    assert seeding_with_catalogue("template", "1", "-o", str(target)) == (0, "", "")
    assert target.read_bytes() == header.encode("utf-8-sig")  # for spreadsheets
    target.write_text("typed by hand")
    assert seeding_with_catalogue("template", "1", "-o", str(target)) == (
        2, "", f"error: {target} exists; to replace it, add --overwrite\n",
    )  # fmt: skip
    assert target.read_text() == "typed by hand"
    assert seeding_with_catalogue("template", "1", "-o", str(target), "--overwrite")[0] == 0
    assert target.read_bytes() == header.encode("utf-8-sig")
    assert seeding_with_catalogue.json("template", "1") == (
        0,
        {"pipeline_id": 1, "columns": ["review_id", "body", "stars"], "template": header},
    )


def test_seeding_prints_the_report(
    seeding_with_catalogue: Seeding, csv_file: Callable[..., str]
) -> None:
    source = csv_file(GOOD)
    assert seeding_with_catalogue.json("seed", "csv", PATH, source) == (
        0,
        {
            "group_id": 1,
            "pipeline_id": 1,
            "created": 2,
            "rejected": 0,
            "already_seeded": 0,
            "changed": 0,
            "updated": 0,
            "withdrawn": 0,
            "dry_run": False,
            "source": source,
            "rejects_uri": None,
            "errors": [],
        },
    )
    assert seeding_with_catalogue("seed", "csv", "1", source) == (
        0,
        "'reviews.csv' was seeded before: group 1 holds its 2 tasks, so nothing was created. "
        f"Pipeline: {PATH}.\n",
        "",
    )


def test_a_rejected_file_exits_with_1_and_shows_the_errors(
    seeding_with_catalogue: Seeding, csv_file: Callable[..., str], tmp_path: Path
) -> None:
    source = csv_file(BAD)
    status, out, err = seeding_with_catalogue("seed", "csv", PATH, source)
    assert status == 1
    assert err == (
        "'reviews.csv' was rejected, nothing was created: 1 row rejected; "
        "row 1, stars: '9' is above the maximum 5.\n"
    )
    table, where = out.splitlines()[:2], out.splitlines()[-1]
    assert [line.split() for line in table] == [
        ["row", "field", "code", "what", "is", "wrong"],
        ["1", "stars", "above_maximum", "'9'", "is", "above", "the", "maximum", "5"],
    ]
    home = (tmp_path / "seeding" / "files").as_uri()
    assert where.startswith(f"Rejects file, with what is wrong with each row: {home}/rejects/")
    status, report = seeding_with_catalogue.json("seed", "csv", PATH, source)
    assert (status, report["errors"]) == (
        1,
        [
            {
                "row": 1,
                "field": "stars",
                "code": "above_maximum",
                "message": "'9' is above the maximum 5",
            }
        ],
    )


def test_options_reach_the_intake(
    seeding_with_catalogue: Seeding, csv_file: Callable[..., str]
) -> None:
    content = "review_id;body;stars\n1;café;\n".encode("cp1252") + b"2;x;7\n"
    options = ("--delimiter", ";", "--encoding", "cp1252", "--on-error", "skip-rows")
    source = csv_file(content)
    status, rehearsal = seeding_with_catalogue.json(
        "seed", "csv", PATH, source, *options, "--dry-run"
    )
    assert (status, rehearsal["created"], rehearsal["dry_run"]) == (0, 1, True)
    assert seeding_with_catalogue.json("seed", "csv", PATH, source, *options)[1]["created"] == 1
    again = seeding_with_catalogue.json("seed", "csv", PATH, source, *options, "--allow-duplicate")
    assert again[1]["created"] == 1
    assert [
        task["fields"]["body"] for task in seeding_with_catalogue.json("tasks", "list", PATH)[1]
    ] == [
        "café",
        "café",
    ]


def test_groups_and_tasks_are_listed_and_shown(
    seeding_with_catalogue: Seeding, csv_file: Callable[..., str]
) -> None:
    source = csv_file(GOOD)
    seeding_with_catalogue("seed", "csv", PATH, source)
    status, (group,) = seeding_with_catalogue.json("groups", "list", PATH)
    created_at = group.pop("created_at")
    assert (status, group) == (
        0,
        {
            "id": 1, "pipeline_id": 1, "kind": "csv", "source": source, "tasks": 2, "rejected": 0,
            "state": "created", "removed": 0, "undone_by": None, "undone_at": None,
            "finished_at": None, "expired": 0, "name": None, "labels": {},
            "task_counts": {
                "pending": 2, "in_progress": 0, "paused": 0, "finished": 0, "escalated": 0,
                "quarantined": 0, "failed": 0, "withdrawn": 0,
            },
        },
    )  # fmt: skip
    second = {
        "id": 2,
        "pipeline_id": 1,
        "group_id": 1,
        "status": "pending",
        "fields": {"review_id": "NA", "body": " two ", "stars": None},
        "created_at": created_at,
        "claimed_by": None,
        "claimed_at": None,
        "claim_expires_at": None,
        "finished_at": None,
        "origin": {"kind": "csv", "source": source, "row": 2},
    }
    assert seeding_with_catalogue.json("tasks", "show", "2") == (
        0,
        second | {"moves": [], "links": {}},
    )
    assert seeding_with_catalogue.json("tasks", "list", "1", "--group", "1")[1][1] == second
    assert seeding_with_catalogue.json("tasks", "list", "1", "--group", "2") == (0, [])
    assert seeding_with_catalogue.json("tasks", "list", "1", "--status", "finished") == (0, [])
    assert len(seeding_with_catalogue.json("tasks", "list", "1", "--limit", "1")[1]) == 1
    shown = seeding_with_catalogue("tasks", "show", "2")[1]
    assert "  review_id: NA\n  body:  two \n  stars: null\n" in shown
    assert "2     pending  1      2    " in seeding_with_catalogue("tasks", "list", "1")[1]
    assert "1      csv   2" in seeding_with_catalogue("groups", "list", "1")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bogus",), 'Unknown command "bogus".'),
        (("seed", "csv", "1"), 'parameter SOURCE requires an argument'),
        (("seed", "csv", "1", "x", "--on-error", "shrug"), '"shrug"'),
        (("groups", "list", "2"), "there is no pipeline '2'; name one by its number or as"),
        (("groups", "list", "acme/reviews/label-review"), f"did you mean '{PATH}'?"),
        (("tasks", "show", "99"), "there is no task 99"),
        (("tasks", "list", "1", "--limit", "0"), "the limit is 0; it must be at least 1"),
        (("apply", "/no/such/file.yaml"), "/no/such/file.yaml cannot be read: No such file"),
    ],
)  # fmt: skip
def test_a_wrong_request_exits_with_2_and_one_sentence(
    seeding_with_catalogue: Seeding, arguments: tuple[str, ...], message: str
) -> None:
    status, out, err = seeding_with_catalogue(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
    status, document = seeding_with_catalogue.json(*arguments)
    assert (status, list(document), list(document["error"])) == (
        2, ["error"], ["code", "message"],
    )  # fmt: skip


def test_a_catalogue_that_would_break_tasks_is_refused_with_1(
    seeding_with_catalogue: Seeding, csv_file: Callable[..., str], catalogue_file: Path
) -> None:
    seeding_with_catalogue("seed", "csv", PATH, csv_file(GOOD))
    narrower = catalogue_file.read_text(encoding="utf-8").replace("max: 5", "max: 4")
    catalogue_file.write_text(narrower, encoding="utf-8")
    assert seeding_with_catalogue("apply", str(catalogue_file)) == (
        1,
        "",
        f"error: {catalogue_file} would break existing tasks, nothing was changed:\n"
        f"{catalogue_file}:7:13: pipeline {PATH}: field 'stars' would get a narrower max: 5 to 4\n",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("a: [", ":1:5: not YAML: while parsing a flow node", id="not YAML"),
        pytest.param("[" * 5_000, ":1:1: nested too deep to be read", id="too deep"),
        pytest.param("- a", ":1:1: the file is a list; expected members", id="a list"),
        pytest.param("", ":1:1: the file is null, or empty; expected members", id="empty"),
    ],
)
def test_an_invalid_catalogue_is_refused_with_1(
    seeding: Seeding, tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(content, encoding="utf-8")
    status, out, err = seeding("apply", str(path))
    assert (status, out) == (1, "")
    assert err.startswith(f"error: {path}{message}")


@pytest.mark.parametrize(
    ("name", "value", "status", "message"),
    [
        ("SEEDING_DATABASE_URL", "postgresql+psycopg://x@127.0.0.1:1/y", 3, "Connection refused"),
        ("SEEDING_MAX_ERRORS", "many", 2, "SEEDING_MAX_ERRORS: Input should be a valid integer"),
        ("SEEDING_HOME", "/proc/none", 3, "no store yet at sqlite:////proc/none/seeding.db"),
    ],
)
def test_unusable_settings_are_reported(
    seeding: Seeding,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    status: int,
    message: str,
) -> None:
    monkeypatch.setenv(name, value)
    exit_status, out, err = seeding("groups", "list", "1")
    assert (exit_status, out) == (status, "")
    assert message in err


def test_an_empty_store_is_advised_to_apply_a_catalogue(seeding: Seeding) -> None:
    seeding("db", "upgrade")
    assert seeding("groups", "list", PATH) == (
        2,
        "",
        f"error: there is no pipeline '{PATH}'; the store has none yet\n"
        "hint: to create pipelines, run: seeding apply FILE\n",
    )


def test_an_outdated_store_is_advised_to_upgrade(
    seeding: Seeding, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    monkeypatch.setenv("SEEDING_DATABASE_URL", url)
    seeding("db", "upgrade")
    with sqlite3.connect(tmp_path / "old.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
    connection.close()
    assert seeding("groups", "list", "1") == (
        3,
        "",
        f"error: the store {url} has revision 0000, this release needs {LATEST_REVISION}; "
        "upgrade it\nhint: to upgrade the store, run: seeding db upgrade\n",
    )


def test_the_store_is_upgraded_on_request(seeding: Seeding) -> None:
    assert seeding.json("db", "upgrade") == (0, {"before": None, "after": LATEST_REVISION})
    assert seeding("db", "upgrade") == (
        0,
        f"The store is at revision {LATEST_REVISION} (was: {LATEST_REVISION}).\n",
        "",
    )


def test_deployed_without_a_server_exits_with_3(
    seeding_with_catalogue: Seeding, csv_file: Callable[..., str]
) -> None:
    status, _, err = seeding_with_catalogue("seed", "csv", PATH, csv_file(GOOD), "--deployed")
    assert (status, err) == (
        3,
        "error: no Prefect server is configured; "
        "run `prefect server start` and set PREFECT_API_URL\n",
    )


def test_the_installed_command_is_this_one(seeding_with_catalogue: Seeding) -> None:
    command = Path(sys.executable).with_name("seeding")
    completion = subprocess.run(
        [command, "groups", "list", PATH], capture_output=True, text=True, check=False
    )
    assert (completion.returncode, completion.stdout, completion.stderr) == (
        0,
        "This pipeline has no task groups yet.\n",
        "",
    )


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let child processes receive SIGINT: a shell's background jobs inherit that it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupted_load_says_so_creates_nothing_and_can_be_rerun(
    seeding_with_catalogue: Seeding,
    csv_file: Callable[..., str],
    tmp_path: Path,
    interruptible: None,
) -> None:
    source = csv_file("review_id,body,stars\n" + "1,body,1\n" * 2_000_000)
    command = [str(Path(sys.executable).with_name("seeding")), "seed", "csv", PATH, source]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_until(lambda: is_writing(tmp_path / "seeding" / "seeding.db"))
    child.send_signal(signal.SIGINT)
    out, err = child.communicate()
    assert (child.returncode, out, err) == (
        130,
        "",
        "interrupted; run it again to finish: nothing is created twice\n",
    )
    assert seeding_with_catalogue.json("groups", "list", PATH) == (0, [])


def is_writing(database: Path) -> bool:
    """Return whether a load has begun: its rows fill the write-ahead log."""
    log = database.with_name(database.name + "-wal")
    return log.exists() and log.stat().st_size > 5_000_000


@pytest.mark.parametrize(
    "command",
    [
        "tasks show 1.5",
        "tasks submit 1.5",
        "tasks release 1.5",
        "tasks set-status 1.5 failed",
        "tasks list acme/reviews/label-reviews --limit 1.5",
        "tasks list acme/reviews/label-reviews --group 1.5",
        "chain show 1.5",
        "chain edit 1.5 --on task-completion",
        "chain pause 1.5",
        "chain resume 1.5",
        "chain delete 1.5",
        "dataset show acme reviews --rows 1.5",
        "api --port 1.5",
    ],
)
def test_a_number_that_is_not_whole_is_refused_instead_of_rounded(
    seeding_with_catalogue: Seeding, command: str
) -> None:
    status, out, err = seeding_with_catalogue(*command.split())
    assert (status, out) == (2, "")
    assert "'1.5' is not a whole number" in err


def test_an_unknown_encoding_is_refused_also_for_known_content(
    seeding_with_catalogue: Seeding, csv_file: Callable[..., str]
) -> None:
    source = csv_file(GOOD)
    seeding_with_catalogue("seed", "csv", PATH, source)
    status, report = seeding_with_catalogue.json("seed", "csv", PATH, source, "--encoding", "utf99")
    assert (status, [error["code"] for error in report["errors"]]) == (1, ["unknown_encoding"])
