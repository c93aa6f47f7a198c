"""The content type of a file, recognized by its first bytes."""

import io
import struct
import time
import wave
import zipfile

import pytest

from archives import JPEG, zip_of
from tasks_lib.domain.content_types import START_BYTES, content_type_of

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">L4s2L5BL", 13, b"IHDR", 1, 1, 8, 2, 0, 0, 0, 0)
TEXT = "plain grün text, " * 1_000


def document(kind: str) -> bytes:
    members = {"[Content_Types].xml": "<Types/>", "_rels/.rels": "<r/>", f"{kind}/a.xml": "<a/>"}
    return zip_of(members, zipfile.ZIP_STORED)


def open_document(kind: str) -> bytes:
    return zip_of({"mimetype": kind, "content.xml": "<a/>"}, zipfile.ZIP_STORED)


def sound() -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setparams((1, 2, 8_000, 1, "NONE", ""))
        file.writeframes(b"\0\0")
    return target.getvalue()


OFFICE = "application/vnd.openxmlformats-officedocument"
OASIS = "application/vnd.oasis.opendocument"


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        pytest.param(JPEG, "image/jpeg", id="JPEG"),
        pytest.param(PNG, "image/png", id="PNG"),
        pytest.param(b"GIF89a" + bytes(20), "image/gif", id="GIF"),
        pytest.param(b"BM" + bytes(60), "image/bmp", id="bitmap"),
        pytest.param(b"RIFF\0\0\0\0WEBPVP8 ", "image/webp", id="WebP"),
        pytest.param(b"\0\0\1\0" + bytes(20), "image/vnd.microsoft.icon", id="icon"),
        pytest.param(b"\0\0\0\x18ftypmp42" + bytes(20), "video/mp4", id="MP4"),
        pytest.param(sound(), "audio/wav", id="WAV"),
        pytest.param(b"fLaC" + bytes(20), "audio/flac", id="FLAC"),
        pytest.param(b"ID3\4" + bytes(20), "audio/mpeg", id="MP3"),
        pytest.param(b"wOF2\0\1\0\0" + bytes(20), "font/woff2", id="font"),
        pytest.param(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "application/pdf", id="PDF"),
        pytest.param(b"%PDF-1.4\n1 0 obj\n", "application/pdf", id="PDF of text only"),
        pytest.param(rb"{\rtf1\ansi hello}", "application/rtf", id="RTF"),
        pytest.param(document("word"), f"{OFFICE}.wordprocessingml.document", id="docx"),
        pytest.param(document("xl"), f"{OFFICE}.spreadsheetml.sheet", id="xlsx"),
        pytest.param(document("ppt"), f"{OFFICE}.presentationml.presentation", id="pptx"),
        pytest.param(open_document(f"{OASIS}.text"), f"{OASIS}.text", id="odt"),
        pytest.param(open_document("application/epub+zip"), "application/epub+zip", id="epub"),
        pytest.param(zip_of({"a.txt": b"1"}), "application/zip", id="ZIP"),
        pytest.param(b"", "application/octet-stream", id="nothing"),
        pytest.param(b"\1\2\3", "application/octet-stream", id="unknown"),
        pytest.param("grün".encode("latin-1"), "application/octet-stream", id="Latin-1"),
    ],
)
def test_a_file_is_recognized_by_its_first_bytes(start: bytes, expected: str) -> None:
    assert content_type_of(start) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Grün\tund\r\nblau\f", "text/plain", id="text"),
        pytest.param("\ufeffBOM", "text/plain", id="with a byte order mark"),
        pytest.param("BM is how a bitmap begins", "text/plain", id="like a bitmap"),
        pytest.param("MZ is how a program begins", "text/plain", id="like a program"),
        pytest.param("GIFs are images", "text/plain", id="like a GIF"),
        pytest.param("ID3 is how an MP3 begins", "text/plain", id="like an MP3"),
        pytest.param("<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", id="SVG"),
        pytest.param(
            "\ufeff<?xml version='1.0'?>\n<!-- drawn --><!-- twice -->\n<!DOCTYPE svg []>\n<svg/>",
            "image/svg+xml",
            id="SVG with a prologue",
        ),
        pytest.param("<?xml version='1.0'?><a/>", "application/xml", id="XML"),
        pytest.param("<!-- x --><!DOCTYPE HTML><p>", "text/html", id="HTML"),
        pytest.param("\n<HTML lang=de>", "text/html", id="HTML without its type"),
        pytest.param("<svgx/>", "text/plain", id="not quite SVG"),
        pytest.param('{"a": [1]}', "application/json", id="JSON"),
        pytest.param(" [1, 2]\n", "application/json", id="JSON list"),
        pytest.param("[1] a footnote", "text/plain", id="footnote"),
        pytest.param("{a: 1}", "text/plain", id="not quite JSON"),
        pytest.param("42", "text/plain", id="number"),
        pytest.param('[{"text": "' + TEXT + '"}]', "application/json", id="long JSON"),
        pytest.param("[sic] " + TEXT, "text/plain", id="long text in brackets"),
        pytest.param("[" * 8_000, "text/plain", id="deep brackets"),
    ],
)
def test_kinds_of_text_are_recognized_by_their_beginning(text: str, expected: str) -> None:
    assert content_type_of(text.encode()) == expected


def test_a_character_split_by_the_cut_is_no_damage() -> None:
    for shift in range(4):
        start = (b"x" * shift + "😀".encode() * START_BYTES)[:START_BYTES]
        assert content_type_of(start) == "text/plain"


def test_a_file_that_ends_within_a_character_is_no_text() -> None:
    assert content_type_of("grü".encode()[:-1]) == "application/octet-stream"


def test_bytes_after_the_first_8192_do_not_count() -> None:
    assert content_type_of(b"x" * START_BYTES + b"\0\xff") == "text/plain"


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"\x50\x2a\x4d\x18\0\0\0\0" * 1_024, id="a thousand frames of Zstandard"),
        pytest.param(b"\0\0\0\x18ftyp", id="MP4 cut off"),
        pytest.param(b"\x1aE\xdf\xa3", id="Matroska cut off"),
    ],
)
def test_malformed_bytes_are_of_no_known_type(start: bytes) -> None:
    assert content_type_of(start) == "application/octet-stream"


def test_many_comments_take_no_time() -> None:
    begin = time.perf_counter()
    content_type_of(b"<!---->" * 1_200)
    assert time.perf_counter() - begin < 1
