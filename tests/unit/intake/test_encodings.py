"""Encodings of a CSV: recognized, named, and those that no file can have."""

import encodings
import io
import pkgutil
from encodings.aliases import aliases

import pytest

from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.csv_files.encodings import START_BYTES, Utf8Stream

ROWS = "id,body\r\n1,Grüße\r\n"
MODULES = {module.name for module in pkgutil.iter_modules(encodings.__path__)}
EVERY_NAME = sorted(MODULES | {*aliases})
"""Every name that Python knows, among them those of codecs that are not for text."""


def recode(data: bytes, encoding: str = "") -> tuple[str, str]:
    """Return the name of the encoding, and the text."""
    stream = Utf8Stream(io.BytesIO(data), encoding)
    return stream.name, b"".join(iter(lambda: stream.read(7), b"")).decode()


def problem_of(data: bytes, encoding: str) -> Problem:
    with pytest.raises(SourceProblemError) as caught:
        recode(data, encoding)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("is_named", [False, True], ids=["found", "named"])
def test_the_order_of_bytes_is_found_without_a_byte_order_mark(name: str, is_named: bool) -> None:
    given = name.rpartition("-")[0] if is_named else ""
    assert recode(ROWS.encode(name), given) == (name, ROWS)


@pytest.mark.parametrize("name", ["utf-16", "utf-32"])
def test_a_byte_order_mark_decides_the_order_of_bytes(name: str) -> None:
    assert recode(ROWS.encode(name), name) == (name, ROWS)
    assert recode(ROWS.encode(name)) == (name, ROWS)


@pytest.mark.parametrize("name", ["utf-8", "utf-16", "utf-32"])
@pytest.mark.parametrize("given", ["", "same"])
def test_of_two_byte_order_marks_the_second_is_text(name: str, given: str) -> None:
    encoding = "utf-8-sig" if name == "utf-8" else name
    data = f"\ufeff{ROWS}".encode(encoding)
    assert recode(data, name if given else "") == (name, f"\ufeff{ROWS}")


@pytest.mark.parametrize("order", ["le", "be"])
def test_a_header_beyond_ascii_shows_its_order_by_its_line_ends(order: str) -> None:
    text = "番号,本文\n1,二\n"
    assert recode(text.encode(f"utf-16-{order}"), "utf-16") == (f"utf-16-{order}", text)


@pytest.mark.parametrize("name", ["utf-16", "utf_16", "U16", "utf-32"])
def test_a_file_that_is_not_in_the_named_wide_encoding_is_refused(name: str) -> None:
    shown = "utf-32" if "32" in name else "utf-16"
    assert problem_of(ROWS.encode("cp1252"), name) == Problem(
        "invalid_encoding",
        f"the file has no byte order mark, and does not look like {shown}; leave the encoding out, "
        f"or give the right one, such as {shown}-le, {shown}-be or cp1252",
    )


@pytest.mark.parametrize(
    "name",
    ["undefined", "idna", "punycode", "rot13", "hex", "zip", "mbcs", "a\0b", "\udce9", "x.y", " "],
    ids=ascii,
)
def test_a_codec_that_is_not_for_files_is_refused(name: str) -> None:
    assert problem_of(b"id\n", name) == Problem(
        "unknown_encoding",
        f"the encoding {name!r} is not known, or not one of files; "
        "try cp1252, latin-1, utf-16 or shift_jis",
    )


def test_an_endless_name_is_shown_in_part() -> None:
    message = problem_of(b"id\n", "x" * 100_000).message
    assert message.startswith(f"the encoding '{'x' * 60}'... (100,000 characters) is not known")


@pytest.mark.parametrize("name", EVERY_NAME)
@pytest.mark.parametrize(
    "data",
    [ROWS.encode("cp1252"), b"", b"\xff\xfea", bytes(range(256)), b"a" * (START_BYTES + 1)],
    ids=["cp1252", "empty", "half of UTF-16", "every byte", "long"],
)
def test_every_codec_reads_or_refuses_every_file(name: str, data: bytes) -> None:
    codes: set[str] = set()
    try:
        Utf8Stream(io.BytesIO(data), name).read(2**20)
    except SourceProblemError as error:
        codes = {problem.code for problem in error.problems}
    assert codes <= {"unknown_encoding", "invalid_encoding"}
