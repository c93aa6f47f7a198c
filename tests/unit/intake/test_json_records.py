"""JSON Lines and arrays in, rows out one by one; a refusal says where and why."""

import io
import json
import random

import pytest
from hypothesis import given, strategies as st

from json_values import VALUES
from tasks_lib.domain.limits import Limits
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.csv_files.encodings import ByteReader
from tasks_lib.intake.datasets.json_records import (
    json_array,
    json_lines,
)

LIMITS = Limits(max_row_bytes=100)
READERS = {"lines": json_lines, "array": json_array}


class Drops:
    """A file that returns 1 to ``most`` bytes at a time, and counts them."""

    def __init__(self, data: bytes, most: int, seed: int = 0) -> None:
        self.file = io.BytesIO(data)
        self.most = most
        self.random = random.Random(seed)
        self.bytes_read = 0

    def read(self, size: int, /) -> bytes:
        block = self.file.read(self.random.randint(1, min(self.most, size)))
        self.bytes_read += len(block)
        return block


def split(kind: str, stream: ByteReader | bytes) -> list[bytes]:
    """Return the elements, which must be numbered one by one."""
    source = io.BytesIO(stream) if isinstance(stream, bytes) else stream
    records = list(READERS[kind](source, LIMITS))
    assert [record.row for record in records] == list(range(1, len(records) + 1))
    return [record.data for record in records]


def problem_of(kind: str, stream: ByteReader | bytes) -> Problem:
    with pytest.raises(SourceProblemError) as caught:
        split(kind, stream)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("most", [1, 2, 3, 2**20], ids="up to {} bytes at a time".format)
@pytest.mark.parametrize(
    ("kind", "data", "elements"),
    [
        pytest.param("lines", b"", [], id="no lines"),
        pytest.param("lines", b'{"a":1}\n{"a":2}\n', [b'{"a":1}', b'{"a":2}'], id="LF"),
        pytest.param("lines", b'{"a":1}\r\n{"a":2}\r\n', [b'{"a":1}', b'{"a":2}'], id="CR LF"),
        pytest.param("lines", b'{"a":1}\n{"a":2}', [b'{"a":1}', b'{"a":2}'], id="no last LF"),
        pytest.param("lines", b'\n \t\r\n{"a":1}\n\n\n2\n \n', [b'{"a":1}', b"2"], id="blanks"),
        pytest.param("lines", b"\x0b\n\x0c\n", [b"\x0b", b"\x0c"], id="what JSON calls no blank"),
        pytest.param("lines", b"1\n\0\n\xff\n", [b"1", b"\0", b"\xff"], id="anything"),
        pytest.param("array", b"[]", [], id="empty array"),
        pytest.param("array", b" \r\n[\t] \n", [], id="empty array with blanks"),
        pytest.param("array", b'[{"a":1},{"a":2}]', [b'{"a":1}', b'{"a":2}'], id="objects"),
        pytest.param(
            "array", b'[\n  {\n    "a": 1\n  }\n]\n', [b'{\n    "a": 1\n  }'], id="pretty"
        ),
        pytest.param(
            "array",
            b'[12345,-1.50e+10 ,true,null, "a,]" ,[1,[2]],{}]',
            [b"12345", b"-1.50e+10", b"true", b"null", b'"a,]"', b"[1,[2]]", b"{}"],
            id="every kind",
        ),
        pytest.param(
            "array",
            rb'[{"]":"}\"}\\"},{"a":"\\\\\""},"\\"]',
            [rb'{"]":"}\"}\\"}', rb'{"a":"\\\\\""}', rb'"\\"'],
            id="brackets and quotes in strings",
        ),
        pytest.param("array", b'[{"a":tru,},nul]', [b'{"a":tru,}', b"nul"], id="no JSON within"),
        pytest.param(
            "array", "[{\"é\":\"日本😀\"}]".encode(), ['{"é":"日本😀"}'.encode()], id="UTF-8"
        ),
    ],
)  # fmt: skip
def test_elements_are_split_unchanged(
    kind: str, data: bytes, elements: list[bytes], most: int
) -> None:
    assert split(kind, Drops(data, most)) == elements


CUT = "was cut off, or a quote or bracket is not closed"
UTF16 = (
    "the file begins with NUL characters, so it is not JSON text; if it is UTF-16 without a "
    "byte order mark, give the encoding utf-16-le or utf-16-be"
)
TOO_LARGE = "is larger than 100 bytes; raise SEEDING_MAX_ROW_BYTES if that is meant"


@pytest.mark.parametrize("most", [1, 2**20], ids="up to {} bytes at a time".format)
@pytest.mark.parametrize(
    ("kind", "data", "problem"),
    [
        pytest.param("array", b" ", ("the file is not a JSON array: it begins with nothing", None),
                     id="empty"),
        pytest.param("array", b'{"a":1} [',
                     ("object 1 is followed by '[', not by an object", None), id="object, array"),
        pytest.param("array", b'{"a":1},{"a":2}',
                     ("object 1 is followed by ',', not by an object", None), id="a comma"),
        pytest.param("array", b"PK\x03\x04",
                     ("the file is not a JSON array: it begins with 'P'", None), id="a ZIP"),
        pytest.param("array", b"\xe9[]",
                     ("the file is not a JSON array: it begins with the byte 0xE9", None),
                     id="not UTF-8"),
        pytest.param("array", b"[", ("the file ends within element 1: it " + CUT, 1), id="cut [",),
        pytest.param("array", b'[{"a":1},', ("the file ends within element 2: it " + CUT, 2),
                     id="cut after a comma"),
        pytest.param("array", b'[1,{"a":"x}]', ("the file ends within element 2: it " + CUT, 2),
                     id="an open quote"),
        pytest.param("array", b'[12', ("the file ends within element 1: it " + CUT, 1),
                     id="cut in a number"),
        pytest.param("array", b'[{"a":1}', ("the file ends after element 1: it was cut off", None),
                     id="cut after an element"),
        pytest.param("array", b'[{"a":1} {"a":2}]',
                     ("element 1 is followed by '{', not by a comma or bracket", None),
                     id="no comma"),
        pytest.param("array", b'[{"a":1}}]',
                     ("element 1 is followed by '}', not by a comma or bracket", None),
                     id="a bracket too many"),
        pytest.param("array", b"[1,]", ("element 2 is missing: found ']'", 2), id="last comma"),
        pytest.param("array", b"[,1]", ("element 1 is missing: found ','", 1), id="first comma"),
        pytest.param("array", b"[1] x", ("the array is followed by 'x'", None), id="trailing"),
        pytest.param("array", b"[1][2]", ("the array is followed by '['", None), id="arrays"),
        pytest.param("array", b"[1]\0", ("the array is followed by '\\x00'", None), id="NUL"),
        pytest.param("array", "[1]".encode("utf-16-le"), (UTF16, None), id="array in UTF-16 LE"),
        pytest.param("array", "[1]".encode("utf-16-be"), (UTF16, None), id="array in UTF-16 BE"),
        pytest.param("lines", '{"a":1}'.encode("utf-16-le"), (UTF16, None), id="UTF-16 LE"),
        pytest.param("lines", '{"a":1}'.encode("utf-16-be"), (UTF16, None), id="UTF-16 BE"),
        pytest.param("lines", b'{\n "a":1\n}\n',
                     ("the first line is '{' alone, so it is not JSON Lines; give the format json, "
                      "which reads objects of several lines", None),
                     id="pretty object"),
        pytest.param("lines", b'[\r\n{"a":1}\n]',
                     ("the first line begins with '[': the file is a JSON array; give the "
                      "format json", None),
                     id="pretty array"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_split_is_refused_with_the_reason(
    kind: str, data: bytes, problem: tuple[str, int | None], most: int
) -> None:
    message, row = problem
    assert problem_of(kind, Drops(data, most)) == Problem("not_json", message, row)


@pytest.mark.parametrize("most", [1, 7, 2**20], ids="up to {} bytes at a time".format)
@pytest.mark.parametrize(
    ("kind", "data"),
    [
        pytest.param("lines", b"1\n" + b'"' + b"x" * 100 + b'"\n2\n', id="a long line"),
        pytest.param("lines", b"1\n" + b" " * 101, id="a long blank line"),
        pytest.param("array", b'[1,"' + b"x" * 100 + b'",2]', id="a long string"),
        pytest.param("array", b"[1,{" + b" " * 100 + b"}]", id="a long object"),
        pytest.param("array", b"[1," + b"9" * 101 + b"]", id="a long number"),
        pytest.param("array", b'[1,"' + b"x" * 200, id="a string without an end"),
        pytest.param("array", b"[1," + b"[" * 200, id="brackets without an end"),
    ],
)
def test_a_row_over_the_limit_is_refused(kind: str, data: bytes, most: int) -> None:
    problem = Problem("row_too_large", f"row 2 {TOO_LARGE}", 2)
    assert problem_of(kind, Drops(data, most)) == problem


@pytest.mark.parametrize("kind", READERS)
def test_a_row_at_the_limit_is_read(kind: str) -> None:
    row = b'"' + b"x" * 98 + b'"'
    assert split(kind, row if kind == "lines" else b"[" + row + b"]") == [row]


@pytest.mark.parametrize(
    ("kind", "start"), [("lines", b'{"a":"'), ("array", b'[{"a":"'), ("array", b"[")], ids=str
)
def test_an_endless_row_is_not_read_to_its_end(kind: str, start: bytes) -> None:
    stream = Drops(start + b"[" * 1_000_000, 50)
    problem_of(kind, stream)
    assert stream.bytes_read < 300


def test_blanks_between_elements_are_no_part_of_a_row() -> None:
    assert split("array", Drops(b"[" + b" " * 5_000 + b"1" + b"\n" * 5_000 + b"]", 100)) == [b"1"]


@given(rows=st.lists(VALUES, max_size=5), most=st.integers(1, 20), seed=st.integers())
def test_block_boundaries_make_no_difference_to_an_array(
    rows: list[object], most: int, seed: int
) -> None:
    data = json.dumps(rows, indent=seed % 3 or None, ensure_ascii=seed % 2 == 0).encode()
    limits = Limits()
    result = [json.loads(record.data) for record in json_array(Drops(data, most, seed), limits)]
    assert result == rows


@given(rows=st.lists(VALUES, max_size=5), most=st.integers(1, 20), seed=st.integers())
def test_block_boundaries_make_no_difference_to_lines(
    rows: list[object], most: int, seed: int
) -> None:
    data = "\n".join(json.dumps(row, ensure_ascii=seed % 2 == 0) for row in rows).encode()
    result = [json.loads(record.data) for record in json_lines(Drops(data, most, seed), Limits())]
    assert result == rows


@given(rows=st.lists(VALUES, max_size=4), most=st.sampled_from([1, 5, 1_000]), cut=st.data())
def test_a_truncated_array_is_refused(rows: list[object], most: int, cut: st.DataObject) -> None:
    data = json.dumps(rows, ensure_ascii=False).encode()
    end = cut.draw(st.integers(0, len(data) - 1))
    with pytest.raises(SourceProblemError):
        list(json_array(Drops(data[:end], most), Limits()))


ODD = st.lists(
    st.sampled_from([b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b" ", b"\n", b"1", b"\xff"]),
    max_size=25,
).map(b"".join)


def outcome(kind: str, stream: ByteReader) -> object:
    elements: list[object] = []
    try:
        elements.extend(READERS[kind](stream, LIMITS))
    except SourceProblemError as error:
        return elements, error.problems
    return elements


@pytest.mark.parametrize("kind", READERS)
@given(body=ODD, most=st.integers(1, 5))
def test_any_bytes_give_the_same_result_for_all_block_boundaries(
    kind: str, body: bytes, most: int
) -> None:
    data = b"[" + body if kind == "array" else body
    assert outcome(kind, Drops(data, most)) == outcome(kind, io.BytesIO(data))
