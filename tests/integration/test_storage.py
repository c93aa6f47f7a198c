"""A file is stored completely or not at all, in a folder and on S3."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from servers import PATIENCE_SECONDS
from storages import by_uri, contents, files_in, sha256, storage_of, write_of
from tasks_lib.errors import StorageUnavailableError, UsageError
from tasks_lib.storage.bucket import Bucket
from tasks_lib.storage.file_storage import Storage
from tasks_lib.storage.folder import Folder
from tasks_lib.storage.parallel_writes import PART_BYTES

NOW = datetime.now(UTC)


@pytest.fixture(params=["folder", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty storage of either kind; a test that takes this runs on both."""
    return storage_of(request, tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.csv"
    path.write_text("first", encoding="utf-8")
    return path


def test_a_folder_with_a_space_takes_a_file_and_replaces_it(tmp_path: Path, file: Path) -> None:
    folder = tmp_path / "all files"
    storage = Storage(folder.as_uri())
    assert storage.put("a/b.csv", file) == f"{folder.as_uri()}/a/b.csv"
    file.write_text("second", encoding="utf-8")
    storage.put("a/b.csv", file)
    assert {path.name: path.read_text(encoding="utf-8") for path in (folder / "a").iterdir()} == {
        "b.csv": "second"
    }


def test_a_plain_path_is_a_folder_too(tmp_path: Path, file: Path) -> None:
    assert Storage(f"{tmp_path}/files/").put("b.csv", file) == f"{tmp_path}/files/b.csv"
    assert (tmp_path / "files" / "b.csv").read_text(encoding="utf-8") == "first"


def test_a_bucket_takes_a_file_and_replaces_it(s3_bucket: str, file: Path) -> None:
    storage = Storage(f"s3://{s3_bucket}/prefix")
    storage.put("b.csv", file)
    file.write_text("second", encoding="utf-8")
    assert storage.put("b.csv", file) == f"s3://{s3_bucket}/prefix/b.csv"
    stored = boto3.client("s3").get_object(Bucket=s3_bucket, Key="prefix/b.csv")
    assert stored["Body"].read() == b"second"


def test_a_folder_that_cannot_be_created_is_reported(file: Path) -> None:
    with pytest.raises(StorageUnavailableError, match="the storage cannot be written"):
        Storage(f"{file}/below").put("b.csv", file)


@pytest.mark.parametrize("size", [0, 2 * PART_BYTES + 1])
def test_a_file_of_any_size_is_stored_completely(
    storage: Storage, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "rejects.csv"
    path.write_bytes(os.urandom(size))
    assert files_in(storage) == {}
    assert files_in(storage) | {storage.put("rejects/1.csv", path): path.read_bytes()} == files_in(
        storage
    )


def test_a_stored_file_has_the_content_type_of_its_name(s3_bucket: str, file: Path) -> None:
    Storage(f"s3://{s3_bucket}").put("b.csv", file)
    answer = boto3.client("s3").head_object(Bucket=s3_bucket, Key="b.csv")
    assert answer["ContentType"] == "text/csv"


def test_a_file_is_stored_under_the_first_two_digits_of_its_hash() -> None:
    digest = sha256(b"content")
    assert Storage("s3://bucket/prefix/").uri_of(digest) == (
        f"s3://bucket/prefix/files/ed/{digest}"
    )


@pytest.mark.parametrize("root", ["gs://bucket", "https://example.com/files", "memory://files"])
def test_a_root_of_another_kind_is_a_usage_error(root: str, file: Path) -> None:
    kind = root.partition(":")[0]
    with pytest.raises(UsageError, match=f"'{kind}'; expected a folder or s3://bucket/prefix"):
        Storage(root).put("b.csv", file)


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("photo 1.png", "inline; filename=\"photo 1.png\"; filename*=UTF-8''photo%201.png"),
        ('a"b\\c%.png', "inline; filename=\"a_b_c_.png\"; filename*=UTF-8''a%22b%5Cc%25.png"),
        ("naïve.png", "inline; filename=\"na_ve.png\"; filename*=UTF-8''na%C3%AFve.png"),
        ("a\r\nb;/c", "inline; filename=\"a__b;/c\"; filename*=UTF-8''a%0D%0Ab%3B%2Fc"),
    ],
)
def test_a_link_into_a_bucket_gives_the_file_under_its_name(
    s3_bucket: str, tmp_path: Path, name: str, disposition: str
) -> None:
    storage = Storage(f"s3://{s3_bucket}/prefix")
    with storage.parallel_writes() as writes:
        writes.submit(write_of(b"content"), may_exist=False)
    uri = storage.uri_of(sha256(b"content"))
    options: dict[str, Any] = {"name": name, "content_type": "image/webp", "seconds": 60}
    link = storage.link(uri, **options)
    answer = httpx.get(link, timeout=PATIENCE_SECONDS)
    assert (answer.status_code, answer.content) == (200, b"content")
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["content-disposition"] == disposition
    query = httpx.URL(link).params
    assert (query["X-Amz-Expires"], query["X-Amz-Algorithm"]) == ("60", "AWS4-HMAC-SHA256")
    elsewhere = httpx.get(Storage(tmp_path.as_uri()).link(uri, **options), timeout=PATIENCE_SECONDS)
    assert elsewhere.content == b"content"


def test_a_link_into_a_folder_is_the_url_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "all files" / "b.csv"
    options: dict[str, Any] = {"name": "b.csv", "content_type": "text/csv", "seconds": 60}
    expected = f"file://{tmp_path}/all%20files/b.csv"
    assert Storage("s3://bucket").link(str(path), **options) == expected
    assert Storage("s3://bucket").link(path.as_uri(), **options) == expected


def test_files_are_removed_and_missing_ones_are_ignored(storage: Storage) -> None:
    with storage.parallel_writes() as writes:
        for content in contents(30):
            writes.submit(write_of(content), may_exist=False)
    kept, missing = by_uri(storage, *contents(30)[:10]), by_uri(storage, *contents(1_200)[10:])
    storage.remove([])
    storage.remove(list(missing))
    assert files_in(storage) == kept
    storage.remove(list(missing))
    assert files_in(storage) == kept


def test_files_of_several_roots_are_removed_together(s3_bucket: str, tmp_path: Path) -> None:
    storages = [
        Storage(str(tmp_path / "a")),
        Storage((tmp_path / "b c").as_uri()),
        Storage(f"s3://{s3_bucket}/d"),
    ]
    for storage in storages:
        with storage.parallel_writes() as writes:
            writes.submit(write_of(b"content"), may_exist=False)
    storages[0].remove([storage.uri_of(sha256(b"content")) for storage in storages])
    assert [files_in(storage) for storage in storages] == [{}, {}, {}]


def test_a_removal_from_a_missing_bucket_is_refused(s3_bucket: str) -> None:
    with pytest.raises(StorageUnavailableError, match="bucket does not exist"):
        Storage(f"s3://{s3_bucket}-2").remove([f"s3://{s3_bucket}-2/files/ab/abc"])


def test_old_interrupted_writes_are_removed_from_a_folder(tmp_path: Path) -> None:
    storage = Storage(f"{tmp_path}/files")
    parts = [
        Folder(storage.root).begin(f"{storage.root}/{k}", content_type="", size=7) for k in (1, 2)
    ]
    for part in parts:
        part.send(1, 0, b"content")
    assert storage.remove_leftovers(before=NOW - timedelta(hours=1)) == 0
    parts[1].complete()
    later = datetime.now(UTC) + timedelta(seconds=1)
    assert [storage.remove_leftovers(before=later) for _ in range(2)] == [1, 0]
    assert files_in(storage) == {f"{storage.root}/2": b"content"}


def test_old_interrupted_uploads_are_removed_from_a_bucket(s3_bucket: str) -> None:
    storage = Storage(f"s3://{s3_bucket}/prefix")
    for number in range(3):
        Bucket(storage.root).begin(f"{storage.root}/{number}", content_type="a/b", size=7)
    other = f"s3://{s3_bucket}/prefix-of-another"
    Bucket(other).begin(f"{other}/file", content_type="a/b", size=7)
    begun = datetime(
        2010, 11, 10, 20, 48, 33, tzinfo=UTC
    )  # the start time of all of moto's uploads
    assert storage.remove_leftovers(before=begun) == 0
    later = begun + timedelta(seconds=1)
    assert [storage.remove_leftovers(before=later) for _ in range(2)] == [3, 0]
    assert files_in(storage) == {"unfinished prefix-of-another/file": b""}


def test_a_storage_that_was_never_used_has_no_leftovers(storage: Storage) -> None:
    assert storage.remove_leftovers(before=NOW) == 0
