"""Files as other programs write them: read if their meaning is beyond doubt, else explained."""

import io

import pytest

from tasks_lib.domain.limits import Limits
from tasks_lib.domain.rows.dialects import DEFAULT_DIALECT, Dialect, Quote
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.csv_files.csv_reader import CsvReader
from tasks_lib.intake.csv_files.encodings import Utf8Stream

Rows = list[tuple[int, list[str]]]
IN_TABS = Dialect("\t")


def read(data: bytes, dialect: Dialect = DEFAULT_DIALECT) -> tuple[list[str], Rows, list[Problem]]:
    """Return the header, the good rows with their numbers, and the problems of the others."""
    reader = CsvReader(Utf8Stream(io.BytesIO(data), dialect.encoding), Limits(), dialect)
    good: Rows = []
    problems: list[Problem] = []
    for block in reader.blocks():
        columns = [column.to_pylist() for column in block.columns]
        rows = [list(cells) for cells in zip(*columns, strict=True)]
        good.extend(zip(block.numbers.to_pylist(), rows, strict=True))
        problems.extend(problem for row in block.bad for problem in row.problems)
    return reader.columns, good, problems


def problem_of(data: bytes, dialect: Dialect = DEFAULT_DIALECT) -> Problem:
    with pytest.raises(SourceProblemError) as caught:
        read(data, dialect)
    (problem,) = caught.value.problems
    return problem


TWO_ROWS = [(1, ["7", "red"]), (2, ["8", "blue"])]


@pytest.mark.parametrize(
    ("data", "dialect"),
    [
        pytest.param(b"id,hue\r\n7,red\r\n,\r\n8,blue\r\n,\r\n", DEFAULT_DIALECT, id="empty rows"),
        pytest.param(b",\n,,\nid,hue\n7,red\n8,blue\n", DEFAULT_DIALECT, id="empty rows above"),
        pytest.param(b"id,hue\n7,red\n8,blue\n,,,,\n", DEFAULT_DIALECT, id="wider empty rows"),
        pytest.param(b"id,hue,,\n7,red,,\n8,blue,,\n", DEFAULT_DIALECT, id="empty columns"),
        pytest.param(b"id,hue,,\n7,red\n8,blue,\n", DEFAULT_DIALECT, id="cut off at the last cell"),
        pytest.param(b"id,,hue\n7,,red\n8,,blue\n", DEFAULT_DIALECT, id="an empty column between"),
        pytest.param(b"id,hue\n7,red,\n8,blue,,\n", DEFAULT_DIALECT, id="empty cells beyond"),
        pytest.param(b"id, \t,hue\n7,,red\n8,,blue\n", DEFAULT_DIALECT, id="a name of white space"),
        pytest.param(b"sep=;\r\nid;hue\r\n7;red\r\n8;blue\r\n", DEFAULT_DIALECT, id="sep="),
        pytest.param(
            b'\xef\xbb\xbf"sep=;"\nid;hue\n7;red\n8;blue\n', Dialect(";"), id="sep= in quotes"
        ),
        pytest.param(b"SEP=\t\rid\thue\r7\tred\r8\tblue\r", DEFAULT_DIALECT, id="sep= of a tab"),
        pytest.param(b"sep=,\nid,hue\n7,red\n8,blue\n", DEFAULT_DIALECT, id="sep= of a comma"),
        pytest.param(b"sep=;;\nid;hue\n7;red\n8;blue\n", DEFAULT_DIALECT, id="sep= saved again"),
        pytest.param(b"id,hue\r\n7,red\r\n8,blue\r\n\x1a", DEFAULT_DIALECT, id="the end in DOS"),
        pytest.param(b"id;hue\r\n7;red\r\n8;blue\r\n", DEFAULT_DIALECT, id="semicolons"),
        pytest.param(b'"id"\t"hue"\n"7"\t"red"\n8\tblue\n', DEFAULT_DIALECT, id="tabs, quotes"),
        pytest.param(b"id|hue\n7|red\n8|blue\n", Dialect(quote=Quote.NONE), id="bars"),
        pytest.param("id,hue\n7,red\n8,blue\n".encode("utf-16-le"), DEFAULT_DIALECT, id="UTF-16"),
    ],
)  # fmt: skip
def test_what_a_program_adds_to_a_table_is_left_out(data: bytes, dialect: Dialect) -> None:
    assert read(data, dialect) == (["id", "hue"], TWO_ROWS, [])


def test_empty_columns_do_not_count_towards_the_limit() -> None:
    commas = b"," * 16_382
    data = b"id,hue" + commas + b"\n7,red" + commas + b"\n8,blue\n"
    assert read(data) == (["id", "hue"], TWO_ROWS, [])


def test_a_row_of_quoted_empty_cells_is_a_row() -> None:
    assert read(b'id,hue\n"",""\n') == (["id", "hue"], [(1, ["", ""])], [])


def test_without_quotes_every_quote_is_text() -> None:
    data = b'id\thue\n7\t5" red\n8\t"blue\n"9"\t""\n'
    assert read(data, Dialect("\t", Quote.NONE)) == (
        ["id", "hue"], [(1, ["7", '5" red']), (2, ["8", '"blue']), (3, ['"9"', '""'])], [],
    )  # fmt: skip


def test_a_column_without_a_name_that_is_in_use_is_refused() -> None:
    message = "column 2 has no name; it holds '0': name the column, or leave it out"
    assert problem_of(b"id,\n7,0\n8,1\n") == Problem("empty_column_name", message)


def test_the_index_of_pandas_and_the_row_names_of_r_are_refused_with_the_way_out() -> None:
    assert problem_of(b'"","id"\n"1",7\n"2",8\n') == Problem(
        "empty_column_name",
        "column 1 has no name; it holds '1': name the column, or leave it out "
        "(index=False in pandas, row.names=FALSE in R)",
    )


def test_a_stray_cell_rejects_its_row() -> None:
    message = "holds 'note' in column 3, which has no name"
    assert read(b"id,hue,\n7,red,\n8,blue,note\n") == (
        ["id", "hue"], [(1, ["7", "red"])], [Problem("too_many_cells", message, 2)],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "dialect", "message"),
    [
        (
            b"7,a, b", DEFAULT_DIALECT,
            "has 3 cells, the header 2: ' b' is too much; quote a cell that holds ','",
        ),
        (
            b'7, "a, b"', DEFAULT_DIALECT,
            "has 3 cells, the header 2: ' b\"' is too much; remove the space before a quote, which "
            "opens a cell only as its first character",
        ),
        (
            b'7,"a,b"', Dialect(quote=Quote.NONE),
            "has 3 cells, the header 2: 'b\"' is too much; without quotes no cell can hold ','",
        ),
    ],
)  # fmt: skip
def test_too_many_cells_come_with_advice_that_fits(
    row: bytes, dialect: Dialect, message: str
) -> None:
    assert read(b"id,hue\n" + row + b"\n", dialect)[2] == [Problem("too_many_cells", message, 1)]


def test_a_quote_after_a_backslash_is_refused_with_the_way_out() -> None:
    message = (
        "text follows the closing quote of a quoted cell; write a quote inside a quoted cell "
        "twice, not after a backslash (in Spark: the option escape is '\"')"
    )
    assert read(b'id,hue\n7,"a \\"deep\\" red"\n8,blue\n') == (
        ["id", "hue"], [(2, ["8", "blue"])], [Problem("text_after_quote", message, 1)],
    )  # fmt: skip


def test_semicolons_leave_commas_in_numbers() -> None:
    assert read(b"id;price\n7;1,50\n8;2\n") == (
        ["id", "price"], [(1, ["7", "1,50"]), (2, ["8", "2"])], [],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"id;hue\n", "semicolons in it: 'id;hue'"),
        (b"id;hue\n7\n", "semicolons in it: 'id;hue'"),
        (b"id;id\n7;red\n", "semicolons in it: 'id;id'"),
        (b"id;;hue\n7;;red\n", "semicolons in it: 'id;;hue'"),
    ],
)
def test_another_delimiter_in_doubt_is_named(data: bytes, shown: str) -> None:
    problem = problem_of(data)
    assert problem.code == "wrong_delimiter"
    assert problem.message == (
        f"the header is one cell with {shown}; the delimiter seems to be ';', not ','"
    )


def test_a_first_line_that_contradicts_the_delimiter_is_refused() -> None:
    assert problem_of(b"sep=;\nid;hue\n", IN_TABS) == Problem(
        "wrong_delimiter",
        "the first line says that the delimiter is ';', and '\\t' was given; leave the delimiter "
        "out, or remove the line",
    )


WEB_PAGE = "a web page; to read a sheet on the web, give the link of its export as CSV"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        pytest.param(b"<!DOCTYPE html><html lang=en>", WEB_PAGE, id="web page"),
        pytest.param(b"\n<!-- a --><html>", WEB_PAGE, id="web page after a comment"),
        pytest.param(
            b'{"data": [{"id": 7}]}', "JSON; export it as CSV, or import it as a dataset", id="JSON"
        ),
        pytest.param(
            b'{"id": 7}\n{"id": 8}\n', "JSON; export it as CSV, or import it as a dataset",
            id="JSON Lines",
        ),
        pytest.param(b'<?xml version="1.0"?><a/>', "XML; export it as CSV", id="XML"),
        pytest.param(b"\x1f\x8b\x08\0\0", "a gzip file inside of another file; unpack it", id="gz"),
        pytest.param(b"BZh91AY&SY\0", "a bzip2 file; unpack it", id="bzip2"),
        pytest.param(b"\xfd7zXZ\0\0", "an xz file; unpack it", id="xz"),
        pytest.param(b"\x28\xb5\x2f\xfd\x04", "a Zstandard file; unpack it", id="Zstandard"),
        pytest.param(b"7z\xbc\xaf\x27\x1c\0", "a 7-Zip archive; unpack it", id="7-Zip"),
        pytest.param(b"Rar!\x1a\x07\0", "a RAR archive; unpack it", id="RAR"),
        pytest.param(b"ARROW1\0\0", "an Arrow file; export it as CSV first", id="Arrow"),
        pytest.param(
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png; give the table as CSV", id="PNG"
        ),
    ],
)  # fmt: skip
def test_a_file_that_is_something_else_is_named(data: bytes, kind: str) -> None:
    assert problem_of(data) == Problem("not_csv", f"the file is not CSV, but {kind}")


def test_a_text_that_begins_like_a_picture_is_a_text() -> None:
    dialect = Dialect(encoding="cp1252")
    assert read(b"BMI,id\nca\xe9,7\n", dialect) == (["BMI", "id"], [(1, ["caé", "7"])], [])


@pytest.mark.parametrize(
    ("name", "given", "delimiter"),
    [
        ("a.tsv", ",", "\t"), ("A.TSV.gz", ",", "\t"), ("a.tab", ",", "\t"),
        ("a.tsv", ";", ";"), ("a.csv", ",", ","), ("tsv", ",", ","),
    ],
)  # fmt: skip
def test_the_name_of_a_file_may_say_that_it_has_tabs(name: str, given: str, delimiter: str) -> None:
    assert Dialect(given).of_file(name).delimiter == delimiter
