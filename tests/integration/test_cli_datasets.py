"""The commands of datasets, and of seeding from datasets and from finished tasks."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks_lib.cli import run
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings
from vault import CATALOGUE, CHECK, LABEL, MORE, ROWS, finish, write

Run = Callable[..., tuple[int, str, str]]
LINES = [
    '{"review_id":"001","body":"one","stars":"5"}',
    '{"review_id":"NA","body":" two ","stars":null}',
    '{"review_id":"12345678901234567890","body":"three","stars":"1"}',
]
TEXT_COLUMNS = [{"name": name, "type": "text"} for name in ("review_id", "body", "stars")]
NOTHING: dict[str, Any] = {
    "group_id": None, "pipeline_id": 1, "created": 0, "rejected": 0, "already_seeded": 0,
    "changed": 0, "updated": 0, "withdrawn": 0, "dry_run": False,
    "source": "reviews", "rejects_uri": None, "errors": [],
}  # fmt: skip


@pytest.fixture
def seeding(
    capsys: pytest.CaptureFixture[str],
    catalogue_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Run a command in an empty folder, with the pipelines of ``vault`` in the store."""

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run(arguments)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    monkeypatch.chdir(tmp_path)
    assert call("apply", str(catalogue_file))[0] == 0
    assert call("apply", write(tmp_path, CATALOGUE, "vault.yaml"))[0] == 0
    return call


@pytest.fixture
def seeding_with_dataset(seeding: Run, tmp_path: Path) -> Run:
    write(tmp_path, ROWS)
    expected = (0, "Imported 3 rows as version 1 of reviews.\n", "")
    assert seeding("dataset", "import", "acme", "reviews", "reviews.csv") == expected
    return seeding


def document(seeding: Run, *arguments: str) -> tuple[int, Any]:
    status, out, _ = seeding(*arguments, "--json")
    return status, json.loads(out)


def cells(out: str) -> list[list[str]]:
    """Return the words of a table's lines."""
    return [line.split() for line in out.splitlines()]


def test_importing_prints_the_report(seeding_with_dataset: Run, tmp_path: Path) -> None:
    arguments = ("dataset", "import", "acme", "reviews")
    assert document(seeding_with_dataset, *arguments, "reviews.csv") == (
        0,
        {
            "dataset": "reviews", "version": 1, "imported": 0, "changed": 0,
            "already_imported": 3, "removed": 0, "rejected": 0, "source": "reviews.csv",
            "rejects_uri": None, "errors": [], "warnings": [],
        },
    )  # fmt: skip
    assert seeding_with_dataset(*arguments, "reviews.csv")[1] == (
        "Version 1 of reviews holds these 3 rows already; nothing was imported.\n"
    )
    write(tmp_path, MORE, "more.csv")
    assert seeding_with_dataset(*arguments, "more.csv", "--append")[1] == (
        "Imported 2 rows as version 2 of reviews.\n"
    )
    assert seeding_with_dataset(*arguments, "reviews.csv", "--replace")[1] == (
        "Imported 3 rows as version 3 of reviews.\n"
    )


def test_a_rejected_file_exits_with_1_and_shows_the_errors(
    seeding_with_dataset: Run, tmp_path: Path
) -> None:
    write(tmp_path, "review_id,body,stars\n1\n", "bad.csv")
    arguments = ("dataset", "import", "acme", "reviews", "bad.csv", "--append")
    message = "has 1 cell, the header 3: nothing for 'body', 'stars'"
    status, out, err = seeding_with_dataset(*arguments)
    assert (status, err) == (
        1, f"error: Nothing was imported into reviews: row 1: {message}.\n",
    )  # fmt: skip
    assert cells(out)[0] == ["row", "field", "code", "what", "is", "wrong"]
    assert cells(out)[1][:2] == ["1", "too_few_cells"]
    assert "Rejects file, with what is wrong with each row: file://" in out
    status, report = document(seeding_with_dataset, *arguments)
    assert "/rejects/" in report.pop("rejects_uri")
    assert (status, report) == (
        1,
        {
            "dataset": "reviews", "version": None, "imported": 0, "changed": 0,
            "already_imported": 0, "removed": 0, "rejected": 1, "source": "bad.csv",
            "errors": [{"row": 1, "field": None, "code": "too_few_cells", "message": message}],
            "warnings": [],
        },
    )  # fmt: skip


def test_options_reach_the_intake(seeding: Run, tmp_path: Path) -> None:
    write(tmp_path, "a\tb\n1\tcafé\n".encode("cp1252"), "data")
    options = ("--format", "csv", "--encoding", "cp1252", "--delimiter", "tab")
    assert seeding("dataset", "import", "acme", "x", "data", *options)[0] == 0
    assert seeding("dataset", "export", "acme", "x")[1] == '{"a":"1","b":"café"}\n'
    write(tmp_path, '{"a":1}\n', "data")
    again = seeding("dataset", "import", "acme", "x", "data", "--format", "jsonl", "--replace")
    warning = "warning: column 'b' is gone, since version 1 of x\n"
    assert again == (0, "Imported 1 row as version 2 of x.\n", warning)


def test_parts_of_a_file_can_be_chosen(seeding: Run, tmp_path: Path) -> None:
    write(tmp_path, 'a,"b,c",d,d\n1,2,3,4\n', "data.csv")
    chosen = ("data.csv", "--columns", 'd 2,"b,c"', "--columns", "a")
    warning = "warning: column 4 is the second or a later 'd' and is called 'd 2'\n"
    assert seeding("dataset", "import", "acme", "x", *chosen) == (
        0, "Imported 1 row as version 1 of x.\n", warning
    )  # fmt: skip
    assert seeding("dataset", "export", "acme", "x")[1] == '{"a":"1","b,c":"2","d 2":"4"}\n'
    again = seeding("dataset", "import", "acme", "x", *chosen)[1]
    assert again == "Version 1 of x holds these 1 row already; nothing was imported.\n"
    other = seeding("dataset", "import", "acme", "x", "data.csv", "--columns", "a", "--replace")
    assert other[1] == "Imported 1 row as version 2 of x.\n"
    write(tmp_path, '{"data": {"rows": [{"a": 1}]}}', "data.json")
    nested = ("data.json", "--records", "data.rows", "--replace")
    assert seeding("dataset", "import", "acme", "x", *nested)[0] == 0
    assert seeding("dataset", "export", "acme", "x")[1] == '{"a": 1}\n'
    pq.write_table(pa.table({"a": [float("nan")]}), tmp_path / "data.parquet")
    numbers = ("data.parquet", "--nan-as-null", "--replace")
    assert seeding("dataset", "import", "acme", "x", *numbers)[0] == 0
    assert seeding("dataset", "export", "acme", "x")[1] == '{"a":null}\n'


def test_datasets_are_listed(seeding_with_dataset: Run) -> None:
    out = seeding_with_dataset("dataset", "list", "acme")[1]
    assert cells(out)[:2] == [
        ["dataset", "from", "rows", "columns"],
        ["reviews", "import", "3", "review_id,", "body,", "stars"],
    ]
    status, (entry, *pipelines) = document(seeding_with_dataset, "dataset", "list", "acme")
    assert (status, entry.pop("versions")[0]["row_count"]) == (0, 3)
    assert entry == {
        "name": "reviews", "source": "import", "rows": 3, "key": [], "columns": TEXT_COLUMNS,
        "first_rows": [],
    }  # fmt: skip
    assert [(pipeline["name"], pipeline["source"]) for pipeline in pipelines] == [
        ("audits/audit-reviews", "pipeline"),
        ("reviews/check-reviews", "pipeline"),
        ("reviews/label-reviews", "pipeline"),
    ]


def test_a_dataset_is_shown(seeding_with_dataset: Run) -> None:
    status, shown = document(
        seeding_with_dataset, "dataset", "show", "acme", "reviews", "--rows", "1"
    )
    (version,) = shown["versions"]
    assert (status, shown) == (
        0,
        {
            "name": "reviews",
            "source": "import",
            "rows": 3,
            "key": [],
            "columns": TEXT_COLUMNS,
            "versions": [
                {
                    "version": 1,
                    "source": "reviews.csv",
                    "sha256": sha256(ROWS.encode()).hexdigest(),
                    "imported_at": version["imported_at"],
                    "row_count": 3,
                    "changed_count": 0,
                    "removed_count": 0,
                }
            ],
            "first_rows": [json.loads(LINES[0])],
        },
    )
    at = f"{version['imported_at'][:10]} {version['imported_at'][11:19]} UTC"
    assert seeding_with_dataset("dataset", "show", "acme", "reviews") == (
        0,
        "reviews: 3 rows, from import\n  review_id (text)\n  body (text)\n  stars (text)\n"
        f"version 1: 3 rows from reviews.csv, {at}\n" + "\n".join(LINES) + "\n",
        "",
    )


def test_a_dataset_is_exported(seeding_with_dataset: Run, tmp_path: Path) -> None:
    whole = "\n".join(LINES) + "\n"
    assert seeding_with_dataset("dataset", "export", "acme", "reviews") == (0, whole, "")
    array = f"[{','.join(LINES)}]\n"
    assert seeding_with_dataset("dataset", "export", "acme", "reviews", "--json") == (0, array, "")
    assert seeding_with_dataset("dataset", "export", "acme", "reviews", "-o", "out.jsonl") == (
        0,
        "",
        "",
    )
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == whole
    assert seeding_with_dataset("dataset", "export", "acme", "review", "-o", "none.jsonl")[0] == 2
    assert not (tmp_path / "none.jsonl").exists()


def test_an_export_ends_quietly_on_a_broken_pipe(seeding: Run, tmp_path: Path) -> None:
    write(tmp_path, "a\n" + "some text\n" * 100_000, "many.csv")
    assert seeding("dataset", "import", "acme", "many", "many.csv")[0] == 0
    command = [str(Path(sys.executable).with_name("seeding")), "dataset", "export", "acme", "many"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stderr is not None
    assert child.stdout.readline() == b'{"a":"some text"}\n'
    child.stdout.close()
    assert child.stderr.read() == b""
    child.stderr.close()
    assert child.wait() == 0


def test_seeding_from_a_dataset_prints_the_report(seeding_with_dataset: Run) -> None:
    assert document(seeding_with_dataset, "seed", "dataset", LABEL, "reviews") == (
        0, NOTHING | {"group_id": 1, "created": 3},
    )  # fmt: skip
    assert document(seeding_with_dataset, "seed", "dataset", LABEL, "reviews") == (
        0, NOTHING | {"already_seeded": 3},
    )  # fmt: skip
    assert seeding_with_dataset("seed", "dataset", "1", "reviews") == (
        0, f"'reviews' created no tasks, 3 existed already. Pipeline: {LABEL}.\n", "",
    )  # fmt: skip
    assert seeding_with_dataset("seed", "dataset", "1", "reviews", "--reseed") == (
        0, f"'reviews' created 3 tasks in group 2. Pipeline: {LABEL}.\n", "",
    )  # fmt: skip


def test_a_dry_run_prints_the_plan(seeding_with_dataset: Run) -> None:
    arguments = ("seed", "dataset", LABEL, "reviews", "--skip", "stars", "--dry-run")
    status, report = document(seeding_with_dataset, *arguments)
    plan = report.pop("plan")
    assert (status, report) == (0, NOTHING | {"created": 3, "dry_run": True})
    assert [(entry["target"], entry["outcome"], entry["column"]) for entry in plan["fields"]] == [
        ("review_id", "matched", "review_id"),
        ("body", "matched", "body"),
        ("stars", "skipped", None),
        ("sentiment", "unmatched", None),
    ]
    assert plan["fields"][1] == {
        "target": "body", "type": "long_text", "filled_by": "dataset", "required": True,
        "outcome": "matched", "why": "same name", "column": "body", "column_type": "text",
        "path": None,
        "sample": {
            "rows": 3, "values": ['"one"', '" two "', '"three"'], "failed": 0, "failures": {},
        },
    }  # fmt: skip
    assert plan["columns"] == [
        {"name": "review_id", "type": "text", "used": True},
        {"name": "body", "type": "text", "used": True},
        {"name": "stars", "type": "text", "used": False},
    ]
    assert plan["problems"] == []
    status, out, err = seeding_with_dataset(*arguments)
    assert (status, err, out.splitlines()[-2:]) == (
        0,
        "",
        ["Not used: stars", f"'reviews' would create 3 tasks. Pipeline: {LABEL}."],
    )
    assert cells(out)[0] == ["field", "source", "outcome", "why", "sample", "fails"]
    assert seeding_with_dataset("tasks", "list", LABEL) == (0, "No tasks.\n", "")


def test_a_manual_mapping_reaches_the_plan(seeding: Run, tmp_path: Path) -> None:
    write(tmp_path, '{"id": 7, "payload": {"text": "a=b"}}\n', "x.jsonl")
    seeding("dataset", "import", "acme", "x", "x.jsonl")
    options = ("--map", "review_id=id", "--map", "body=payload:$.text", "--skip", "stars")
    assert seeding("seed", "dataset", LABEL, "x", *options)[0] == 0
    assert document(seeding, "tasks", "list", LABEL)[1][0]["fields"] == {
        "review_id": "7", "body": "a=b",
    }  # fmt: skip


def test_the_old_name_of_an_option_warns_and_leaves_stdout_alone(seeding_with_dataset: Run) -> None:
    seed = ("seed", "dataset", LABEL, "reviews")
    assert seeding_with_dataset(*seed, "--save-mapping", "shop")[0] == 0
    status, out, err = seeding_with_dataset(*seed, "--mapping", "shop", "--json")
    assert (status, json.loads(out)) == (0, NOTHING | {"already_seeded": 3})
    assert err == (
        "warning: --mapping is deprecated and will be removed in 0.4; use --mapping-name\n"
    )
    assert document(seeding_with_dataset, *seed, "--mapping-name", "shop")[0] == 0


def test_an_invalid_mapping_exits_with_1_and_shows_the_plan(seeding_with_dataset: Run) -> None:
    arguments = ("seed", "dataset", LABEL, "reviews", "--map", "body=bodi")
    why = "the source has no column 'bodi'; did you mean 'body'?"
    status, out, err = seeding_with_dataset(*arguments)
    sentence = f"'reviews' was rejected, nothing was created: field 'body': {why}\n"
    assert (status, err) == (1, sentence)
    assert "Not used: body" in out.splitlines()
    status, report = document(seeding_with_dataset, *arguments)
    error = {"field": "body", "code": "unknown_source_column", "message": f"field 'body': {why}"}
    assert (status, report.pop("plan")["problems"]) == (1, [error])
    assert report == NOTHING | {"errors": [{"row": None} | error]}


def test_seeding_from_a_pipeline_takes_finished_tasks(seeding_with_dataset: Run) -> None:
    seeding_with_dataset("seed", "dataset", LABEL, "reviews")
    expected = NOTHING | {"pipeline_id": 2, "source": LABEL}
    assert document(seeding_with_dataset, "seed", "pipeline", CHECK, LABEL) == (0, expected)
    with open_workspace(read_settings()) as workspace:
        finish(workspace, [2], '{"sentiment":"good"}')
    again = document(
        seeding_with_dataset, "seed", "pipeline", CHECK, LABEL, "--map", "body=sentiment"
    )
    assert again == (0, expected | {"group_id": 2, "created": 1})
    (task,) = document(seeding_with_dataset, "tasks", "list", CHECK)[1]
    assert task["fields"] == {"review_id": "NA", "body": "good"}
    assert task["origin"] == {"kind": "pipeline", "source": LABEL, "row": 2}
    status, (group,) = document(seeding_with_dataset, "groups", "list", CHECK)
    assert (status, group["kind"], group["source"], group["tasks"]) == (0, "pipeline", LABEL, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("seed", "dataset", LABEL, "reviews", "--map", "body"),
         "--map 'body' is not field=column or field=column:jsonpath"),
        (("seed", "dataset", LABEL, "reviews", "--map", "=body"),
         "--map '=body' is not field=column or field=column:jsonpath"),
        (("seed", "dataset", LABEL, "reviews", "--map", "body=a", "--map", "body=b"),
         "--map names the field 'body' twice"),
        (("seed", "dataset", LABEL, "review"),
         "there is no dataset 'review'; did you mean 'reviews'?"),
        (("seed", "dataset", "umbrella/reviews/label-reviews", "reviews"),
         "there is no dataset 'reviews'"),
        (("seed", "pipeline", LABEL, LABEL),
         f"pipeline {LABEL} cannot be seeded from itself"),
        (("seed", "pipeline", LABEL, "umbrella/reviews/label-reviews"),
         f"pipeline umbrella/reviews/label-reviews belongs to another organization than {LABEL}, "
         "and nothing crosses an organization"),
        (("dataset", "import", "acme", "x", "reviews.csv", "--append", "--replace"),
         "append and replace exclude each other; leave one of them out"),
        (("dataset", "import", "acme", "reviews", "vault.yaml", "--format", "csv"),
         "dataset 'reviews' has 3 rows already; choose append or replace, or give the key of its "
         "rows"),
        (("dataset", "import", "acne", "x", "reviews.csv"),
         "there is no organization 'acne'; did you mean 'acme'?"),
        (("dataset", "import", "acme", "a/b", "reviews.csv"),
         "dataset name 'a/b' holds a slash, as paths of pipelines do"),
        (("dataset", "list", "acne"), "there is no organization 'acne'; did you mean 'acme'?"),
        (("dataset", "show", "acme", "reviews", "--rows", "-1"),
         "the number of rows is -1; it must be at least 0"),
        (("dataset", "show", "acme", "nope"), "there is no dataset 'nope'"),
        (("dataset", "export", "acme", "review"),
         "there is no dataset 'review'; did you mean 'reviews'?"),
        (("dataset", "export", "acme", "reviews", "-o", "no/such.jsonl"),
         "no/such.jsonl cannot be written: No such file or directory"),
    ],
)  # fmt: skip
def test_a_wrong_request_exits_with_2_and_one_sentence(
    seeding_with_dataset: Run, arguments: tuple[str, ...], message: str
) -> None:
    code = "not_found" if message.startswith("there is no") else "usage"
    assert seeding_with_dataset(*arguments) == (2, "", f"error: {message}\n")
    assert document(seeding_with_dataset, *arguments) == (
        2,
        {"error": {"code": code, "message": message}},
    )


def test_the_options_that_solve_a_problem_of_parquet_are_named(
    seeding: Run, tmp_path: Path
) -> None:
    pq.write_table(pa.table([[1], [2], ["x"]], names=["a", "a", "b"]), tmp_path / "doubled.parquet")
    pq.write_table(pa.table({"a": [1.5, math.nan]}), tmp_path / "nan.parquet")
    hint = "hint: to import only some of the columns, add: --columns NAME,NAME\n"
    status, _, err = seeding("dataset", "import", "acme", "t", "doubled.parquet")
    message = "column 'a' occurs 2 times, at 1, 2; leave the column out: name the others in columns"
    assert (status, err) == (1, f"error: Nothing was imported into t: {message}.\n{hint}")
    assert seeding("dataset", "import", "acme", "t", "doubled.parquet", "--columns", "b")[0] == 0
    status, _, err = seeding("dataset", "import", "acme", "n", "nan.parquet")
    assert (status, err.splitlines()[-1]) == (1, "hint: to import NaN as null, add: --nan-as-null")
