"""An archive as seeding uses it: its CSV, the members that cells name, and the rest."""

import time
from pathlib import Path

import pytest

from archives import STORED, RawMember, open_archive, raw_zip, zip_of
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.archives.archives import Archive
from tasks_lib.transport.fetch import SourceFile

CSV = b"file\nimg/a.jpg\n"
SAY_WHICH = "say which one with csv_name"


def archive_of(*paths: str) -> Archive:
    return open_archive(zip_of(dict.fromkeys(paths, b"1")))


def csv_problem(archive: Archive, csv_name: str = "") -> Problem:
    with pytest.raises(SourceProblemError) as caught:
        archive.csv(csv_name)
    (problem,) = caught.value.problems
    return problem


def refusal(archive: Archive, cell: str) -> tuple[str, str]:
    with pytest.raises(ValueProblemError) as caught:
        archive.find(cell)
    return caught.value.code, str(caught.value)


@pytest.mark.parametrize(
    ("paths", "chosen"),
    [
        pytest.param(["rows.csv", "a.jpg"], "rows.csv", id="the only one"),
        pytest.param(["a.jpg", "Rows.CSV"], "Rows.CSV", id="in capitals"),
        pytest.param(["in/rows.csv", "a.jpg"], "in/rows.csv", id="in a folder"),
        pytest.param(["in/x.csv", "rows.csv"], "rows.csv", id="outside of folders first"),
        pytest.param(["top/in/x.csv", "top/rows.csv"], "rows.csv", id="in the one top folder"),
        pytest.param(["rows.csv", "__MACOSX/._rows.csv"], "rows.csv", id="beside junk"),
    ],
)
def test_the_csv_is_found_without_its_name(paths: list[str], chosen: str) -> None:
    assert archive_of(*paths).csv("").path == chosen


@pytest.mark.parametrize(
    ("csv_name", "chosen"),
    [
        ("b.csv", "b.csv"),
        ("./in/c.tsv", "in/c.tsv"),
        (r"in\c.tsv", "in/c.tsv"),
        ("top/b.csv", "b.csv"),
    ],
)
def test_a_csv_that_is_named_may_have_any_name(csv_name: str, chosen: str) -> None:
    archive = archive_of("top/a.csv", "top/b.csv", "top/in/c.tsv")
    assert archive.csv(csv_name).path == chosen


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        pytest.param(
            ["b.csv", "a.csv", "in/c.csv"],
            f"the archive holds 2 CSVs: 'a.csv', 'b.csv'; {SAY_WHICH}",
            id="outside of folders",
        ),
        pytest.param(
            ["x/b.csv", "y/a.csv"],
            f"the archive holds 2 CSVs: 'x/b.csv', 'y/a.csv'; {SAY_WHICH}",
            id="in folders",
        ),
        pytest.param(
            [f"{number}.csv" for number in range(12)],
            "the archive holds 12 CSVs: '0.csv', '1.csv', '10.csv', '11.csv', '2.csv', '3.csv', "
            f"'4.csv', '5.csv', '6.csv', '7.csv', ...; {SAY_WHICH}",
            id="many",
        ),
    ],
)
def test_several_csvs_require_a_name(paths: list[str], message: str) -> None:
    assert csv_problem(archive_of(*paths)) == Problem("several_csvs", message)


@pytest.mark.parametrize(
    ("paths", "hint"),
    [
        pytest.param(["a.jpg"], "; add one with a row for each task", id="nothing like it"),
        pytest.param([], "; add one with a row for each task", id="nothing at all"),
        pytest.param(["a.XLSX"], "; export 'a.XLSX' as CSV", id="workbook"),
        pytest.param(
            ["in/a.tsv", "a.jpg"],
            "; if 'in/a.tsv' is the table, name it with csv_name",
            id="tab-separated",
        ),
        pytest.param(
            ["a.zip", "b.csv.gz"], "; unpack 'a.zip' first, which is an archive itself", id="nested"
        ),
    ],
)
def test_an_archive_without_csv_is_refused_with_a_hint(paths: list[str], hint: str) -> None:
    expected = Problem("no_csv", f"the archive holds no CSV{hint}")
    assert csv_problem(archive_of(*paths)) == expected


def test_an_office_document_is_recognized() -> None:
    archive = archive_of("[Content_Types].xml", "xl/workbook.xml", "_rels/.rels")
    message = "the archive is an Office document; export it as CSV"
    assert csv_problem(archive) == Problem("no_csv", message)


@pytest.mark.parametrize(
    ("csv_name", "message"),
    [
        ("Row.csv", "the archive holds no 'Row.csv'; did you mean 'rows.csv'?"),
        ("zzz", "the archive holds no 'zzz'"),
        ("/rows.csv", "the CSV's name '/rows.csv' is absolute; give a path in the archive"),
    ],
)
def test_a_missing_csv_is_refused(csv_name: str, message: str) -> None:
    problem = csv_problem(archive_of("rows.csv", "a.jpg"), csv_name)
    assert problem == Problem("csv_not_found", message)


@pytest.mark.parametrize(
    ("cell", "path"),
    [
        pytest.param("img/grün.jpg", "img/grün.jpg", id="as it is"),
        pytest.param(r"img\grün.jpg", "img/grün.jpg", id="backslash"),
        pytest.param("./img//grün.jpg", "img/grün.jpg", id="parts that say nothing"),
        pytest.param("img/gru\u0308n.jpg", "img/grün.jpg", id="accent on its own"),
        pytest.param("top/img/grün.jpg", "img/grün.jpg", id="with the top folder"),
        pytest.param("top/a.jpg", "top/a.jpg", id="a folder of the top folder's name"),
        pytest.param("top/top/a.jpg", "top/a.jpg", id="both"),
    ],
)
def test_a_cell_names_a_member(cell: str, path: str) -> None:
    archive = archive_of("top/img/grün.jpg", "top/a.jpg", "top/top/a.jpg")
    assert archive.find(cell).path == path


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("/img/a.jpg", "is absolute"),
        (r"C:\img\a.jpg", "is absolute"),
        ("img/../a.jpg", "holds '..'"),
        ("../img/a.jpg", "holds '..'"),
    ],
)
def test_a_cell_that_leaves_the_archive_is_refused(cell: str, reason: str) -> None:
    message = f"'{cell}' {reason}; give a path inside the archive"
    assert refusal(archive_of("img/a.jpg"), cell) == ("invalid_path", message)


@pytest.mark.parametrize(
    ("cell", "suggestion"),
    [
        pytest.param("img/A.JPG", "img/a.jpg", id="case"),
        pytest.param("img-a.jpg", "img/a.jpg", id="separator"),
        pytest.param("img/two words.png", "img/two_words.png", id="space"),
        pytest.param("img/9 AM.png", "img/9\u202fAM.png", id="another space"),
        pytest.param("img/a.jpeg", "img/a.jpg", id="extension"),
        pytest.param("img/a", "img/a.jpg", id="no extension"),
        pytest.param("img/v1.2", "img/v1.2.png", id="no extension, with a dot"),
        pytest.param("top/IMG/a.jpeg", "img/a.jpg", id="top folder and more"),
        pytest.param("photos/two_words.png", "img/two_words.png", id="folder"),
        pytest.param("V1.2.PNG", "img/v1.2.png", id="no folder"),
    ],
)
def test_a_misspelled_member_gets_a_suggestion(cell: str, suggestion: str) -> None:
    archive = archive_of(
        *("top/rows.csv", "top/img/a.jpg", "top/img/two_words.png"),
        *("top/img/v1.2.png", "top/img/9\u202fAM.png", "top/one/b.jpg", "top/two/b.jpg"),
    )
    code, message = refusal(archive, cell)
    assert (code, message.partition(" (with ")[0].rstrip("?")) == (
        "file_not_found",
        f"'{cell}' is not in the archive; "
        f"did you mean '{suggestion.replace(chr(0x202F), '<U+202F>')}'",
    )


@pytest.mark.parametrize(
    "cell", ["c.jpg", "b.jpg", ".", "one"], ids=["nothing", "two of the name", "no name", "folder"]
)
def test_a_cell_that_is_near_no_member_gets_no_suggestion(cell: str) -> None:
    archive = archive_of("one/b.jpg", "two/b.jpg", "rows.csv")
    assert refusal(archive, cell) == ("file_not_found", f"'{cell}' is not in the archive")


def test_fifty_thousand_cells_without_a_member_take_seconds() -> None:
    archive = open_archive(zip_of({f"{number}/a.jpg": b"" for number in range(20_000)}, STORED))
    begin = time.process_time()
    for number in range(50_000):
        refusal(archive, f"none/{number}.png")
    assert time.process_time() - begin < 20


def test_the_members_that_no_row_names_are_listed() -> None:
    archive = archive_of("rows.csv", "z.jpg", "b.jpg", "a/c.jpg")
    used = {archive.csv(""), archive.find("b.jpg")}
    assert archive.others(used) == ["a/c.jpg", "z.jpg"]


def test_the_csv_is_unpacked_as_a_source(tmp_path: Path) -> None:
    archive = open_archive(zip_of({"in/rows.csv": CSV, "a.jpg": b""}))
    path = tmp_path / "rows.csv"
    source = archive.extract(archive.csv(""), path)
    assert path.read_bytes() == CSV
    assert source == SourceFile(
        uri="in/rows.csv",
        path=path,
        size=len(CSV),
        sha256="d4e8ac2517c86cb0ecac8ac4d754ed6bb8ab7876908c50f4cb5d6e74b5192e96",
        modified_ns=path.stat().st_mtime_ns,
    )


def test_a_csv_that_cannot_be_unpacked_is_refused(tmp_path: Path) -> None:
    archive = open_archive(raw_zip(RawMember(name=b"rows.csv", method=93)))
    with pytest.raises(SourceProblemError) as caught:
        archive.extract(archive.csv(""), tmp_path / "rows.csv")
    message = (
        "member 'rows.csv' is compressed with Zstandard; "
        "create the archive with deflate, which every program supports"
    )
    assert caught.value.problems == (Problem("unsupported_compression", message),)
