"""Chains that copy values inside the database create the same tasks as chains that read them."""

import json
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import text

from chain_setup import LATER, chain, finish_tasks, origins
from near_cells import OPTIONS, cells, fields
from people import AT, make_tasks
from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.mapping.conversions import FITS
from tasks_lib.domain.statuses import SeedKind
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.domain.values.readers import reader_of
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.chains import fill
from tasks_lib.operations.chains.due import Fired, fire_chain
from tasks_lib.operations.chains.fill import _Filling, _Part
from tasks_lib.operations.chains.locked import LockedChain
from tasks_lib.operations.chains.manage import find_chain
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.chains import chain_inbox
from tasks_lib.store.chains.copying import Copied, copy_waiting
from tasks_lib.store.groups.task_groups import ensure_group
from vault import CHECK, apply_vault, seed_pipeline

KINDS = ["text", "long_text", "integer", "number", "boolean", "date", "datetime", "single_select",
         "url", "json", "multi_select"]  # fmt: skip
NAMES = ["a", 'say "hi"', "it's", "back\\slash", "größe", "a:b", "100%s", "{name}", "$.a", "日本"]
PLACES = ["predefined", "filled_in", "both", "neither"]
COPY, READ = "acme/copies/copy-{}", "acme/copies/read-{}"
NUMBERS = count(1)


class Pair(NamedTuple):
    """A column of the source, the field that it fills, and a text for each task and place."""

    column: Field
    field: Field
    stored: Sequence[Mapping[str, str]]


def stored_texts(kind: str) -> st.SearchStrategy[str]:
    """Draw a value as tasks store it, or null."""
    optional = Field.model_validate(
        {"name": "f", "type": kind, "source": "dataset", "required": False}
        | ({"options": OPTIONS} if "select" in kind else {})
    )

    def stored(cell: str) -> str:
        try:
            return reader_of(optional)(cell)
        except ValueProblemError:
            return "null"

    return cells(kind).map(stored)


@st.composite
def pairs(draw: st.DrawFn, name: str, tasks: int) -> Pair:
    kind = draw(st.sampled_from(KINDS))
    accepting = sorted(kind.value for kind in FITS[FieldType(kind)])
    target = draw(st.sampled_from([kind, *accepting]))
    column = {"name": name, "type": kind, "source": draw(st.sampled_from(["dataset", "input"]))}
    options = {"options": OPTIONS} if "select" in kind else {}
    values = stored_texts(kind)
    stored = []
    for _ in range(tasks):
        where = draw(st.sampled_from(PLACES))
        places = ["predefined", "filled_in"] if where == "both" else [where]
        stored.append({place: draw(values) for place in places})
    return Pair(
        Field.model_validate(column | options | {"required": False}),
        draw(fields(target, name)),
        stored,
    )


@st.composite
def chained(draw: st.DrawFn) -> list[Pair]:
    tasks = draw(st.integers(1, 4))
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    return [draw(pairs(name, tasks)) for name in names]


def document(pairs: Sequence[Pair], number: int, place: str) -> str:
    members = [
        f"{json.dumps(pair.column.name, ensure_ascii=False)}:{pair.stored[number][place]}"
        for pair in pairs
        if place in pair.stored[number]
    ]
    return "{" + ",".join(members) + "}"


def apply_pairs(workspace: Workspace, folder: Path, number: int, pairs: Sequence[Pair]) -> None:
    """Create a source pipeline, and two target pipelines with equal fields."""
    columns = [pair.column.model_dump(mode="json", exclude_none=True) for pair in pairs]
    filled = [pair.field.model_dump(mode="json", exclude_none=True) for pair in pairs]
    pipelines = [
        {"name": f"source-{number}", "status": "active", "fields": columns},
        {"name": f"copy-{number}", "status": "active", "fields": filled},
        {"name": f"read-{number}", "status": "active", "fields": filled},
    ]
    projects = [{"name": "copies", "pipelines": pipelines}]
    path = folder / "pairs.yaml"
    path.write_text(json.dumps({"organizations": [{"name": "acme", "projects": projects}]}))
    apply_catalogue(workspace.store, path)


def finish_pairs(workspace: Workspace, source: str, pairs: Sequence[Pair]) -> None:
    """Create finished tasks with the drawn values."""
    pipeline = find_pipeline(workspace.store, source)
    insert = text(
        "INSERT INTO tasks (pipeline_id, group_id, row, status, predefined, filled_in, finished_at)"
        " VALUES (:pipeline, :group, :row, 'finished', :predefined, :filled_in, :at)"
    )
    with workspace.store.write() as session:
        group = ensure_group(
            session, pipeline_id=pipeline.id, kind=SeedKind.CSV, seed_key="s", source="s", at=AT
        )
        for number in range(len(pairs[0].stored)):
            session.execute(
                insert,
                {
                    "pipeline": pipeline.id,
                    "group": group.group_id,
                    "row": number + 1,
                    "predefined": document(pairs, number, "predefined"),
                    "filled_in": document(pairs, number, "filled_in") if number % 4 < 3 else None,
                    "at": AT.isoformat(" "),
                },
            )  # fmt: skip


def outcome(workspace: Workspace, path: str) -> dict[str, Any]:
    """Return all that a chain into the pipeline left in the store."""
    pipeline = find_pipeline(workspace.store, path)
    queries = {
        "tasks": "SELECT row, status, CAST(predefined AS text), origin_id, key,"
        " stream_id IS NULL FROM tasks WHERE pipeline_id = :id ORDER BY id",
        "waiting": "SELECT i.task_id, i.error_code, i.error_message FROM chain_inbox i"
        " JOIN chains c ON c.id = i.chain_id WHERE c.target_pipeline_id = :id ORDER BY task_id",
        "counts": "SELECT sum(pending), sum(claims) FROM task_counts WHERE pipeline_id = :id",
        "groups": "SELECT kind, task_count, rejected_count, state FROM task_groups"
        " WHERE pipeline_id = :id ORDER BY id",
    }
    with workspace.store.read() as session:
        return {
            name: [tuple(row) for row in session.execute(text(query), {"id": pipeline.id})]
            for name, query in queries.items()
        }


def read_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LockedChain, "copied_fields", None)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(pairs=chained())
def test_copied_tasks_are_equal_to_tasks_that_were_read(
    workspace: Workspace, tmp_path: Path, pairs: list[Pair]
) -> None:
    number = next(NUMBERS)
    apply_pairs(workspace, tmp_path, number, pairs)
    source = f"acme/copies/source-{number}"
    finish_pairs(workspace, source, pairs)
    fired = []
    for target in (COPY.format(number), READ.format(number)):
        made = chain(workspace, target, source, include_existing=True)
        with pytest.MonkeyPatch.context() as patch:
            if target == READ.format(number):
                read_only(patch)
            fired.append(fire_chain(workspace, made.id, at=LATER))
    assert fired[0] == fired[1]
    assert outcome(workspace, COPY.format(number)) == outcome(workspace, READ.format(number))


PLAIN = [
    ("text", "text", '"say \\"hi\\" \\\\ \\n😀é"'),
    ("long_text", "text", json.dumps("long " * 40_000)),
    ("single_select", "long_text", '"abc"'),
    ("url", "text", '"https://example.com/a?b=c"'),
    ("integer", "text", "-12"),
    ("number", "text", "1.50"),
    ("boolean", "text", "true"),
    ("integer", "integer", "999999999999999999"),
    ("integer", "number", "7"),
    ("number", "number", "0.1000000000000000055511151231257827"),
    ("boolean", "boolean", "false"),
    ("date", "date", '"2024-02-29"'),
    ("datetime", "datetime", '"2024-02-29T10:00:00.5+05:30"'),
    ("url", "url", '"https://example.com/a"'),
    ("single_select", "single_select", '"abc"'),
    ("text", "single_select", '"abc"'),
]


def plain_pair(name: str, column: str, target: str, stored: str) -> Pair:
    def field(kind: str) -> Field:
        options = {"options": ["abc", "other"]} if "select" in kind else {}
        return Field.model_validate(
            {"name": name, "type": kind, "source": "dataset", "required": False, **options}
        )

    return Pair(field(column), field(target), [{"predefined": stored}, {"filled_in": stored}, {}])


def refuse_to_read(patch: pytest.MonkeyPatch, workspace: Workspace) -> None:
    """Let the test fail if rows are read, except on SQLite, where they always are."""

    def fail(*_: object) -> _Part:
        raise AssertionError("rows were read")

    if workspace.store.engine.dialect.name == "postgresql":
        patch.setattr(_Filling, "read", fail)


def test_values_of_equal_and_wider_types_are_not_read(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_read(monkeypatch, workspace)
    pairs = [plain_pair(f"f{place}", *case) for place, case in enumerate(PLAIN)]
    apply_pairs(workspace, tmp_path, 0, pairs)
    finish_pairs(workspace, "acme/copies/source-0", pairs)
    made = chain(workspace, "acme/copies/copy-0", "acme/copies/source-0", include_existing=True)
    assert fire_chain(workspace, made.id, at=LATER) == Fired(created=3, chains=1)
    texts = [
        f'"{stored}"' if target == "text" and column in {"integer", "number", "boolean"} else stored
        for column, target, stored in PLAIN
    ]
    whole = "{" + ",".join(f'"f{place}":{value}' for place, value in enumerate(texts)) + "}"
    empty = "{" + ",".join(f'"f{place}":null' for place in range(len(texts))) + "}"
    assert [row[2] for row in outcome(workspace, "acme/copies/copy-0")["tasks"]] == [
        whole, whole, empty,
    ]  # fmt: skip


def test_a_value_that_is_not_certain_lets_all_be_read_in_order(
    workspace: Workspace, tmp_path: Path
) -> None:
    (pair,) = [plain_pair("f", "text", "single_select", '"abc"')]
    stored = [{"predefined": value} for value in ('"abc"', '"wrong"', '"other"')]
    pair = pair._replace(stored=stored)
    apply_pairs(workspace, tmp_path, 0, [pair])
    finish_pairs(workspace, "acme/copies/source-0", [pair])
    made = chain(workspace, "acme/copies/copy-0", "acme/copies/source-0", include_existing=True)
    assert fire_chain(workspace, made.id, at=LATER) == Fired(created=2, misfits=1, chains=1)
    after = outcome(workspace, "acme/copies/copy-0")
    assert [row[0] for row in after["tasks"]] == [1, 3]
    assert [row[:2] for row in after["waiting"]] == [(2, "not_an_option")]


@pytest.fixture
def chain_workspace(workspace: Workspace, tmp_path: Path) -> Workspace:
    apply_vault(workspace, tmp_path)
    make_tasks(workspace, tmp_path, 12)
    return workspace


def test_parts_and_transactions_follow_each_other(
    chain_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_read(monkeypatch, chain_workspace)
    monkeypatch.setattr(fill, "_COPIED_FIRST", 2)
    monkeypatch.setattr(fill, "_COPIED_AT_ONCE", 2)
    monkeypatch.setattr(fill, "TASKS_AT_ONCE", 5)
    made = chain(chain_workspace)
    finish_tasks(chain_workspace, 12)
    assert fire_chain(chain_workspace, made.id, at=LATER) == Fired(created=12, chains=1)
    assert origins(chain_workspace) == list(range(1, 13))
    assert [row[1] for row in outcome(chain_workspace, CHECK)["groups"]] == [5, 5, 2]
    assert find_chain(chain_workspace.store, made.id).waiting == 0


def test_statements_copy_fewer_tasks_if_these_are_large(
    chain_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = []

    def copy(*arguments: Any, limit: int, **options: Any) -> Copied | None:
        limits.append(limit)
        return copy_waiting(*arguments, limit=limit, **options)

    monkeypatch.setattr(fill, "copy_waiting", copy)
    monkeypatch.setattr(fill, "_COPIED_FIRST", 1)
    monkeypatch.setattr(
        fill, "_COPIED_BYTES", 4 * len('{"review_id":"people.csv-0","body":"body"}')
    )
    made = chain(chain_workspace)
    finish_tasks(chain_workspace, 6)
    assert fire_chain(chain_workspace, made.id, at=LATER) == Fired(created=6, chains=1)
    is_copied = chain_workspace.store.engine.dialect.name == "postgresql"
    assert limits == ([1, 4, 4] if is_copied else [1])


def test_tasks_that_the_stream_let_in_meanwhile_are_not_created_again(
    chain_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = chain(chain_workspace)
    finish_tasks(chain_workspace, 2)
    seed_pipeline(chain_workspace)
    finish_tasks(chain_workspace, 2)
    monkeypatch.setattr(chain_inbox, "remove_seeded", lambda *_: None)
    monkeypatch.setattr(chain_inbox, "has_due", first_time())
    assert fire_chain(chain_workspace, made.id, at=LATER) == Fired(created=2, chains=1)
    assert origins(chain_workspace) == [1, 2, 3, 4]


def first_time() -> Any:
    """Return a function that answers True at its first call only."""
    answers = iter([True])
    return lambda *_: next(answers, False)
