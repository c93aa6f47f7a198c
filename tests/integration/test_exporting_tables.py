"""Each finished task is exported once into a table of another database."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from shops import Shop
from sqlalchemy import text

from command_line import Seeding
from people import AT, finish, make_tasks
from tasks_lib import seed
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.result_formats import ResultFormat
from tasks_lib.errors import ConflictError, StorageUnavailableError, UsageError
from tasks_lib.operations.results.export import ExportReport, ExportRequest, export_results
from tasks_lib.operations.upkeep.announcing import announce_due
from tasks_lib.operations.workspace import Workspace
from vault import CHECK, LABEL, apply_vault

ODD = 'a "b" (c) 100% :d'
EVERY_TYPE = f"""
organizations:
  - name: acme
    projects:
      - name: reviews
        pipelines:
          - name: every-type
            fields:
              - {{name: words, type: text, source: dataset}}
              - {{name: story, type: long_text, source: dataset}}
              - {{name: link, type: url, source: dataset}}
              - {{name: whole, type: integer, source: dataset}}
              - {{name: part, type: number, source: dataset}}
              - {{name: yes, type: boolean, source: dataset}}
              - {{name: day, type: date, source: dataset}}
              - {{name: moment, type: datetime, source: dataset}}
              - {{name: one, type: single_select, source: dataset, options: [a, b]}}
              - {{name: many, type: multi_select, source: dataset, options: [a, ä]}}
              - {{name: tree, type: json, source: dataset}}
              - {{name: source, type: text, source: dataset}}
              - {{name: '{ODD}', type: text, source: input}}
"""


def place(shop: Shop, table: str = "labels") -> str:
    return f"{shop.url}{'&' if '?' in shop.url else '?'}table={table}"


def run(workspace: Workspace, shop: Shop | None, **options: Any) -> ExportReport:
    destination = {"destination": place(shop)} if shop is not None else {}
    request = ExportRequest(**{"pipeline": LABEL} | destination | options)
    return export_results(workspace, request)


def rows(shop: Shop, columns: str = "task_id", table: str = "labels") -> list[Any]:
    with shop.engine.connect() as connection:
        found = connection.execute(text(f"SELECT {columns} FROM {table} ORDER BY task_id"))
        return [row[0] if len(row) == 1 else tuple(row) for row in found]


def test_each_task_is_a_row_once(workspace: Workspace, shop: Shop, tmp_path: Path) -> None:
    make_tasks(workspace, tmp_path, 5)
    nothing = run(workspace, shop)
    assert nothing == ExportReport(pipeline_id=1, destination=nothing.destination, format=None)
    finish(workspace.store)
    assert run(workspace, shop) == nothing.model_copy(update={"exported": 1})
    assert run(workspace, shop) == nothing
    for _ in range(3):
        finish(workspace.store)
    assert run(workspace, shop).sentence == f"exported 3 tasks to {nothing.destination}."
    assert rows(shop, "task_id, group_id, review_id, stars, sentiment, contributor") == [
        (number, 1, f"people.csv-{number - 1}", 5, "good", "ann") for number in range(1, 5)
    ]


def test_columns_have_the_types_of_the_fields(
    configured: Workspace, shop: Shop, tmp_path: Path
) -> None:
    apply_vault(configured, tmp_path, EVERY_TYPE)
    path = "acme/reviews/every-type"
    values = {
        "words": "say 'yes'",
        "story": "two\nlines",
        "link": "https://example.org",
        "whole": 2**62,
        "part": 0.1,
        "yes": True,
        "day": "2026-11-30",
        "moment": "2026-11-30T12:00:00.123456+02:00",
        "one": "b",
        "many": ["a", "ä"],
        "tree": {"a": [12345678901234567890, None]},
        "source": "theirs",
    }
    seed([values], path)
    with configured.store.write() as session:
        session.execute(
            text(
                "UPDATE tasks SET status = 'finished', finish_number = 1, finished_at = :at,"
                " claimed_at = :at, claimed_by = 'ann', filled_in = :values"
            ).bindparams(at=AT.isoformat(" "), values=json.dumps({ODD: "%s"}))
            if not configured.store.is_postgresql
            else text(
                "UPDATE tasks SET status = 'finished', finish_number = 1, finished_at = :at,"
                " claimed_at = :at, claimed_by = 'ann', filled_in = CAST(:values AS json)"
            ).bindparams(at=AT, values=json.dumps({ODD: "%s"}))
        )
    run(configured, shop, pipeline=path)
    with shop.engine.connect() as connection:
        [row] = connection.execute(text("SELECT * FROM labels")).mappings()
    is_sqlite = shop.engine.dialect.name == "sqlite"
    moment = datetime(2026, 11, 30, 10, 0, 0, 123456, tzinfo=UTC)
    shown = "2026-11-30 10:00:00.123456"
    at = "2026-01-02 03:04:05.000000"
    found = dict(row)
    assert found.pop("created_at")
    assert found == {
        "task_id": 1,
        "group_id": 1,
        "group_name": None,
        "key": None,
        **values,
        "yes": 1 if is_sqlite else True,
        "day": "2026-11-30" if is_sqlite else date(2026, 11, 30),
        "moment": shown if is_sqlite else moment,
        "many": '["a", "ä"]' if is_sqlite else ["a", "ä"],
        "tree": '{"a":[12345678901234567890,null]}' if is_sqlite else values["tree"],
        "field_source": "theirs",
        ODD: "%s",
        "contributor": "ann",
        "claimed_at": at if is_sqlite else AT,
        "finished_at": at if is_sqlite else AT,
        "duration_seconds": 0.0,
        "source_kind": "frame",
        "source": found["source"],
        "source_row": 1,
        "origin_id": None,
        "chain_id": None,
    }


def test_a_new_field_becomes_a_column(
    workspace: Workspace, shop: Shop, tmp_path: Path, catalogue_file: Path
) -> None:
    make_tasks(workspace, tmp_path, 2)
    finish(workspace.store)
    run(workspace, shop)
    more = catalogue_file.read_text(encoding="utf-8")
    line = f"- {{name: '{ODD}', type: multi_select, source: input, options: [x], required: false}}"
    apply_vault(workspace, tmp_path, more.rstrip() + f"\n              {line}\n")
    finish(workspace.store, values={"sentiment": "good", ODD: ["x"]})
    run(workspace, shop)
    name = '"' + ODD.replace('"', '""').replace(":", "\\:") + '"'
    x = '["x"]' if shop.engine.dialect.name == "sqlite" else ["x"]
    assert rows(shop, f"task_id, {name}") == [(1, None), (2, x)]


def test_starting_over_replaces_the_rows(workspace: Workspace, shop: Shop, tmp_path: Path) -> None:
    make_tasks(workspace, tmp_path, 2)
    make_tasks(workspace, tmp_path, 2, "other.csv")
    for _ in range(3):
        finish(workspace.store)
    assert run(workspace, shop).exported == 3
    shop.run("UPDATE labels SET contributor = 'nobody'")
    shop.run("INSERT INTO labels (task_id, group_id) VALUES (98, 1)")
    shop.run("INSERT INTO labels (task_id, group_id) VALUES (99, 2)")
    assert run(workspace, shop, group=2, full=True).exported == 1
    assert rows(shop, "task_id, contributor") == [
        (1, "nobody"), (2, "nobody"), (3, "ann"), (98, None),
    ]  # fmt: skip
    assert run(workspace, shop, full=True).exported == 3
    assert rows(shop, "task_id, contributor") == [(1, "ann"), (2, "ann"), (3, "ann")]


def test_a_first_export_keeps_other_rows(workspace: Workspace, shop: Shop, tmp_path: Path) -> None:
    make_tasks(workspace, tmp_path, 1)
    shop.run("CREATE TABLE labels (task_id INTEGER PRIMARY KEY, remark TEXT)")
    shop.run("INSERT INTO labels (task_id, remark) VALUES (99, 'mine')")
    finish(workspace.store)
    run(workspace, shop)
    assert rows(shop, "task_id, remark, contributor") == [(1, None, "ann"), (99, "mine", None)]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ("task_id INTEGER", "its primary key is (), and must be (task_id)"),
        ("id INTEGER PRIMARY KEY", "its primary key is (id), and must be (task_id)"),
        (
            "task_id INTEGER PRIMARY KEY, stars TEXT",
            "column 'stars' is TEXT, and must be BIGINT",
        ),
        (
            "task_id INTEGER PRIMARY KEY, remark TEXT NOT NULL",
            "it requires a value in column 'remark', which results do not have",
        ),
    ],
)
def test_a_table_that_does_not_fit_is_refused(
    workspace: Workspace, shop: Shop, tmp_path: Path, columns: str, reason: str
) -> None:
    make_tasks(workspace, tmp_path, 1)
    finish(workspace.store)
    shop.run(f"CREATE TABLE labels ({columns})")
    with pytest.raises(ConflictError) as caught:
        run(workspace, shop)
    begin, _, end = str(caught.value).partition(" does not fit the results: ")
    assert begin.startswith("table labels of the ")
    assert end == f"{reason}; change it, or name another table"
    shop.run("DROP TABLE labels")
    assert run(workspace, shop).exported == 1
    assert rows(shop) == [1]


def test_a_table_takes_the_results_of_one_pipeline(
    workspace: Workspace, shop: Shop, tmp_path: Path
) -> None:
    apply_vault(workspace, tmp_path)
    run(workspace, shop)
    with pytest.raises(ConflictError) as caught:
        run(workspace, shop, pipeline=CHECK)
    assert str(caught.value).partition("table=")[2] == (
        f"labels takes the results of pipeline {LABEL}; name another table for those of {CHECK}"
    )


def test_exports_at_the_same_time(workspace: Workspace, shop: Shop, tmp_path: Path) -> None:
    make_tasks(workspace, tmp_path, 20)
    for turn in range(1, 5):
        for _ in range(5):
            finish(workspace.store)
        with ThreadPoolExecutor(4) as pool:
            reports = list(pool.map(lambda _: run(workspace, shop), range(4)))
        assert sum(report.exported for report in reports) == 5
        assert rows(shop) == list(range(1, 5 * turn + 1))


def test_a_secret_holds_the_whole_url(workspace: Workspace, shop: Shop, tmp_path: Path) -> None:
    make_tasks(workspace, tmp_path, 1)
    finish(workspace.store)
    secrets = {"shop": shop.url}
    known = replace(workspace, read_secret=secrets.__getitem__)
    report = run(known, shop, destination="secret:shop?table=labels")
    assert (report.destination, report.exported) == ("secret:shop?table=labels", 1)
    assert rows(shop) == [1]
    events: list[Any] = []
    at = workspace.store.now() + timedelta(minutes=2)
    announce_due(workspace.store, events.extend, at=at)
    [payload] = [e.payload for e in events if e.event == "seeding.results.exported"]
    assert payload["destination"] == "secret:shop?table=labels"


@pytest.mark.parametrize(
    ("destination", "options", "message"),
    [
        ("sqlite:///shop.db", {}, "the destination names no table; add ?table=NAME, or "),
        ("secret:shop", {}, "the destination names no table; add ?table=NAME, or "),
        ("sqlite:///shop.db?table=a..b", {}, "the destination names no table; add ?table=NAME, "),
        ("shop.db?table=a", {}, "shop.db?table=a is a path, and a table is named with the URL "),
        ("postgresql://me:hunter2@db/shop?table=a", {}, "the URL holds a password, which would "),
        ("sqlite:////shop.db?table=a", {"by_day": True}, "sqlite:////shop.db?table=a is a table, "),
        (
            "sqlite:////shop.db?table=a",
            {"format": ResultFormat.CSV},
            "sqlite:////shop.db?table=a is a table, which has no format and no folders; leave out "
            "the format",
        ),
        ("teradata://me@db/shop?table=a", {}, "no driver for 'teradata' is installed: "),
    ],
)
def test_a_destination_that_is_no_table(
    workspace: Workspace, tmp_path: Path, destination: str, options: Any, message: str
) -> None:
    make_tasks(workspace, tmp_path, 1)
    finish(workspace.store)
    with pytest.raises(UsageError) as caught:
        run(workspace, None, destination=destination, **options)
    assert str(caught.value).startswith(message)
    assert "hunter2" not in str(caught.value)


def test_a_database_that_cannot_be_reached(workspace: Workspace, tmp_path: Path) -> None:
    make_tasks(workspace, tmp_path, 1)
    finish(workspace.store)

    hasty = replace(workspace, limits=Limits(retry_seconds=0))

    def refused(destination: str) -> str:
        request = ExportRequest(pipeline=LABEL, destination=destination)
        with pytest.raises(StorageUnavailableError) as caught:
            export_results(hasty, request)
        assert caught.value.is_transient == ("127.0.0.1:9" in destination)
        return str(caught.value)

    folder = tmp_path / "none" / "shop.db"
    assert refused(f"sqlite:///{folder}?table=labels") == (
        f"table labels of the SQLite database {folder} cannot be written: "
        "unable to open database file"
    )
    assert refused("postgresql://me@127.0.0.1:9/shop?table=labels").startswith(
        "table labels of the postgresql database cannot be written: connection failed: "
    )


def test_the_command_exports_to_a_table(
    configured: Workspace, shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tasks(configured, tmp_path, 1)
    finish(configured.store)
    status, report = Seeding(capsys).json("results", "export", LABEL, place(shop))
    assert (status, report["exported"], report["files"], report["format"]) == (0, 1, [], None)
    assert rows(shop) == [1]


ODD_TEXTS = (
    "",
    " ",
    '"',
    "a\nb\r\n",
    "\\N",
    "\\.",
    "NULL",
    "'",
    "a,b;c\td",
    "né \U0001f600",
    "\x01",
)


def test_texts_that_mean_something_to_a_database(
    workspace: Workspace, shop: Shop, tmp_path: Path
) -> None:
    make_tasks(workspace, tmp_path, len(ODD_TEXTS) + 1)
    with workspace.store.write() as session:
        for task, value in enumerate(ODD_TEXTS, start=1):
            session.execute(
                text("UPDATE tasks SET predefined = :values WHERE id = :id"),
                {"values": json.dumps({"review_id": value, "body": value}), "id": task},
            )
    for _ in range(len(ODD_TEXTS) + 1):
        finish(workspace.store)
    run(workspace, shop)
    *found, last = rows(shop, "review_id, body, stars")
    assert found == [(value, value, None) for value in ODD_TEXTS]
    assert last[1:] == ("body", 5)


@pytest.mark.parametrize("shop", ["postgresql"], indirect=True)
def test_a_table_with_row_security(workspace: Workspace, shop: Shop, tmp_path: Path) -> None:
    make_tasks(workspace, tmp_path, 2)
    role = f"writer_{uuid4().hex}"
    shop.run(f"CREATE ROLE {role}")
    shop.run(f"GRANT ALL ON SCHEMA public TO {role}")
    shop.run("CREATE TABLE labels (task_id BIGINT PRIMARY KEY, contributor TEXT)")
    shop.run(f"ALTER TABLE labels OWNER TO {role}")
    shop.run("ALTER TABLE labels ENABLE ROW LEVEL SECURITY")
    shop.run("ALTER TABLE labels FORCE ROW LEVEL SECURITY")
    shop.run("CREATE POLICY all_rows ON labels USING (true)")
    for _ in range(2):
        finish(workspace.store)
    destination = f"{place(shop)}&options=-crole%3D{role}"
    assert run(workspace, None, destination=destination).exported == 2
    assert rows(shop, "task_id, contributor") == [(1, "ann"), (2, "ann")]
    shop.run("DROP TABLE labels")
    shop.run(f"DROP OWNED BY {role}")
    shop.run(f"DROP ROLE {role}")
