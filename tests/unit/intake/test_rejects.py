"""Rejected rows as a file: in the dialect of their source, and rejected again as they are."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings, strategies as st

from tasks_lib.domain.limits import Limits
from tasks_lib.domain.rows.dialects import Dialect, Quote
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.csv_files.csv_reader import CsvReader
from tasks_lib.intake.csv_files.encodings import Utf8Stream
from tasks_lib.intake.rows.blocks import BadRow
from tasks_lib.intake.rows.rejects import RejectsFile

LIMITS = Limits(max_cell_bytes=300, max_columns=20)
ADVICE = "correct the row and then empty its cell in _errors"


def read(data: bytes, dialect: Dialect) -> tuple[CsvReader, list[list[str]], list[BadRow]]:
    """Return the reader, the good rows and the bad ones."""
    reader = CsvReader(Utf8Stream(io.BytesIO(data), dialect.encoding), LIMITS, dialect)
    good: list[list[str]] = []
    bad: list[BadRow] = []
    for block in reader.blocks():
        columns = [column.to_pylist() for column in block.columns]
        good.extend(map(list, zip(*columns, strict=True)))
        bad.extend(block.bad)
    return reader, good, bad


def written(columns: Sequence[str], bad: Sequence[BadRow], dialect: Dialect) -> bytes:
    with TemporaryDirectory() as folder:
        rejects = RejectsFile(Path(folder) / "rejects.csv", columns, dialect)
        for row in bad:
            rejects.add(row)
        return rejects.finish().read_bytes()


def rejects_of(data: bytes, dialect: Dialect) -> bytes:
    reader, _, bad = read(data, dialect)
    return written(reader.columns, bad, reader.dialect)


@pytest.mark.parametrize(
    ("data", "dialect", "rejects"),
    [
        pytest.param(
            b"id,body\n1,Great, works well\n", Dialect(),
            "\ufeffid,body,_row,_errors\r\n"
            "1,Great,1,\"has 3 cells, the header 2: ' works well' is too much; quote a cell that "
            "holds ','\", works well\r\n",
            id="too many cells: the others follow",
        ),
        pytest.param(
            b"id,body\n1\n", Dialect(),
            "\ufeffid,body,_row,_errors\r\n"
            "1,,1,\"[too_few_cells] has 1 cell, the header 2: nothing for 'body'; "
            f"{ADVICE}\"\r\n",
            id="too few cells",
        ),
        pytest.param(
            b'id,body\n1,"Great"!\n', Dialect(),
            "\ufeffid,body,_row,_errors\r\n"
            "1,Great!,1,[text_after_quote] text follows the closing quote of a quoted cell; "
            f"write a quote inside a quoted cell twice; {ADVICE}\r\n",
            id="text after a quote",
        ),
        pytest.param(
            "id;body\nä;b;c\n".encode("cp1252"), Dialect(";", encoding="cp1252"),
            "id;body;_row;_errors\r\n"
            "ä;b;1;\"has 3 cells, the header 2: 'c' is too much; quote a cell that holds ';'\";"
            "c\r\n",
            id="semicolons in a code page",
        ),
        pytest.param(
            b"id;body\n\x81;b\n", Dialect(";", encoding="cp1252"),
            "id;body;_row;_errors\r\n"
            "\\udcff;b;1;\"[invalid_encoding] id: the cell holds bytes that are not cp1252; "
            f"{ADVICE}\"\r\n",
            id="a byte that the code page lacks",
        ),
        pytest.param(
            b"sep=;\nid;body\n1\n", Dialect(),
            "\ufeffsep=;\r\nid;body;_row;_errors\r\n"
            "1;;1;\"[too_few_cells] has 1 cell, the header 2: nothing for 'body'; "
            f"{ADVICE}\"\r\n",
            id="the delimiter in the first line",
        ),
        pytest.param(
            b'id\tbody\n"1\n', Dialect("\t", Quote.NONE),
            '\ufeffid\tbody\t_row\t_errors\r\n'
            "\"1\t\t1\t[too_few_cells] has 1 cell, the header 2: nothing for 'body'; "
            f"{ADVICE}\r\n",
            id="without quotes",
        ),
        pytest.param(
            "id,body\n1\n".encode("utf-16-be"), Dialect(),
            "\ufeffid,body,_row,_errors\r\n"
            "1,,1,\"[too_few_cells] has 1 cell, the header 2: nothing for 'body'; "
            f"{ADVICE}\"\r\n",
            id="UTF-16",
        ),
    ],
)  # fmt: skip
def test_rejected_rows_are_written_in_the_dialect_of_their_source(
    data: bytes, dialect: Dialect, rejects: str
) -> None:
    encoding = dialect.encoding or ("utf-16-be" if data[:1] == b"\0" else "utf-8")
    assert rejects_of(data, dialect).decode(encoding) == rejects


def test_a_row_is_accepted_once_it_is_corrected_and_its_mark_removed() -> None:
    text = rejects_of(b"id,body\n1\n2,b\n3,c,d\n", Dialect()).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    rows[1][1], rows[1][3] = "a", ""
    rows[2] = [rows[2][0], "c,d", *rows[2][2:4]]
    corrected = io.StringIO()
    csv.writer(corrected).writerows(rows)
    _, good, bad = read(corrected.getvalue().encode(), Dialect())
    assert ([row[:3] for row in good], bad) == ([["1", "a", "1"], ["3", "c,d", "3"]], [])


def test_a_corrected_row_whose_mark_is_left_says_what_to_do() -> None:
    text = rejects_of(b"id,body\n1\n", Dialect()).replace(b"1,,1", b"1,a,1")
    _, good, bad = read(text, Dialect())
    message = f"has 1 cell, the header 2: nothing for 'body'; {ADVICE}"
    assert (good, [row.problems for row in bad]) == (
        [], [[Problem("too_few_cells", message, 1)]],
    )  # fmt: skip


def test_text_in_brackets_that_is_no_code_is_no_mark() -> None:
    data = b"id,_errors\n1,[sic] a note\n2,[too_few_cell] a note\n"
    assert read(data, Dialect())[1:] == (
        [["1", "[sic] a note"], ["2", "[too_few_cell] a note"]], [],
    )  # fmt: skip


PIECES = [",", ";", "\t", '"', "\n", "\r\n", "x", " ", "é", "\0", "[", "sep=;\n"]
DIALECTS = st.builds(
    Dialect,
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(Quote),
    st.sampled_from(["", "utf-8", "cp1252", "utf-16", "utf-16-le", "shift_jis"]),
)


@given(
    dialect=DIALECTS,
    header=st.sampled_from([["a", "b"], ["a", "b", ""], ["a", "_errors", "b"]]),
    body=st.lists(st.sampled_from(PIECES), max_size=25).map("".join),
    broken=st.booleans(),
)
@settings(deadline=None, max_examples=500)
def test_no_rejected_row_is_accepted_unchanged_however_often(
    dialect: Dialect, header: list[str], body: str, broken: bool
) -> None:
    text = dialect.delimiter.join(header) + "\n" + body
    data = text.encode(dialect.encoding or "utf-8", errors="replace")
    if broken and not dialect.encoding.startswith("utf-16"):
        data = data.replace(b"x", b"\x81")  # no character in cp1252, UTF-8 and Shift JIS
    try:
        reader, _, bad = read(data, dialect)
    except SourceProblemError:
        return
    again = written(reader.columns, bad, reader.dialect)
    for _ in range(2):
        if not bad:
            return
        reader, good, rejected = read(again, dialect)
        assert (good, len(rejected)) == ([], len(bad))
        again = written(reader.columns, rejected, reader.dialect)
