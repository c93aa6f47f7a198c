"""A file is put whole or not at all, on a folder and on S3."""

from pathlib import Path

import boto3
import pytest

from tasks_lib.errors import StorageUnavailableError
from tasks_lib.storage.files import Storage


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


def test_a_folder_that_cannot_be_made_is_said_so(file: Path) -> None:
    with pytest.raises(StorageUnavailableError, match="the storage cannot be written"):
        Storage(f"{file}/below").put("b.csv", file)
