"""The Data Vault lists, shows and exports datasets and pipelines, on both databases."""

import json
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.errors import NotFoundError
from tasks_lib.operations.datasets.data_vault import (
    VaultEntry,
    export_dataset,
    list_datasets,
    show_dataset,
)
from tasks_lib.operations.datasets.import_request import ImportMode
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.workspace import Workspace
from vault import LABEL, MORE, ROWS, finish, put, seed_dataset, tasks_of, write

TEXT = FieldType.TEXT
COLUMNS = (Column("review_id", TEXT), Column("body", TEXT), Column("stars", TEXT))
LABEL_COLUMNS = (
    Column("review_id", TEXT),
    Column("body", FieldType.LONG_TEXT),
    Column("stars", FieldType.INTEGER),
    Column("sentiment", FieldType.SINGLE_SELECT),
    Column("id", FieldType.INTEGER),
    Column("status", TEXT),
    Column("created", FieldType.DATETIME),
)
WHOLE = "\n".join(
    [
        '{"review_id":"001","body":"one","stars":"5"}',
        '{"review_id":"NA","body":" two ","stars":null}',
        '{"review_id":"12345678901234567890","body":"three","stars":"1"}',
        "",
    ]
)


def export_text(workspace: Workspace, name: str = "reviews", organization: str = "acme") -> str:
    return "".join(export_dataset(workspace.store, organization, name))


def test_datasets_are_listed_before_the_pipelines(reviews: Workspace, tmp_path: Path) -> None:
    put(reviews, write(tmp_path, '{"a": 1}\n', "a.jsonl"), name="another")
    datasets = list_datasets(reviews.store, "acme")
    assert [(entry.name, entry.source, entry.row_count) for entry in datasets] == [
        ("another", "import", 1),
        ("reviews", "import", 3),
        ("audits/audit-reviews", "pipeline", 0),
        ("reviews/check-reviews", "pipeline", 0),
        ("reviews/label-reviews", "pipeline", 0),
    ]
    assert (datasets[1].columns, datasets[4].columns) == (COLUMNS, LABEL_COLUMNS)


def test_an_organization_lists_its_own(reviews: Workspace) -> None:
    datasets = list_datasets(reviews.store, "umbrella")
    assert [entry.name for entry in datasets] == ["reviews/label-reviews"]
    with pytest.raises(NotFoundError, match="there is no organization 'acne'; did you mean 'acme'"):
        list_datasets(reviews.store, "acne")


def test_a_dataset_shows_its_imports_and_first_rows(reviews: Workspace, tmp_path: Path) -> None:
    more = write(tmp_path, MORE, "more.csv")
    put(reviews, more, mode=ImportMode.APPEND)
    entry = show_dataset(reviews.store, "acme", "reviews", rows=2)
    assert entry == VaultEntry(
        name="reviews",
        source="import",
        columns=COLUMNS,
        row_count=5,
        versions=entry.versions,
        rows=tuple(WHOLE.splitlines()[:2]),
    )
    assert [(version.version, version.source, version.row_count) for version in entry.versions] == [
        (1, str(tmp_path / "reviews.csv"), 3),
        (2, more, 2),
    ]
    assert show_dataset(reviews.store, "acme", "reviews", rows=0).rows == ()


def test_a_pipeline_shows_its_tasks_with_the_submitted_values(
    reviews: Workspace, csv_file: Callable[..., str]
) -> None:
    seed_from_csv(reviews, CsvRequest(pipeline=LABEL, source=csv_file(ROWS)), run_id="csv")
    finish(reviews, [2], '{"sentiment": "good"}')
    entry = show_dataset(reviews.store, "acme", "reviews/label-reviews", rows=2)
    assert (entry.row_count, entry.columns, entry.versions) == (3, LABEL_COLUMNS, ())
    first, second = map(json.loads, entry.rows)
    created = first.pop("created")
    assert first == {
        "id": 1, "status": "pending", "review_id": "001", "body": "one", "stars": 5,
    }  # fmt: skip
    assert second == {
        "id": 2, "status": "finished", "created": created, "review_id": "NA", "body": " two ",
        "stars": None, "sentiment": "good",
    }  # fmt: skip


def test_a_dataset_is_exported_as_it_was_written(reviews: Workspace, tmp_path: Path) -> None:
    assert export_text(reviews) == WHOLE
    odd = '{"n": 1.50, "text": "d\\u00e9j\\u00e0 \\\\ \\n", "deep": {"a": [1, {"b": null}]}}\n'
    put(reviews, write(tmp_path, odd, "odd.jsonl"), name="odd")
    assert export_text(reviews, "odd") == odd


def test_replaced_rows_are_not_exported(reviews: Workspace, tmp_path: Path) -> None:
    put(reviews, write(tmp_path, '{"a":7}\n', "a.jsonl"), mode=ImportMode.REPLACE)
    assert export_text(reviews) == '{"a":7}\n'


def test_an_export_can_be_imported(reviews: Workspace, tmp_path: Path) -> None:
    put(reviews, write(tmp_path, export_text(reviews), "copy.jsonl"), name="copy")
    assert export_text(reviews, "copy") == WHOLE


def test_an_export_of_many_rows_has_all_of_them_in_order(
    workspace: Workspace, tmp_path: Path
) -> None:
    content = "".join(f'{{"number":{number}}}\n' for number in range(23_456))
    put(workspace, write(tmp_path, content, "many.jsonl"))
    assert export_text(workspace) == content


def test_an_export_can_be_abandoned_midway(workspace: Workspace, tmp_path: Path) -> None:
    content = "".join(f'{{"number":{number}}}\n' for number in range(60_000))
    put(workspace, write(tmp_path, content, "many.jsonl"))
    export = export_dataset(workspace.store, "acme", "reviews")
    assert next(export) == '{"number":0}\n'
    assert isinstance(export, Generator)
    export.close()
    assert export_text(workspace) == content


@pytest.mark.parametrize(
    ("organization", "name", "message"),
    [
        ("acne", "reviews", "there is no organization 'acne'; did you mean 'acme'"),
        ("acme", "review", "there is no dataset 'review'; did you mean 'reviews'"),
        ("umbrella", "reviews", "there is no dataset 'reviews'"),
        ("acme", "reviews/label", "there is no pipeline 'acme/reviews/label'"),
        ("acme", "umbrella/reviews/label-reviews", "there is no pipeline"),
    ],
)
def test_a_missing_entry_is_not_found(
    reviews: Workspace, organization: str, name: str, message: str
) -> None:
    with pytest.raises(NotFoundError, match=message):
        show_dataset(reviews.store, organization, name, rows=5)
    with pytest.raises(NotFoundError, match=message):
        export_dataset(reviews.store, organization, name)


characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
odd_text = st.text(characters, min_size=1) | st.sampled_from(
    [
        'in "quotes"', "back\\slash", "\\N", "\\.", "\x01\x02", "\r\n", "\t", "\x7f", "\u2028",
        "\ufeff", "NULL", "1.50", "12345678901234567890", "\U0001f600", "e\u0301", "'", ",", " ",
    ]
)  # fmt: skip
digits = st.sampled_from(
    ["1.50", "-0", "0.10", "1e5", "1E+2", "-1.0e-3", "9007199254740993", "3.14159265358979323846"]
)
number_lines = st.builds("{}{}".format, st.integers(1, 10**15), st.sampled_from(["", ".0", ".50"]))


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(st.tuples(odd_text, odd_text, digits | number_lines), min_size=1, max_size=20),
    is_ascii=st.booleans(),
)
def test_values_arrive_in_tasks_as_they_were_written(
    workspace: Workspace, tmp_path: Path, rows: list[tuple[str, str, str]], is_ascii: bool
) -> None:
    def spelling(value: object) -> str:
        return json.dumps(value, ensure_ascii=is_ascii)

    written = "".join(
        f'{{"review_id":{spelling(one)},"said":{spelling([two])},"number":{number}}}\n'
        for one, two, number in rows
    )
    put(workspace, write(tmp_path, written, "odd.jsonl"), name="odd", mode=ImportMode.REPLACE)
    assert export_text(workspace, "odd") == written
    mapping = {"body": "number"}
    with_documents = {"body": "said:$[0]"}
    before = len(tasks_of(workspace))
    for number, chosen in enumerate((mapping, with_documents)):
        report = seed_dataset(
            workspace, dataset="odd", mapping=chosen, skip=("stars",), reseed=True,
            run_id=f"{before}-{number}",
        )  # fmt: skip
        assert (report.errors, report.created) == ((), len(rows))
    values_of_tasks = [json.loads(fields) for _, fields in tasks_of(workspace)[before:]]
    assert values_of_tasks == [
        *({"review_id": one, "body": number} for one, _, number in rows),
        *({"review_id": one, "body": two} for one, two, _ in rows),
    ]
