"""Names in an archive: code pages that it does not say, and characters that nobody can see."""

import pytest

from archives import UTF8_FLAG, MemoryRanges, RawMember, open_archive, raw_zip, zip_of
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.archives.archive_directory import is_archive
from tasks_lib.intake.archives.archives import Archive

NOT_SAID = "which it does not say: give names_encoding"


def packed_as(encoding: str, *names: str) -> bytes:
    members = [RawMember(name=name.encode(encoding)) for name in names]
    return raw_zip(RawMember(name=b"rows.csv"), *members)


def message_of(archive: Archive, cell: str) -> str:
    with pytest.raises(ValueProblemError) as caught:
        archive.find(cell)
    assert caught.value.code == "file_not_found"
    return str(caught.value)


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("cp932", "写真/表示.png"), ("gbk", "照片/简体.png"), ("big5", "照片/繁體裡.png"),
        ("cp949", "사진/봄.png"), ("cp866", "фото/весна.png"), ("cp850", "imagens/ação.png"),
        ("cp1252", "bilder/größe.png"), ("cp852", "obrázky/žlutý.png"), ("cp862", "תמונה.png"),
    ],
)  # fmt: skip
def test_a_code_page_is_suggested_and_makes_the_file_found(encoding: str, name: str) -> None:
    data = packed_as(encoding, name)
    assert message_of(open_archive(data), name) == (
        f"'{name}' is not in the archive; the names in it seem to be in {encoding}, {NOT_SAID} "
        f"{encoding}"
    )
    assert Archive(MemoryRanges(data), Limits(), encoding).find(name).path == name


def test_a_csv_in_a_code_page_gets_the_same_advice() -> None:
    archive = open_archive(packed_as("cp850", "ação.csv", "b.csv"))
    with pytest.raises(SourceProblemError) as caught:
        archive.csv("ação.csv")
    message = (
        f"the archive holds no 'ação.csv'; the names in it seem to be in cp850, {NOT_SAID} cp850"
    )
    assert caught.value.problems == (Problem("csv_not_found", message),)


def test_a_path_in_no_code_page_gets_the_nearest_path() -> None:
    archive = open_archive(packed_as("cp850", "a.png", "ação.png"))
    assert message_of(archive, "A.png") == "'A.png' is not in the archive; did you mean 'a.png'?"


def test_a_name_that_says_its_encoding_is_read_as_it_says() -> None:
    data = raw_zip(
        RawMember(name=b"rows.csv"),
        RawMember(name="größe.png".encode(), flags=UTF8_FLAG),
        RawMember(name="ação.png".encode("cp850")),
    )
    archive = Archive(MemoryRanges(data), Limits(), "cp850")
    assert set(archive.entries) == {"rows.csv", "größe.png", "ação.png"}


def test_a_name_that_is_not_in_the_given_code_page_is_refused() -> None:
    with pytest.raises(SourceProblemError) as caught:
        Archive(MemoryRanges(packed_as("cp437", "größe.png")), Limits(), "ascii")
    message = "the name of member 'größe.png' is not ascii; give another names_encoding, or none"
    assert caught.value.problems == (Problem("invalid_encoding", message),)


def test_an_unknown_code_page_is_refused() -> None:
    with pytest.raises(SourceProblemError) as caught:
        Archive(MemoryRanges(packed_as("ascii", "a.png")), Limits(), "klingon")
    assert [problem.code for problem in caught.value.problems] == ["unknown_encoding"]


RIGHT_TO_LEFT = "img/صورة\u200f.png"


@pytest.mark.parametrize("cell", [RIGHT_TO_LEFT, "img/صورة.png", "\u200eimg/صورة.png"], ids=ascii)
def test_a_mark_of_direction_makes_no_difference(cell: str) -> None:
    archive = open_archive(zip_of({"rows.csv": b"", RIGHT_TO_LEFT: b"1"}))
    assert archive.find(cell).path == RIGHT_TO_LEFT


def test_two_names_that_differ_by_a_mark_are_told_apart() -> None:
    archive = open_archive(zip_of({"rows.csv": b"", "é.png": b"1", "é\u200f.png": b"2"}))
    assert archive.find("é.png").path == "é.png"
    assert archive.find("é\u200f.png").path == "é\u200f.png"
    with pytest.raises(ValueProblemError):
        archive.find("é\u200e.png")


@pytest.mark.parametrize("cell", ["a.png;b.png", "a.png, b.png", "a.png|b.png", "a.png\nb.png"])
def test_several_files_in_a_cell_are_refused_by_their_number(cell: str) -> None:
    archive = open_archive(zip_of({"rows.csv": b"", "a.png": b"1", "b.png": b"2"}))
    assert message_of(archive, cell).endswith(
        " is not in the archive; it names 2 files of it, and a field holds one"
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(zip_of({"a.csv": b"id"}), True, id="ZIP"),
        pytest.param(zip_of({}), True, id="empty ZIP"),
        pytest.param(b"MZ, a program" * 9 + zip_of({"a.csv": b"id"}), True, id="after a program"),
        pytest.param(zip_of({"a.csv": b"id"}, comment=b"c" * 70), True, id="with a comment"),
        pytest.param(b"id,body\n1,PK\n", False, id="CSV"),
        pytest.param(b"", False, id="empty"),
    ],
)
def test_a_zip_is_recognized_by_its_beginning_or_its_end(data: bytes, expected: bool) -> None:
    assert is_archive(MemoryRanges(data)) is expected
