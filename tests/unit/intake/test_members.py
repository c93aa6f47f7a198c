"""Members of a ZIP: unpacked exactly, in few requests, and never trusted."""

import bz2
import hashlib
import os
import threading

import pytest

from archives import (
    BZIP2,
    DEFLATED,
    ENCRYPTED_FLAG,
    JPEG,
    STORED,
    MemoryRanges,
    RawMember,
    contents_of,
    deflate,
    open_archive,
    problems_of,
    raw_zip,
    zip_of,
)
from servers import PATIENCE_SECONDS
from tasks_lib.domain.limits import Limits
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.archives.archives import Archive
from tasks_lib.intake.archives.members import Content

MIB = 2**20
ZEROS = bytes(3 * MIB)
MANY = Limits(max_archive_ratio=2_000)


def damage(reason: str) -> list[tuple[str, str]]:
    message = f"the archive is damaged at 'a.txt': {reason}; create the archive again"
    return [("damaged_archive", message)]


def reading_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "seeding-read" in thread.name]


@pytest.mark.parametrize("method", [STORED, DEFLATED, BZIP2], ids=["stored", "deflate", "bzip2"])
@pytest.mark.parametrize(
    "content",
    [b"", b"x", JPEG, os.urandom(70_000), ZEROS, os.urandom(5 * MIB), bytes(9 * MIB)],
    ids=["empty", "byte", "JPEG", "noise", "zeros", "much noise", "many zeros"],
)
def test_packed_content_is_unpacked_unchanged(content: bytes, method: int) -> None:
    data = zip_of({"a.txt": content, "b.txt": b"beside"}, method)
    limits = Limits(max_archive_ratio=10**9)
    assert contents_of(open_archive(data, limits)) == {"a.txt": content, "b.txt": b"beside"}


def test_a_content_has_its_entry_hash_and_type() -> None:
    archive = open_archive(zip_of({"a.txt": JPEG}))
    ((content,),) = archive.batches(archive.entries.values())
    assert content == Content(
        entry=archive.entries["a.txt"],
        size=len(JPEG),
        sha256=hashlib.sha256(JPEG).hexdigest(),
        content_type="image/jpeg",
        data=JPEG,
    )


def test_a_large_content_can_be_read_repeatedly_in_small_chunks() -> None:
    noise = JPEG + os.urandom(9 * MIB)
    archive = open_archive(zip_of({"a.txt": noise}))
    ((content,),) = archive.batches(archive.entries.values())
    assert (content.size, content.content_type) == (len(noise), "image/jpeg")
    assert content.sha256 == hashlib.sha256(noise).hexdigest()
    assert not isinstance(content.data, bytes)
    for _ in range(2):
        chunks = list(content.data())
        assert b"".join(chunks) == noise
        assert max(map(len, chunks)) <= MIB


def test_batches_follow_the_archive_and_have_a_size_limit() -> None:
    members = {
        "c": bytes(3 * MIB // 2),
        "b": bytes(3 * MIB // 2),
        "a": bytes(3 * MIB // 2),
        "large": bytes(5 * MIB),
        "d": b"1",
    }
    archive = open_archive(zip_of(members), MANY)
    entries = sorted(archive.entries.values(), key=lambda entry: entry.path)
    batches = archive.batches([*entries, *entries])
    assert [[content.entry.path for content in batch] for batch in batches] == [
        ["c", "b"],
        ["a"],
        ["large"],
        ["d"],
    ]


def test_no_batch_has_more_than_256_members() -> None:
    archive = open_archive(zip_of({str(number): b"1" for number in range(600)}))
    sizes = [len(batch) for batch in archive.batches(archive.entries.values())]
    assert sizes == [256, 256, 88]


def test_only_adjacent_members_are_read_together() -> None:
    far = os.urandom(2 * MIB)
    data = zip_of({"a": b"1" * 50, "b": b"2" * 50, "far": far, "c": b"3" * 50}, STORED)
    file = MemoryRanges(data)
    archive = Archive(file, Limits())
    file.reads.clear()
    entries = [archive.entries[path] for path in "cab"]
    assert [len(batch) for batch in archive.batches(entries)] == [2, 1]
    a, b, far_entry, c = archive.entries.values()
    assert file.reads == [(a.offset, far_entry.offset), (c.offset, c.end)]
    assert (b.end, c.end) == (far_entry.offset, c.offset + 30 + 1 + 50)


def test_a_large_member_is_read_in_pieces_of_four_mib() -> None:
    file = MemoryRanges(zip_of({"a": os.urandom(10 * MIB)}, STORED))
    archive = Archive(file, Limits())
    file.reads.clear()
    list(archive.batches(archive.entries.values()))
    end = archive.entries["a"].end
    assert sorted(file.reads) == [(0, 4 * MIB), (4 * MIB, 8 * MIB), (8 * MIB, end)]


def test_reading_ahead_is_bounded_and_ends_with_its_consumer() -> None:
    members = {str(number): os.urandom(5 * MIB) for number in range(12)}
    file = MemoryRanges(zip_of(members, STORED))
    archive = Archive(file, Limits())
    file.reads.clear()
    batches = archive.batches(archive.entries.values())
    next(batches)
    batches.close()
    assert len(file.reads) <= 5
    assert reading_threads() == []


def test_four_requests_are_under_way_at_once() -> None:
    together = threading.Barrier(4, timeout=PATIENCE_SECONDS)

    class Slow(MemoryRanges):
        def read(self, start: int, end: int) -> bytes:
            if start != self.size - 2**18:
                together.wait()
            return super().read(start, end)

    noise = os.urandom(4 * MIB)
    archive = Archive(Slow(zip_of({str(number): noise for number in range(16)}, STORED)), Limits())
    assert [len(batch) for batch in archive.batches(archive.entries.values())] == [1] * 16


@pytest.mark.parametrize("signature", [b"PK\7\x08", b""], ids=["signed", "unsigned"])
@pytest.mark.parametrize("size_bytes", [4, 8], ids=["32 bits", "64 bits"])
def test_sizes_behind_the_data_are_skipped(signature: bytes, size_bytes: int) -> None:
    descriptor = signature + bytes(4 + 2 * size_bytes)
    first = RawMember(
        flags=8, header_sizes=(0, 0, 0), method=DEFLATED, content=b"abc" * 9, after=descriptor
    )
    data = raw_zip(first, RawMember(name=b"b.txt", header_extra=b"\x99\x99\x02\x00ab"))
    assert contents_of(open_archive(data)) == {"a.txt": b"abc" * 9, "b.txt": b"content"}


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        pytest.param(RawMember(crc=1), "its checksum does not fit", id="checksum"),
        pytest.param(
            RawMember(size=3), "it has more than the 3 bytes that were claimed", id="stored, more"
        ),
        pytest.param(RawMember(size=8), "it has 7 bytes, not 8", id="stored, less"),
        pytest.param(
            RawMember(method=DEFLATED, size=3),
            "it has more than the 3 bytes that were claimed",
            id="deflate, more",
        ),
        pytest.param(
            RawMember(method=DEFLATED, size=8), "it has 7 bytes, not 8", id="deflate, less"
        ),
        pytest.param(
            RawMember(method=DEFLATED, packed=deflate(b"content")[:-2]),
            "its packed data ends too early, or too late",
            id="deflate, cut off",
        ),
        pytest.param(
            RawMember(method=DEFLATED, packed=deflate(b"content") + b"more"),
            "its packed data ends too early, or too late",
            id="deflate, left over",
        ),
        pytest.param(
            RawMember(method=DEFLATED, packed=b"\xff\xff\xff"),
            "its packed data is not valid (Error -3 while decompressing data: invalid block type)",
            id="deflate, noise",
        ),
        pytest.param(
            RawMember(method=BZIP2, packed=bz2.compress(b"content")[:-2]),
            "its packed data ends too early, or too late",
            id="bzip2, cut off",
        ),
        pytest.param(
            RawMember(method=BZIP2, packed=bz2.compress(b"content") + b"more"),
            "its packed data ends too early, or too late",
            id="bzip2, left over",
        ),
        pytest.param(
            RawMember(method=BZIP2, packed=bz2.compress(b"content") * 2),
            "its packed data ends too early, or too late",
            id="bzip2, twice",
        ),
        pytest.param(
            RawMember(method=BZIP2, packed=b"noise"),
            "its packed data is not valid (Invalid data stream)",
            id="bzip2, noise",
        ),
        pytest.param(
            RawMember(method=BZIP2, packed=b"", content=b""),
            "its packed data ends too early, or too late",
            id="bzip2, nothing",
        ),
        pytest.param(
            RawMember(header_name=b"b.txt"),
            "its header says something else than the directory",
            id="another name",
        ),
        pytest.param(
            RawMember(header_method=DEFLATED),
            "its header says something else than the directory",
            id="another method",
        ),
        pytest.param(
            RawMember(header_flags=ENCRYPTED_FLAG),
            "its header says something else than the directory",
            id="encrypted in its header only",
        ),
        pytest.param(
            RawMember(before=b"#" * 40, offset=0),
            "there is no member where the directory says",
            id="no header",
        ),
    ],
)
def test_a_member_that_contradicts_its_claims_is_damage(member: RawMember, reason: str) -> None:
    assert problems_of(raw_zip(member, RawMember(name=b"b.txt"))) == damage(reason)


def test_a_member_that_reaches_into_the_next_by_its_extra_field_is_damage() -> None:
    bare = raw_zip(RawMember(), RawMember(name=b"b.txt"))
    data = bare[:28] + b"\x05\x00" + bare[30:]
    assert problems_of(data) == damage("it overlaps with what follows it")


@pytest.mark.parametrize("method", [DEFLATED, BZIP2], ids=["deflate", "bzip2"])
def test_a_member_that_unpacks_to_far_more_than_its_size_is_refused(method: int) -> None:
    message = (
        "member 'a.txt' unpacks to more than 200 times its size, which looks like an attack; "
        "if it is not, raise SEEDING_MAX_ARCHIVE_RATIO"
    )
    assert problems_of(zip_of({"a.txt": ZEROS}, method)) == [("ratio_too_high", message)]


def test_a_bomb_that_claims_to_be_small_gives_one_byte_more_than_it_claims() -> None:
    bomb = RawMember(method=DEFLATED, content=b"", packed=deflate(bytes(100 * MIB)), size=10, crc=0)
    archive = open_archive(raw_zip(bomb), MANY)
    sizes: list[int] = []
    with pytest.raises(SourceProblemError) as caught:
        sizes.extend(map(len, archive._chunks(archive.entries["a.txt"])))
    assert sizes == []
    assert [(problem.code, problem.message) for problem in caught.value.problems] == damage(
        "it has more than the 10 bytes that were claimed"
    )


def test_up_to_one_mib_any_ratio_is_accepted() -> None:
    zeros = bytes(MIB)
    assert contents_of(open_archive(zip_of({"a.txt": zeros}))) == {"a.txt": zeros}


@pytest.mark.parametrize(
    ("method", "name"),
    [
        (1, "Shrink"),
        (6, "Implode"),
        (9, "Deflate64"),
        (14, "LZMA"),
        (93, "Zstandard"),
        (95, "XZ"),
        (98, "PPMd"),
        (77, "method 77"),
    ],
)
def test_an_unsupported_compression_is_named(method: int, name: str) -> None:
    message = (
        f"member 'a.txt' is compressed with {name}; "
        "create the archive with deflate, which every program supports"
    )
    assert problems_of(raw_zip(RawMember(method=method))) == [("unsupported_compression", message)]


def test_a_compression_matters_only_for_members_that_are_needed() -> None:
    archive = open_archive(raw_zip(RawMember(method=14), RawMember(name=b"b.txt")))
    ((content,),) = archive.batches([archive.entries["b.txt"]])
    assert content.data == b"content"


def test_each_member_that_cannot_be_unpacked_is_named_before_any_is_read() -> None:
    file = MemoryRanges(
        raw_zip(RawMember(), RawMember(name=b"b", method=14), RawMember(name=b"c", method=9))
    )
    archive = Archive(file, Limits())
    file.reads.clear()
    with pytest.raises(SourceProblemError) as caught:
        list(archive.batches(archive.entries.values()))
    assert [problem.message.split(";")[0] for problem in caught.value.problems] == [
        "member 'b' is compressed with LZMA",
        "member 'c' is compressed with Deflate64",
    ]
    assert file.reads == []


def test_an_error_of_reading_is_raised_where_the_contents_are_used() -> None:
    class Failing(MemoryRanges):
        def read(self, start: int, end: int) -> bytes:
            if start == 0 and end < self.size:
                raise SourceProblemError(Problem("source_changed", "it was changed"))
            return super().read(start, end)

    archive = Archive(Failing(zip_of({"a.txt": b"1"})), Limits())
    with pytest.raises(SourceProblemError, match="it was changed"):
        list(archive.batches(archive.entries.values()))
    assert reading_threads() == []
