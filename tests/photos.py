"""A pipeline whose tasks have a photo, archives of photos, and workspaces to seed them in."""

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tasks_lib.domain.limits import Limits
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store

PATH = "acme/photos/describe-photos"
CATALOGUE = """
organizations:
  - name: acme
    projects:
      - name: photos
        pipelines:
          - name: describe-photos
            fields:
              - name: photo
                type: file
                source: dataset
                content_types: [image/*]
                max_bytes: 1000
              - {name: place, type: text, source: dataset}
              - {name: notes, type: file, source: dataset, required: false}
              - {name: description, type: long_text, source: input}
"""
HEADER = "photo,place,notes\n"


def png(text: str) -> bytes:
    """Return bytes with a PNG's signature that differ from text to text."""
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + text.encode()


def write_zip(
    path: Path, csv: str, files: Mapping[str, bytes], *, csv_name: str = "rows.csv"
) -> str:
    """Write an archive of a CSV and files, and return its path."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(csv_name, csv)
        for name, content in files.items():
            archive.writestr(name, content)
    return str(path)


@contextmanager
def photo_workspace(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    """Yield a workspace on an embedded store and folder, or on real servers, with the pipeline."""
    if request.param == "sqlite and a folder":
        url, root = f"sqlite:///{tmp_path}/seeding.db", (tmp_path / "kept").as_uri()
    else:
        url = request.getfixturevalue("postgresql_url")
        root = f"s3://{request.getfixturevalue('s3_bucket')}/kept"
    store = Store.open(url)
    catalogue = tmp_path / "photos.yaml"
    catalogue.write_text(CATALOGUE, encoding="utf-8")
    apply_catalogue(store, catalogue)
    yield Workspace(store, Storage(root), Limits())
    store.close()
