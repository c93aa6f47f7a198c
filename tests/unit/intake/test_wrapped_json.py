"""JSON whose rows are in a member of an object."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tasks_lib.domain.limits import Limits
from tasks_lib.errors import Problem, SourceProblemError, UsageError
from tasks_lib.intake.csv_files.encodings import Utf8Stream
from tasks_lib.intake.datasets.file_formats import FileFormat
from tasks_lib.intake.datasets.foreign_rows import ForeignSource
from tasks_lib.intake.datasets.json_records import find_arrays, json_array, split_records
from tasks_lib.intake.datasets.open_rows import open_rows

LIMITS = Limits(max_row_bytes=2_000)
DOCUMENT = (
    '{"meta": {"rows": [1, "]}", {"data": []}], "n": -1.5e3}, "note": "a \\"quoted\\" [",'
    ' "answer" :\n{"more": true, "data": [ {"a": 1}, {"a": [2]} ], "next": null}, "end": [] }\n'
)


def rows_in(text: str, names: Sequence[str], limits: Limits = LIMITS) -> list[str]:
    stream = Utf8Stream(io.BytesIO(text.encode()), "")
    return [record.data.decode() for record in json_array(stream, limits, names)]


def problem_in(text: str, names: Sequence[str], limits: Limits = LIMITS) -> Problem:
    with pytest.raises(SourceProblemError) as caught:
        rows_in(text, names, limits)
    return caught.value.problems[0]


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("data", ("data",)),
        ("$.data", ("data",)),
        ("response.items", ("response", "items")),
        ("$['a.b'].c", ("a.b", "c")),
        ('a["b c"]', ("a", "b c")),
        ("größe", ("größe",)),
    ],
)
def test_a_path_is_names_and_dots(path: str, names: tuple[str, ...]) -> None:
    assert split_records(path) == names


@pytest.mark.parametrize("path", ["", "$", "a..b", "$.a[0]", "a b]", ".[", "$..a"])
def test_any_other_path_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="does not name the member that holds the rows"):
        split_records(path)


def test_the_rows_of_a_member_are_read_whatever_is_beside_it() -> None:
    assert rows_in(DOCUMENT, ["answer", "data"]) == ['{"a": 1}', '{"a": [2]}']


def test_what_is_beside_the_rows_may_be_large() -> None:
    beside = json.dumps({"x": [{"y": "z" * 100}] * 1_000})
    text = f'{{"before": {beside}, "data": [{{"a": 1}}], "after": {beside}}}'
    assert rows_in(text, ["data"]) == ['{"a": 1}']


@pytest.mark.parametrize(
    ("text", "names", "code", "message"),
    [
        (DOCUMENT, ["answers"], "records_not_found",
         "the file has no member 'answers'; did you mean 'answer'?"),
        (DOCUMENT, ["rows"], "records_not_found",
         "the file has no member 'rows'; its members are meta, note, answer, end"),
        (DOCUMENT, ["answer", "more"], "records_not_found",
         "the member 'answer.more' of the file is no list of rows: it begins with 't'"),
        (DOCUMENT, ["note", "x"], "records_not_found",
         "the member 'note' of the file is no list of rows: it begins with '\"'"),
        ("[]", ["data"], "not_json", "the file is not a JSON array: it begins with '['"),
        ('{"data": [{"a": 1}]', ["data"], "not_json",
         "a member is followed by nothing: the file was cut off, or damaged"),
        ('{"x": "y', ["data"], "not_json",
         "the file ends within a member: it was cut off, or a quote or bracket is not closed"),
        ('{"data": [{"a": 1}], "data": []}', ["data"], "not_json",
         "the member 'data' occurs twice, so that one of them would be lost"),
        ('{"data": []} {"data": []}', ["data"], "not_json",
         "the document is followed by '{'"),
        ('{"a" 1}', ["data"], "not_json", "the name 'a' is followed by '1', not by a colon"),
        ('{"a": 1; "data": []}', ["data"], "not_json",
         "a member is followed by '\"': expected a comma or a brace"),
    ],
)  # fmt: skip
def test_a_file_without_the_rows_is_refused_with_what_it_has(
    text: str, names: list[str], code: str, message: str
) -> None:
    problem = problem_in(text, names)
    assert (problem.code, problem.message) == (code, message)


def test_arrays_of_objects_are_found() -> None:
    text = '{"a": [1], "b": [{}], "c": {"d": [ {"x": 1}], "e": {"f": [{}], "g": {"h": [{}]}}}'
    assert find_arrays(Utf8Stream(io.BytesIO(text.encode()), ""), LIMITS) == ["b", "c.d", "c.e.f"]


ENVELOPE = '{"data":[{"id":"1"},{"id":"2"}],"total":2}'


def read_file(folder: Path, name: str, text: str, **options: object) -> list[str]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    source = ForeignSource(str(path), **options)  # type: ignore[arg-type]
    with open_rows(source, Limits()) as rows:
        return [text for block in rows.blocks() for text in block.values.to_pylist()]


@pytest.mark.parametrize("text", [ENVELOPE, json.dumps(json.loads(ENVELOPE), indent=2)])
def test_the_records_of_a_file_are_imported(text: str, tmp_path: Path) -> None:
    rows = read_file(tmp_path, "d.json", text, records="data")
    assert [json.loads(row) for row in rows] == [{"id": "1"}, {"id": "2"}]


@pytest.mark.parametrize("indent", [None, 1])
def test_an_object_that_holds_a_list_of_objects_is_not_taken_for_a_row(
    indent: int | None, tmp_path: Path
) -> None:
    with pytest.raises(SourceProblemError) as caught:
        read_file(tmp_path, "d.json", json.dumps(json.loads(ENVELOPE), indent=indent))
    message = (
        "the file is one object, which holds a list of objects in 'data'; give 'data' as "
        "records to import those, or put the object in brackets, as [{...}], to import it as one "
        "row"
    )
    assert caught.value.problems == (Problem("not_json", message),)


@pytest.mark.parametrize(
    ("name", "text", "options"),
    [
        ("d.json", ENVELOPE, {"format": FileFormat.JSONL}),
        ("d.jsonl", ENVELOPE, {}),
        ("d.json", '{"id":"1","tags":["a"]}', {}),
        ("d.json", f"{ENVELOPE}\n{ENVELOPE}", {}),
    ],
    ids=["by format", "by name", "no objects in it", "two rows"],
)
def test_json_lines_of_objects_stay_rows(
    name: str, text: str, options: dict[str, object], tmp_path: Path
) -> None:
    assert read_file(tmp_path, name, text, **options) == text.split("\n")


def test_an_object_in_brackets_is_a_row(tmp_path: Path) -> None:
    assert read_file(tmp_path, "d.json", f"[{ENVELOPE}]") == [ENVELOPE]


@pytest.mark.parametrize("name", ["d.json", "d"])
def test_objects_of_several_lines_are_rows(name: str, tmp_path: Path) -> None:
    text = '{\n "a": {"b": 1}\n}\n{"a": 2}{\n}\n'
    assert read_file(tmp_path, name, text) == ['{  "a": {"b": 1} }', '{"a": 2}', "{ }"]
    with pytest.raises(SourceProblemError, match="give the format json, which reads objects of"):
        read_file(tmp_path, "d.jsonl", text)
    rows = read_file(tmp_path, "d.jsonl", text, format=FileFormat.JSON)
    assert len(rows) == 3


def test_an_array_may_be_called_json_lines(tmp_path: Path) -> None:
    assert read_file(tmp_path, "d.jsonl", '[{"a":1},\n{"a":2}]') == ['{"a":1}', '{"a":2}']
    with pytest.raises(SourceProblemError, match="is a JSON array; give the format json"):
        read_file(tmp_path, "d.jsonl", '[{"a":1},\n{"a":2}]', format=FileFormat.JSONL)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("d.json", {"columns": ("a",)}, "can be chosen of CSV, Parquet and workbooks only"),
        ("d.csv", {"records": "data"}, "only JSON has records in a member"),
    ],
)
def test_options_of_other_formats_are_refused(
    name: str, options: dict[str, object], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=reason):
        read_file(tmp_path, name, '[{"a":1}]', **options)


def test_columns_of_a_csv_can_be_chosen(tmp_path: Path) -> None:
    rows = read_file(tmp_path, "d.csv", "a,,b,b2\n1,x,2,3\n", columns=("b2", "a"))
    assert rows == ['{"a":"1","b2":"3"}']
