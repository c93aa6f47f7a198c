"""CSV and JSON in, JSON objects out, with the types of their members and the problems."""

import io
import json
from collections.abc import Iterator

import pytest

from tasks_lib.domain.limits import Limits
from tasks_lib.domain.rows.dialects import Dialect
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.datasets.record_blocks import (
    ColumnTypes,
    csv_blocks,
    json_array_blocks,
    json_lines_blocks,
)
from tasks_lib.intake.rows.blocks import CheckedBlock

LIMITS = Limits(max_columns=4, max_row_bytes=1_000, max_cell_bytes=50)
JSON = {"lines": json_lines_blocks, "array": json_array_blocks}
Outcome = tuple[list[tuple[int, str]], list[Problem], dict[str, str]]


def collect(blocks: Iterator[CheckedBlock], kinds: ColumnTypes) -> Outcome:
    """Return the numbered good rows, the problems of the others, and the types of each column."""
    good: list[tuple[int, str]] = []
    problems: list[Problem] = []
    for block in blocks:
        good.extend(zip(block.numbers.to_pylist(), block.values.to_pylist(), strict=True))
        problems.extend(problem for bad in block.bad for problem in bad.problems)
        assert all({problem.row for problem in bad.problems} == {bad.row} for bad in block.bad)
    return good, problems, {name: " ".join(sorted(types)) for name, types in kinds.items()}


def read_csv(data: bytes, delimiter: str = ",", encoding: str = "") -> Outcome:
    kinds: ColumnTypes = {}
    blocks = csv_blocks(io.BytesIO(data), LIMITS, kinds, Dialect(delimiter, encoding=encoding))
    return collect(blocks, kinds)


def read_json(kind: str, data: bytes, encoding: str = "") -> Outcome:
    kinds: ColumnTypes = {}
    return collect(JSON[kind](io.BytesIO(data), LIMITS, kinds, encoding=encoding), kinds)


@pytest.mark.parametrize(
    ("data", "options", "rows", "columns"),
    [
        pytest.param(b"a,b\n1,x\n", {}, ['{"a":"1","b":"x"}'], "ab", id="cells are text"),
        pytest.param(b'a,b\n,""\n', {}, ['{"a":null,"b":null}'], "ab", id="empty cells are null"),
        pytest.param(
            b'a,b\n"x\ny\t\x01","""\\"\n', {}, [r'{"a":"x\ny\t\u0001","b":"\"\\"}'], "ab",
            id="control characters are escaped",
        ),
        pytest.param(b"a;b\n1;2,5\n", {"delimiter": ";"}, ['{"a":"1","b":"2,5"}'], "ab",
                     id="semicolons"),
        pytest.param(b"\xe9\nx\n", {"encoding": "cp1252"}, ['{"é":"x"}'], "é", id="cp1252"),
        pytest.param("a\nx\n".encode("utf-16"), {}, ['{"a":"x"}'], "a", id="UTF-16"),
        pytest.param(b'"a ""b"""\nx\n', {}, [r'{"a \"b\"":"x"}'], ['a "b"'], id="quoted header"),
        pytest.param("é,e\u0301\n1,2\n".encode(), {}, ['{"é":"1","e\u0301":"2"}'],
                     ["é", "e\u0301"], id="two Unicode forms"),
        pytest.param(b"a,b\n", {}, [], "ab", id="no rows"),
    ],
)  # fmt: skip
def test_a_csv_row_is_an_object_of_texts(
    data: bytes, options: dict[str, str], rows: list[str], columns: list[str]
) -> None:
    numbered = list(enumerate(rows, start=1))
    assert read_csv(data, **options) == (numbered, [], dict.fromkeys(columns, "text"))


def test_a_csv_row_with_an_odd_number_of_cells_is_reported() -> None:
    good, problems, _ = read_csv(b"a,b\n1\n1,2\n1,2,3\n")
    assert good == [(2, '{"a":"1","b":"2"}')]
    assert problems == [
        Problem("too_few_cells", "has 1 cell, the header 2: nothing for 'b'", 1),
        Problem(
            "too_many_cells",
            "has 3 cells, the header 2: '3' is too much; quote a cell that holds ','",
            3,
        ),
    ]


def test_a_csv_with_too_many_columns_is_refused() -> None:
    message = "the header has 5 columns, 4 are allowed; raise SEEDING_MAX_COLUMNS if that is meant"
    with pytest.raises(SourceProblemError) as caught:
        read_csv(b"a,b,c,d,e\n1,2,3,4,5\n")
    assert caught.value.problems == (Problem("too_many_columns", message),)


@pytest.mark.parametrize(
    ("data", "rows", "warnings"),
    [
        pytest.param(
            b"Labels,Labels,b\n1,2,3\n", ['{"Labels":"1","Labels 2":"2","b":"3"}'],
            ["column 2 is the second or a later 'Labels' and is called 'Labels 2'"],
            id="the same name",
        ),
        pytest.param(
            b'"Which?\n(one)",b\n1,2\n', ['{"Which? (one)":"1","b":"2"}'],
            ["the name of column 1 holds a line break or another control character and is now "
             "'Which? (one)'"],
            id="line break",
        ),
        pytest.param(b"a,b,,\n1,2,,\n3,4\n5,6,\n",
                     ['{"a":"1","b":"2"}', '{"a":"3","b":"4"}', '{"a":"5","b":"6"}'], [],
                     id="empty columns without a name"),
        pytest.param(
            b",a\n0,x\n1,y\n", ['{"column_1":"0","a":"x"}', '{"column_1":"1","a":"y"}'],
            ["column 1 has no name and is called 'column_1'"], id="an index",
        ),
        pytest.param(b"a,,,,,\n1,,,,,\n", ['{"a":"1"}'], [], id="more columns than allowed"),
    ],
)  # fmt: skip
def test_every_column_of_a_csv_in_use_has_a_name(
    data: bytes, rows: list[str], warnings: list[str]
) -> None:
    told: list[str] = []
    kinds: ColumnTypes = {}
    blocks = csv_blocks(io.BytesIO(data), LIMITS, kinds, Dialect(), warnings=told)
    good, problems, columns = collect(blocks, kinds)
    assert ([row for _, row in good], problems, told) == (rows, [], warnings)
    assert sorted(columns) == sorted(json.loads(rows[0]))


def test_a_column_without_a_name_is_there_from_the_block_in_which_it_is_used() -> None:
    data = b"a,\n" + b"x,\n" * 400_000 + b"y,note\n"
    told: list[str] = []
    kinds: ColumnTypes = {}
    good, problems, columns = collect(
        csv_blocks(io.BytesIO(data), LIMITS, kinds, Dialect(), warnings=told), kinds
    )
    assert (good[0], good[-1]) == ((1, '{"a":"x"}'), (400_001, '{"a":"y","column_2":"note"}'))
    assert (len(good), problems, columns) == (400_001, [], {"a": "text", "column_2": "text"})
    assert told == ["column 2 has no name and is called 'column_2'"]


@pytest.mark.parametrize("kind", JSON)
@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        pytest.param(['{"a": 1}', '{"a": "x"}'], {"a": "integer text"}, id="kinds are collected"),
        pytest.param(['{"a":1}', '{"b":2.0}'], {"a": "integer", "b": "number"}, id="in order"),
        pytest.param(['{"a":null}', "{}"], {"a": ""}, id="null and nothing"),
        pytest.param(['{"a":[1],"b":{}}'], {"a": "json", "b": "json"}, id="nested"),
        pytest.param(['{"a":true}', '{"a":1e2}'], {"a": "boolean number"}, id="true, 1e2"),
        pytest.param(['{"a":-0}', '{"a":12345678901234567890}', '{"a":-9223372036854775809}'],
                     {"a": "integer"}, id="whole numbers"),
        pytest.param(['{"a":100000000000000000000000}'], {"a": "integer"}, id="beyond 64 bits"),
        pytest.param(['{"a":1e30}', '{"a":-0.0}'], {"a": "number"}, id="floats"),
        pytest.param([r'{"\u00e9":"\u0001x"}', '{"é":"é"}'],
                     {"é": "text"}, id="escapes"),
        pytest.param(['{"é":1,"e\u0301":2}'], {"é": "integer", "e\u0301": "integer"},
                     id="two Unicode forms"),
    ],
)  # fmt: skip
def test_json_rows_are_stored_verbatim_and_typed(
    kind: str, rows: list[str], columns: dict[str, str]
) -> None:
    data = "\n".join(rows) if kind == "lines" else "[" + ",\n".join(rows) + "]"
    assert read_json(kind, data.encode()) == (list(enumerate(rows, start=1)), [], columns)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("kind", JSON)
def test_a_byte_order_mark_sets_the_encoding_of_json(kind: str, encoding: str) -> None:
    text = '{"é":"日本😀"}' if kind == "lines" else '[{"é":"日本😀"}]'
    assert read_json(kind, text.encode(encoding)) == (
        [(1, '{"é":"日本😀"}')], [], {"é": "text"},
    )  # fmt: skip


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("kind", JSON)
def test_the_encoding_of_json_may_be_given(kind: str, encoding: str) -> None:
    text = '{"é":1}\n' if kind == "lines" else '[{"é":1}]'
    assert read_json(kind, text.encode(encoding), encoding) == (
        [(1, '{"é":1}')], [], {"é": "integer"},
    )  # fmt: skip


@pytest.mark.parametrize("kind", JSON)
@pytest.mark.parametrize(
    ("row", "encoding", "code", "message"),
    [
        pytest.param(b"[1]", "", "not_an_object", "'[1]' is an array, not an object", id="array"),
        pytest.param(b"null", "", "not_an_object", "'null' is null, not an object", id="null"),
        pytest.param(b'{"":1}', "", "not_an_object", "has a member without a name", id="no name"),
        pytest.param(
            '{"\u200b":1}'.encode(), "", "not_an_object",
            "has a member without a name: one is called '<U+200B>' (with U+200B zero width space)",
            id="invisible name",
        ),
        pytest.param(
            rb'{"c":1,"a\n":1}', "", "invalid_column_name",
            "the member 'a<U+000A>' (with U+000A control character) has control characters in its "
            "name", id="control character in a name",
        ),
        pytest.param(
            rb'{"a\u0000":1}', "", "invalid_json", r"""'{"a\\u0000":1}' holds a NUL character""",
            id="NUL in a name",
        ),
        pytest.param(
            b'{"a":tru}', "", "invalid_json",
            "'{\"a\":tru}' is not valid JSON: Expecting value: line 1 column 6 (char 5)",
            id="no JSON",
        ),
        pytest.param(
            b'{"a":"\xe9"}', "", "invalid_encoding",
            "byte 0xE9, the row's number 7, is not UTF-8; give the file's encoding, such as "
            "cp1252, latin-1 or shift_jis", id="not UTF-8",
        ),
        pytest.param(
            b'{"a":"\x81"}', "cp1252", "invalid_encoding", "holds bytes that are not cp1252",
            id="not cp1252",
        ),
    ],
)  # fmt: skip
def test_a_bad_row_of_json_is_reported_and_the_others_are_read(
    kind: str, row: bytes, encoding: str, code: str, message: str
) -> None:
    ends = (b"", b"\n", b"\n") if kind == "lines" else (b"[", b",", b"]")
    data = ends[0] + ends[1].join([b'{"b":1}', row, b'{"b":2}']) + ends[2]
    expected = ([(1, '{"b":1}'), (3, '{"b":2}')], [Problem(code, message, 2)], {"b": "integer"})
    assert read_json(kind, data, encoding) == expected


def test_rows_before_the_damage_come_with_their_problems() -> None:
    blocks = json_array_blocks(io.BytesIO(b'[{"a":1},{"a":[1},{"a":2}]'), LIMITS, {}, encoding="")
    (block,) = [next(blocks)]
    assert (block.values.to_pylist(), [bad.row for bad in block.bad]) == (
        ['{"a":1}'],
        [2],
    )
    with pytest.raises(SourceProblemError, match="the file ends after element 2: it was cut off"):
        next(blocks)


@pytest.mark.parametrize("kind", JSON)
@pytest.mark.parametrize("rows", [['{"a":1,"b":1,"c":1,"d":1,"e":1}'], ['{"a":1,"b":1,"c":1}'] * 2])
def test_more_members_than_allowed_columns_are_refused(kind: str, rows: list[str]) -> None:
    rows = [*rows, '{"x":1,"y":2}']
    data = "\n".join(rows) if kind == "lines" else "[" + ",".join(rows) + "]"
    with pytest.raises(SourceProblemError) as caught:
        read_json(kind, data.encode())
    message = (
        "the rows have 5 different columns, 4 are allowed; raise SEEDING_MAX_COLUMNS if that is "
        "meant"
    )
    assert caught.value.problems == (Problem("too_many_columns", message),)


def test_blocks_have_a_limit_of_rows_and_of_characters() -> None:
    limits = Limits()
    small = b'{"a":1}\n' * 12_000
    large = (b'{"a":"' + b"x" * 2**20 + b'"}\n') * 6
    sizes = [
        [
            len(block.numbers)
            for block in json_lines_blocks(io.BytesIO(data), limits, {}, encoding="")
        ]
        for data in (small, large)
    ]
    assert sizes == [[5_000, 5_000, 2_000], [4, 2]]
