"""The directory of a ZIP: the entries that are read, and those that no archive may hold."""

import struct
import zlib
from typing import Any

import pytest

from archives import (
    DEFLATED,
    ENCRYPTED_FLAG,
    SYMBOLIC_LINK,
    URI,
    UTF8_FLAG,
    End,
    MemoryRanges,
    RawMember,
    contents_of,
    open_archive,
    problems_of,
    raw_zip,
    zip_of,
)
from tasks_lib.domain.limits import Limits
from tasks_lib.intake.archives.archives import Archive

OVERLAP = (
    "the archive is damaged at 'a.txt': it overlaps with what follows it; create the archive again"
)


def names_of(*members: RawMember) -> list[tuple[str, str]]:
    return [(entry.path, entry.name) for entry in open_archive(raw_zip(*members)).entries.values()]


def unicode_path(name: bytes, of: bytes) -> bytes:
    field = struct.pack("<BL", 1, zlib.crc32(of)) + name
    return struct.pack("<HH", 0x7075, len(field)) + field


def zip64(*sizes: int) -> bytes:
    return struct.pack(f"<HH{len(sizes)}Q", 1, 8 * len(sizes), *sizes)


def test_an_entry_holds_the_values_of_the_directory() -> None:
    (entry,) = open_archive(zip_of({"img/a.txt": b"content" * 9})).entries.values()
    assert (entry.path, entry.name, entry.size, entry.method) == ("a.txt", "a.txt", 63, 8)
    assert (entry.offset, entry.crc) == (0, zlib.crc32(b"content" * 9))


@pytest.mark.parametrize(
    ("member", "path", "name"),
    [
        pytest.param(RawMember(name=b"a.txt"), "a.txt", "a.txt", id="ASCII"),
        pytest.param(
            RawMember(name="grün.txt".encode(), flags=UTF8_FLAG), "grün.txt", "grün.txt", id="UTF-8"
        ),
        pytest.param(
            RawMember(name="grün.txt".encode()), "grün.txt", "grün.txt", id="UTF-8 that is not said"
        ),
        pytest.param(RawMember(name=b"gr\x81n.txt"), "grün.txt", "grün.txt", id="code page 437"),
        pytest.param(
            RawMember(name=b"gr?n", extra=unicode_path("grün".encode(), b"gr?n")),
            "grün",
            "grün",
            id="Info-ZIP's second spelling",
        ),
        pytest.param(
            RawMember(name=b"new", extra=unicode_path(b"old", b"other")),
            "new",
            "new",
            id="second spelling of an earlier name",
        ),
        pytest.param(
            RawMember(name="gru\u0308n".encode()), "grün", "gru\u0308n", id="accent on its own"
        ),
        pytest.param(RawMember(name=rb"img\.\\a.txt"), "img/a.txt", "a.txt", id="backslashes"),
        pytest.param(
            RawMember(name="9\u202fAM.png".encode()),
            "9\u202fAM.png",
            "9\u202fAM.png",
            id="macOS space",
        ),
    ],
)
def test_a_name_is_decoded_as_its_packer_encoded_it(
    member: RawMember, path: str, name: str
) -> None:
    beside = RawMember(name=b"rows.csv")
    assert names_of(beside, member)[1] == (path, name)


def test_folders_and_junk_are_left_out() -> None:
    data = zip_of(
        {
            "img/": b"",
            "img\\": b"",
            "img/a.jpg": b"1",
            "rows.csv": b"2",
            "__MACOSX/img/._a.jpg": b"3",
            "img/._b.jpg": b"4",
            "img/.DS_Store": b"5",
            "img/Thumbs.db": b"6",
            "Desktop.ini": b"7",
            "img/Icon\r": b"8",
        }
    )
    assert list(open_archive(data).entries) == ["img/a.jpg", "rows.csv"]


def test_a_single_enclosing_folder_is_stripped() -> None:
    data = zip_of({"__MACOSX/x": b"0", "data/": b"", "data/rows.csv": b"1", "data/img/a": b"2"})
    assert list(open_archive(data).entries) == ["rows.csv", "img/a"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("/etc/passwd", "'/etc/passwd' is absolute", id="absolute"),
        pytest.param(r"C:\a", r"'C:\a' is absolute", id="drive"),
        pytest.param("c:a", "'c:a' is absolute", id="drive without folder"),
        pytest.param(r"\\host\a", r"'\\host\a' is absolute", id="network"),
        pytest.param("../a", "'../a' holds '..'", id="parent"),
        pytest.param("a/../../b", "'a/../../b' holds '..'", id="parent inside"),
        pytest.param(r"a\..\b", r"'a\..\b' holds '..'", id="parent with backslashes"),
        pytest.param("__MACOSX/../a", "'__MACOSX/../a' holds '..'", id="parent of junk"),
        pytest.param(
            "a.csv\0.jpg",
            "'a.csv<U+0000>.jpg' (with U+0000 control character) "
            "holds characters that nobody can see",
            id="NUL",
        ),
        pytest.param(
            "a\u202egpj.exe",
            "'a<U+202E>gpj.exe' (with U+202E right-to-left override) "
            "holds characters that nobody can see",
            id="turned around",
        ),
        pytest.param("", "'' has no name", id="empty"),
        pytest.param("./.", "'./.' has no name", id="only dots"),
    ],
)
def test_a_path_that_leaves_the_archive_is_refused(name: str, reason: str) -> None:
    data = raw_zip(RawMember(name=name.encode(), flags=UTF8_FLAG))
    message = f"the path of member {reason}; rename it, or leave it out"
    assert problems_of(data) == [("unsafe_path", message)]


@pytest.mark.parametrize(
    "member",
    [
        pytest.param({"flags": ENCRYPTED_FLAG}, id="encrypted"),
        pytest.param({"flags": 1 << 6}, id="strongly encrypted"),
        pytest.param({"flags": 1 << 13}, id="with a masked directory"),
        pytest.param({"flags": ENCRYPTED_FLAG, "method": 99}, id="AES"),
    ],
)
def test_an_encrypted_member_is_refused(member: dict[str, Any]) -> None:
    message = "member 'a.txt' is encrypted; create the archive without a password"
    assert problems_of(raw_zip(RawMember(**member))) == [("encrypted_member", message)]


def test_a_symbolic_link_is_refused() -> None:
    data = raw_zip(RawMember(content=b"/etc/passwd", attributes=SYMBOLIC_LINK))
    message = "member 'a.txt' is a symbolic link; pack the file itself, or leave it out"
    assert problems_of(data) == [("symbolic_link", message)]


@pytest.mark.parametrize(
    "second",
    [b"img/a.txt", rb"img\a.txt", b"img//./a.txt"],
    ids=["the same", "backslash", "empty parts"],
)
def test_two_members_of_one_path_are_refused(second: bytes) -> None:
    data = raw_zip(RawMember(name=b"img/a.txt"), RawMember(name=second))
    message = "two members have the path 'img/a.txt'; leave one of them out"
    assert problems_of(data) == [("duplicate_member", message)]


def test_each_offending_member_is_named_up_to_a_hundred() -> None:
    members = [RawMember(name=b"../%d" % number) for number in range(150)]
    problems = problems_of(raw_zip(*members, RawMember(attributes=SYMBOLIC_LINK)))
    assert [code for code, _ in problems] == ["unsafe_path"] * 100
    assert problems[99][1].startswith("the path of member '../99' holds")


@pytest.mark.parametrize(
    ("entries", "shown"),
    [
        pytest.param(3, "3 entries", id="counted"),
        pytest.param(50_000, "a directory of 2,588,890 bytes", id="too many to be read"),
    ],
)
def test_more_entries_than_allowed_are_refused(entries: int, shown: str) -> None:
    data = zip_of({f"{number}/": b"" for number in range(entries)})
    message = (
        f"the archive has {shown}, 2 entries are allowed; "
        "split it, or raise SEEDING_MAX_ARCHIVE_ENTRIES"
    )
    assert problems_of(data, Limits(max_archive_entries=2)) == [("too_many_entries", message)]


def test_members_that_claim_to_be_too_large_together_are_refused() -> None:
    data = zip_of({"a": b"x" * 600, "b": b"x" * 500})
    message = (
        "the archive, unpacked, has 1,100 bytes, 1,000 are allowed; "
        "split it, or raise SEEDING_MAX_SOURCE_BYTES"
    )
    assert problems_of(data, Limits(max_source_bytes=1_000)) == [("source_too_large", message)]


def test_claims_of_zip64_count_too() -> None:
    extra = zip64(2**60, 7)
    member = RawMember(size=2**32 - 1, packed_size=2**32 - 1, extra=extra, header_sizes=(0, 0, 0))
    ((code, _),) = problems_of(raw_zip(member))
    assert code == "source_too_large"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "it is empty", id="empty"),
        pytest.param(b"a,b\n1,2\n", "it looks like text/plain", id="CSV"),
        pytest.param(b"7z\xbc\xaf\x27\x1c" * 9, "it looks like application/x-7z-compressed"),
        pytest.param(bytes(99), "it looks like application/octet-stream", id="zeros"),
    ],
)
def test_a_refusal_names_the_type_of_a_file_that_is_no_archive(data: bytes, reason: str) -> None:
    message = f"{URI} is not a ZIP archive: {reason}; pack the CSV and its files as a ZIP"
    assert problems_of(data) == [("not_zip", message)]


def test_an_archive_without_its_end_is_refused_as_cut_off() -> None:
    message = (
        f"{URI} begins as a ZIP archive and has no end; it was cut off, or is one of several "
        "parts: copy or download it again, as a whole"
    )
    assert problems_of(zip_of({"a": b"1"})[:-5]) == [("damaged_archive", message)]


def test_one_part_of_a_split_archive_is_refused_as_such() -> None:
    message = (
        f"{URI} is part 3 of an archive in several files; "
        "make it one file first, with: zip -s 0 PARTS.zip --out WHOLE.zip"
    )
    assert problems_of(raw_zip(RawMember(), end=End(part=2))) == [("damaged_archive", message)]


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        pytest.param(End(entries=2), "it should hold 2 entries, and holds 1", id="entries"),
        pytest.param(End(entries=0), "it should hold 0 entries, and holds 1", id="no entries"),
        pytest.param(End(directory_size=2**32 - 2), "Bad offset for central directory", id="size"),
        pytest.param(End(directory_size=0), "it should hold 1 entry, and holds 0", id="no size"),
        pytest.param(End(directory_size=50), "Bad magic number for central directory", id="short"),
        pytest.param(
            End(directory_size=2**63, is_zip64=True), "Bad offset for central directory", id="ZIP64"
        ),
    ],
)
def test_an_end_that_lies_about_the_directory_is_detected(end: End, reason: str) -> None:
    message = f"the directory of {URI} is damaged ({reason}); create the archive again"
    assert problems_of(raw_zip(RawMember(), end=end)) == [("damaged_archive", message)]


def test_an_end_whose_numbers_look_like_another_end_is_read_as_the_end() -> None:
    data = bytearray(raw_zip(RawMember(name=b"a", content=b"1")))
    data[-14:-10] = b"PK\5\6"
    message = f"the directory of {URI} is damaged (it should hold 1,541 entries, and holds 1); "
    assert problems_of(bytes(data)) == [("damaged_archive", f"{message}create the archive again")]


def test_a_name_that_is_not_the_utf8_it_claims_to_be_is_damage() -> None:
    ((code, message),) = problems_of(raw_zip(RawMember(name=b"\xff", flags=UTF8_FLAG)))
    assert code == "damaged_archive"
    assert message.startswith(f"the directory of {URI} is damaged ('utf-8' codec can't decode")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        pytest.param([RawMember(packed_size=8)], OVERLAP, id="into the directory"),
        pytest.param(
            [RawMember(packed_size=30), RawMember(name=b"b")], OVERLAP, id="into the next"
        ),
        pytest.param([RawMember(name=b"b"), RawMember(offset=0)], OVERLAP, id="two on one place"),
        pytest.param([RawMember(offset=2**32 - 2)], OVERLAP, id="beyond the end"),
    ],
)
def test_members_that_overlap_are_damage(members: list[RawMember], message: str) -> None:
    assert problems_of(raw_zip(*members)) == [("damaged_archive", message)]


def test_a_header_offset_before_the_beginning_is_damage() -> None:
    data = raw_zip(RawMember(), end=End(directory_at=2_000))
    assert problems_of(data) == [("damaged_archive", OVERLAP)]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(zip_of({"a": b"1"}, comment=b"PK" * 30_000), id="long comment"),
        pytest.param(
            zip_of({"a": b"1"}, comment=b"of PK\5\6 and of thirty more bytes of text"),
            id="comment that looks like an end",
        ),
        pytest.param(zip_of({"a": b"1"}, comment=b"PK\5\6"), id="comment that begins an end"),
        pytest.param(zip_of({"a": b"1"}) + b"\0" * 90, id="before zeros"),
        pytest.param(b"#!/bin/sh\n" * 900 + zip_of({"a": b"1"}), id="behind a program"),
        pytest.param(zip_of({"b": b"2"}) + zip_of({"a": b"1"}), id="behind another archive"),
        pytest.param(
            raw_zip(RawMember(name=b"a", content=b"1"), end=End(is_zip64=True)), id="ZIP64 end"
        ),
        pytest.param(
            raw_zip(
                RawMember(
                    name=b"a",
                    content=b"1",
                    size=2**32 - 1,
                    packed_size=2**32 - 1,
                    extra=zip64(1, 1),
                    header_extra=zip64(1, 1),
                )
            ),
            id="ZIP64 sizes",
        ),
    ],
)
def test_an_archive_is_read_with_any_comment_prefix_or_zip64_record(data: bytes) -> None:
    assert contents_of(open_archive(data)) == {"a": b"1"}


def test_small_directories_take_one_request() -> None:
    data = zip_of({f"img/{number}.jpg": b"x" * 500 for number in range(1_000)}, method=0)
    file = MemoryRanges(data)
    Archive(file, Limits())
    assert file.reads == [(len(data) - 2**18, len(data))]


def test_junk_may_have_any_attributes() -> None:
    junk = RawMember(
        name=b"__MACOSX/a", attributes=SYMBOLIC_LINK, flags=ENCRYPTED_FLAG, method=DEFLATED
    )
    assert list(open_archive(raw_zip(junk, junk, RawMember())).entries) == ["a.txt"]


def test_more_entries_than_16_bits_can_count_are_all_read() -> None:
    data = zip_of({str(number): b"" for number in range(66_000)}, method=0)
    assert len(open_archive(data).entries) == 66_000
