"""Bytes in, rows and problems out."""

import csv
import io
from typing import Any, Literal

import pytest
from hypothesis import given, settings, strategies as st

from tasks_lib.domain.limits import Limits
from tasks_lib.domain.rows.dialects import Dialect, Quote
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.csv_files.csv_reader import CsvReader
from tasks_lib.intake.csv_files.encodings import Utf8Stream
from tasks_lib.intake.rows.blocks import BadRow

NEVER_CLOSED = "never closed; close it, or give the quote none if quotes are text in this file"
LIMITS = Limits(max_cell_bytes=50, max_row_bytes=200, max_columns=5)


def read(
    data: bytes,
    *,
    delimiter: str = ",",
    quote: Quote = Quote.DOUBLE,
    encoding: str = "",
    block_bytes: int = 2**20,
) -> tuple[list[str], list[tuple[int, list[str]]], list[BadRow], int]:
    """Return the header, the good rows with their numbers, the bad rows, and the blank lines."""
    stream = Utf8Stream(io.BytesIO(data), encoding)
    reader = CsvReader(stream, LIMITS, Dialect(delimiter, quote), block_bytes)
    good: list[tuple[int, list[str]]] = []
    bad: list[BadRow] = []
    blank = 0
    for block in reader.blocks():
        columns = [column.to_pylist() for column in block.columns]
        rows = [list(cells) for cells in zip(*columns, strict=True)]
        good.extend(zip(block.numbers.to_pylist(), rows, strict=True))
        bad.extend(block.bad)
        blank += block.blank
    return reader.columns, good, bad, blank


def problems_of(data: bytes, **options: Any) -> tuple[Problem, ...]:
    with pytest.raises(SourceProblemError) as caught:
        read(data, **options)
    return caught.value.problems


@pytest.mark.parametrize("block_bytes", [1, 7, 2**20], ids="blocks of {} bytes".format)
@pytest.mark.parametrize(
    ("data", "rows"),
    [
        pytest.param(b"a,b\n1,2\n3,4\n", [["1", "2"], ["3", "4"]], id="LF"),
        pytest.param(b"a,b\r\n1,2\r\n3,4\r\n", [["1", "2"], ["3", "4"]], id="CRLF"),
        pytest.param(b"a,b\r1,2\r3,4\r", [["1", "2"], ["3", "4"]], id="CR"),
        pytest.param(b"a,b\r\n1,2\n3,4\r5,6", [["1", "2"], ["3", "4"], ["5", "6"]], id="mixed"),
        pytest.param(b"a,b\n1,2", [["1", "2"]], id="last line without newline"),
        pytest.param(b'a,b\n"x\ny",2\n', [["x\ny", "2"]], id="quoted LF"),
        pytest.param(b'a,b\n"x\r\ny",2\n', [["x\r\ny", "2"]], id="quoted CRLF stays CRLF"),
        pytest.param(b'a,b\n"x,y","2"\n', [["x,y", "2"]], id="quoted delimiter"),
        pytest.param(b'a,b\n"say ""hi""",2\n', [['say "hi"', "2"]], id="doubled quotes"),
        pytest.param(b'a,b\n5" pipe,2\n', [['5" pipe', "2"]], id="quote within a bare cell"),
        pytest.param(b'a,b\n x"y"z ,2\n', [[' x"y"z ', "2"]], id="white space stays"),
        pytest.param(b"a,b\n1,\n", [["1", ""]], id="empty cell"),
        pytest.param(b'a,b\n"",""\n', [["", ""]], id="quoted empty cells"),
        pytest.param(b"a,b\nNA,null\n001,None\n", [["NA", "null"], ["001", "None"]], id="no nulls"),
        pytest.param("a,b\né,日本\n".encode(), [["é", "日本"]], id="UTF-8"),
        pytest.param("\ufeffa,b\n1,2\n".encode(), [["1", "2"]], id="UTF-8 with BOM"),
        pytest.param('\ufeff"a","b"\n1,2\n'.encode(), [["1", "2"]], id="BOM before a quote"),
        pytest.param("a,b\né,2\n".encode("utf-16"), [["é", "2"]], id="UTF-16 by BOM"),
        pytest.param(
            b"\xfe\xff" + "a,b\né,2\n".encode("utf-16-be"), [["é", "2"]], id="UTF-16 BE by BOM"
        ),
        pytest.param("a,b\n😀,2\n".encode("utf-32"), [["😀", "2"]], id="UTF-32 by BOM"),
    ],
)
def test_well_formed_files_give_every_cell_as_written(
    data: bytes, rows: list[list[str]], block_bytes: int
) -> None:
    numbered = list(enumerate(rows, start=1))
    assert read(data, block_bytes=block_bytes) == (["a", "b"], numbered, [], 0)


@pytest.mark.parametrize(
    ("data", "options", "rows"),
    [
        pytest.param(b"a;b\n1;2,5\n", {"delimiter": ";"}, [["1", "2,5"]], id="semicolons"),
        pytest.param(b"a\tb\n1\t2\n", {"delimiter": "\t"}, [["1", "2"]], id="tabs"),
        pytest.param(b"a,b\n\xe9,2\n", {"encoding": "cp1252"}, [["é", "2"]], id="cp1252"),
        pytest.param(
            "a,b\n日本,2\n".encode("shift_jis"), {"encoding": "shift_jis"}, [["日本", "2"]],
            id="Shift JIS",
        ),
        pytest.param(
            "a,b\n1,2\n".encode("utf-16-le"), {"encoding": "utf-16-le"}, [["1", "2"]],
            id="UTF-16 without a mark, named",
        ),
        pytest.param(
            "\ufeffa,b\n1,2\n".encode(), {"encoding": "utf-8"}, [["1", "2"]], id="named UTF-8"
        ),
    ],
)  # fmt: skip
def test_delimiter_and_encoding_are_used_as_given(
    data: bytes, options: dict[str, Any], rows: list[list[str]]
) -> None:
    numbered = list(enumerate(rows, start=1))
    assert read(data, **options) == (["a", "b"], numbered, [], 0)


def test_blank_lines_are_skipped_and_counted() -> None:
    data = b"\na,b\n\n1,2\r\n\r\n3,4\n\n"
    assert read(data) == (["a", "b"], [(1, ["1", "2"]), (2, ["3", "4"])], [], 3)


def test_a_blank_line_inside_quotes_is_text() -> None:
    assert read(b'a,b\n"x\n\ny",2\n') == (["a", "b"], [(1, ["x\n\ny", "2"])], [], 0)


def test_with_one_column_a_blank_line_is_skipped_and_a_pair_of_quotes_is_a_cell() -> None:
    assert read(b'a\n1\n\n""\n2\n') == (["a"], [(1, ["1"]), (2, [""]), (3, ["2"])], [], 1)


LOSSY = {"too_few_cells", "text_after_quote"}
"""The codes of rows whose cells alone do not show what is wrong."""


@pytest.mark.parametrize(
    ("row", "cells", "code", "message", "column"),
    [
        pytest.param(
            b"1", ["1"], "too_few_cells",
            "has 1 cell, the header 2: nothing for 'b'", None, id="too short",
        ),
        pytest.param(
            b"1,2,3,4", ["1", "2", "3", "4"], "too_many_cells",
            "has 4 cells, the header 2: '3,4' is too much; quote a cell that holds ','", None,
            id="too long",
        ),
        pytest.param(
            b'"x"y,2', ["xy", "2"], "text_after_quote",
            "text follows the closing quote of a quoted cell; "
            "write a quote inside a quoted cell twice", None, id="text after quote",
        ),
        pytest.param(
            b"1,a\0b", ["1", "a\0b"], "nul_byte", "'a\\x00b' holds a NUL character", "b", id="NUL"
        ),
        pytest.param(
            b"1,ab\xe9", ["1", "ab\udce9"], "invalid_encoding",
            "byte 0xE9, the cell's number 3, is not UTF-8; "
            "give the file's encoding, such as cp1252, latin-1 or shift_jis", "b", id="not UTF-8",
        ),
        pytest.param(
            b"1," + b"x" * 51, ["1", "x" * 51], "cell_too_large",
            "has 51 bytes, 50 are allowed; raise SEEDING_MAX_CELL_BYTES if that is meant", "b",
            id="cell over the limit",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("block_bytes", [3, 2**20], ids="blocks of {} bytes".format)
def test_an_unreadable_row_is_reported_and_the_others_are_read(
    row: bytes, cells: list[str], code: str, message: str, column: str | None, block_bytes: int
) -> None:
    data = b"a,b\n1,2\n" + row + b"\n5,6\n"
    assert read(data, block_bytes=block_bytes) == (
        ["a", "b"],
        [(1, ["1", "2"]), (3, ["5", "6"])],
        [BadRow(2, cells, [Problem(code, message, 2, column)], is_lossy=code in LOSSY)],
        0,
    )


def test_bytes_that_a_named_encoding_does_not_allow_are_reported_in_their_row() -> None:
    bad = read(b"a,b\n1,x\x81y\n", encoding="cp1252")[2]
    message = "the cell holds bytes that are not cp1252"
    assert [row.problems for row in bad] == [[Problem("invalid_encoding", message, 1, "b")]]


@pytest.mark.parametrize(
    ("data", "options", "problem"),
    [
        pytest.param(b"", {}, Problem("empty_file", "the file is empty: no header, no rows"),
                     id="empty"),
        pytest.param(b"\n\r\n", {}, Problem("empty_file", "the file is empty: no header, no rows"),
                     id="blank"),
        pytest.param(
            b'a,b\n1,2\n3,"4\n5,6\n', {},
            Problem("unclosed_quote",
                    f"row 2: the quote that opens the cell '4\\n5,6\\n' is {NEVER_CLOSED}", 2, "b"),
            id="unclosed quote",
        ),
        pytest.param(
            b'a,b\n1,"' + b"x" * 300, {},
            Problem("unclosed_quote", "row 1: the quote that opens the cell "
                    f"'{'x' * 40}'... (300 characters) is {NEVER_CLOSED}", 1, "b"),
            id="unclosed quote in a large file",
        ),
        pytest.param(
            b'"a,b\n1,2\n', {},
            Problem("unclosed_quote",
                    f"the header: the quote that opens the cell 'a,b\\n1,2\\n' is {NEVER_CLOSED}"),
            id="unclosed quote in the header",
        ),
        pytest.param(
            b"a,b\n" + b"x" * 2**15, {},
            Problem("row_too_large", "row 1 is larger than 200 bytes; "
                    "raise SEEDING_MAX_ROW_BYTES if that is meant", 1),
            id="endless row",
        ),
        pytest.param(
            b"a,b,c,d,e,f\n", {},
            Problem("too_many_columns", "the header has 6 columns, 5 are allowed; "
                    "raise SEEDING_MAX_COLUMNS if that is meant"),
            id="too many columns",
        ),
        pytest.param(
            b"a;b;c\n1;2\n", {},
            Problem("wrong_delimiter", "the header is one cell with semicolons in it: 'a;b;c'; "
                    "the delimiter seems to be ';', not ','"),
            id="semicolons",
        ),
        pytest.param(
            b"a\tb\n", {},
            Problem("wrong_delimiter", "the header is one cell with tabs in it: 'a\\tb'; "
                    "the delimiter seems to be '\\t', not ','"),
            id="tabs",
        ),
        pytest.param(
            b"a,b\n", {"delimiter": ";"},
            Problem("wrong_delimiter", "the header is one cell with commas in it: 'a,b'; "
                    "the delimiter seems to be ',', not ';'"),
            id="commas",
        ),
        pytest.param(
            b"PK\x03\x04rest", {},
            Problem("not_csv", "the file is not CSV, but an Excel workbook or a ZIP archive; "
                    "export it as CSV, or import it as a dataset"),
            id="Excel",
        ),
        pytest.param(
            b"PAR1rest", {},
            Problem("not_csv", "the file is not CSV, but a Parquet file; "
                    "export it as CSV, or import it as a dataset"),
            id="Parquet",
        ),
        pytest.param(
            "日,b\n".encode("utf-16-le"), {},
            Problem("not_csv", "the file begins with NUL characters, so it is no CSV text; if it "
                    "is UTF-16 without a byte order mark, give the encoding utf-16-le or "
                    "utf-16-be"),
            id="UTF-16 without a mark that begins beyond ASCII",
        ),
        pytest.param(
            b"a,\xe9\n", {},
            Problem("invalid_encoding", "the header cannot be read: byte 0xE9, the cell's number "
                    "1, is not UTF-8; give the file's encoding, such as cp1252, latin-1 or "
                    "shift_jis"),
            id="header not UTF-8",
        ),
        pytest.param(
            b"a,b\n", {"encoding": "klingon"},
            Problem("unknown_encoding", "the encoding 'klingon' is not known, or not one of files; "
                    "try cp1252, latin-1, utf-16 or shift_jis"),
            id="unknown encoding",
        ),
        pytest.param(
            b"a,b\n", {"encoding": "base64"},
            Problem("unknown_encoding", "the encoding 'base64' is not known, or not one of files; "
                    "try cp1252, latin-1, utf-16 or shift_jis"),
            id="no text encoding",
        ),
    ],
)  # fmt: skip
def test_an_unreadable_file_is_refused_with_the_reason(
    data: bytes, options: dict[str, str], problem: Problem
) -> None:
    assert problems_of(data, **options) == (problem,)


@pytest.mark.parametrize("block_bytes", [5, 2**20], ids="blocks of {} bytes".format)
def test_an_unclosed_quote_keeps_the_rows_before_it(block_bytes: int) -> None:
    stream = io.BytesIO(b'a,b\n1,2\n3,4\n5,"6\n7,8\n')
    reader = CsvReader(Utf8Stream(stream), LIMITS, block_bytes=block_bytes)
    blocks = reader.blocks()
    rows: list[int] = []
    with pytest.raises(SourceProblemError, match="row 3: the quote that opens"):
        rows.extend(number for block in blocks for number in block.numbers.to_pylist())
    assert rows == [1, 2]


WRITABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(WRITABLE, min_size=width, max_size=width), min_size=1, max_size=8
    )
)


@given(
    rows=TABLES,
    # Where a row ends in LF alone, Python's writer leaves a bare CR unquoted by default.
    style=st.sampled_from(
        [(csv.QUOTE_MINIMAL, "\r\n"), *((csv.QUOTE_ALL, end) for end in ("\n", "\r\n", "\r"))]
    ),
    delimiter=st.sampled_from([",", ";", "\t"]),
    block_bytes=st.sampled_from([1, 3, 16, 2**20]),
)
@settings(deadline=None)
def test_the_output_of_the_csv_module_is_read_back(
    rows: list[list[str]], style: tuple[Literal[0, 1], str], delimiter: str, block_bytes: int
) -> None:
    text = io.StringIO(newline="")
    quoting, ending = style
    writer = csv.writer(text, quoting=quoting, lineterminator=ending, delimiter=delimiter)
    header = [f"c{index}" for index in range(len(rows[0]))]
    writer.writerow(header)
    writer.writerows(rows)
    columns, good, bad, _ = read(
        text.getvalue().encode(), delimiter=delimiter, block_bytes=block_bytes
    )
    kept = [cells for cells in rows if len(cells) == 1 or any(cells) or quoting == csv.QUOTE_ALL]
    assert (columns, [cells for _, cells in good], bad) == (header, kept, [])


ODD_PARTS = [
    b",", b'"', b"\n", b"\r", b"\r\n", b"x", b" ", b"\xc3\xa9", b"\xff", b"\0",
    b"[nul_byte] x", b"x,x\n",
]  # fmt: skip
ODD_BYTES = st.lists(st.sampled_from(ODD_PARTS), max_size=30).map(b"".join)


def outcome(data: bytes, block_bytes: int, quote: Quote = Quote.DOUBLE) -> object:
    try:
        return read(data, block_bytes=block_bytes, quote=quote)
    except SourceProblemError as error:
        return error.problems


HEADERS = st.sampled_from([b"a,b\n", b"a,b,\n", b",a,,b\n", b"a,_errors\n", b"sep=,\na,b\r\n"])
QUOTES = st.sampled_from(Quote)


@given(header=HEADERS, body=ODD_BYTES, block_bytes=st.sampled_from([1, 2, 3, 5, 8]), quote=QUOTES)
@settings(deadline=None, max_examples=500)
def test_block_boundaries_make_no_difference(
    header: bytes, body: bytes, block_bytes: int, quote: Quote
) -> None:
    data = header + body
    assert outcome(data, block_bytes, quote) == outcome(data, 2**20, quote)


@given(header=HEADERS, body=ODD_BYTES, quote=QUOTES)
@settings(deadline=None, max_examples=500)
def test_the_fast_path_gives_the_same_result_as_the_careful_one(
    header: bytes, body: bytes, quote: Quote
) -> None:
    data = header + body
    fast = outcome(data, 2**20, quote)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CsvReader, "_parse_fast", lambda *_: None)
        assert outcome(data, 2**20, quote) == fast
