"""Arbitrary bytes: an archive is either read correctly or refused with a problem."""

import random

from hypothesis import given, settings, strategies as st

from archives import (
    BZIP2,
    DEFLATED,
    STORED,
    UTF8_FLAG,
    End,
    RawMember,
    contents_of,
    open_archive,
    raw_zip,
)
from tasks_lib.errors import SourceProblemError

CONTENT = b"pixels " * 30
DESCRIPTOR = b"PK\7\x08" + bytes(12)
ARCHIVE = raw_zip(
    RawMember(name=b"rows.csv", content=CONTENT, method=DEFLATED, flags=8, after=DESCRIPTOR),
    RawMember(name="img/ä.jpg".encode(), content=CONTENT[1:], method=STORED, flags=UTF8_FLAG),
    RawMember(name=b"img/b.jpg", content=b"", method=DEFLATED, extra=b"\x99\x99\x02\x00ab"),
)
ZIP64 = raw_zip(
    RawMember(content=CONTENT, method=STORED), end=End(is_zip64=True, comment=b"comment")
)
GOOD = contents_of(open_archive(ARCHIVE))


def read(data: bytes) -> dict[str, bytes] | None:
    """Return the contents, or None if the bytes are refused with a problem."""
    try:
        return contents_of(open_archive(data))
    except SourceProblemError:
        return None


def test_a_truncated_archive_is_refused() -> None:
    for archive in (ARCHIVE, ZIP64.removesuffix(b"comment")):
        assert {end for end in range(len(archive)) if read(archive[:end]) is not None} == set()


def test_an_archive_without_its_beginning_never_yields_wrong_content() -> None:
    for start in range(1, len(ARCHIVE)):
        contents = read(ARCHIVE[start:]) or {}
        assert contents.items() <= GOOD.items()


@settings(max_examples=500)
@given(
    st.sampled_from([ARCHIVE, ZIP64]),
    st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_changed_bytes_never_yield_wrong_content(
    archive: bytes, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(archive)
    for place, value in changes:
        data[place % len(data)] = value
    contents = read(bytes(data)) or {}
    assert set(contents.values()) <= {CONTENT, CONTENT[1:], b""}


@settings(max_examples=300)
@given(st.randoms(use_true_random=False), st.sampled_from([DEFLATED, BZIP2]))
def test_noise_instead_of_packed_data_is_refused(randomness: random.Random, method: int) -> None:
    noise = randomness.randbytes(randomness.randrange(1, 400))
    assert read(raw_zip(RawMember(content=CONTENT, packed=noise, method=method))) is None


@given(st.binary(max_size=400))
def test_noise_is_refused(noise: bytes) -> None:
    assert read(noise) is None


@settings(max_examples=300)
@given(st.binary(min_size=1, max_size=200), st.binary(max_size=60))
def test_noise_instead_of_a_directory_is_refused(directory: bytes, comment: bytes) -> None:
    whole = raw_zip(end=End(entries=1, directory_size=len(directory), comment=comment))
    end = whole.rindex(b"PK\5\6")
    assert read(directory + whole[end:]) is None
