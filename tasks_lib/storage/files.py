"""Keep files under one root: a local folder, or ``s3://bucket/prefix`` through s3fs.

Endpoint and credentials come from the environment that boto3 and s3fs know (``AWS_*``).
"""

import shutil
from pathlib import Path
from uuid import uuid4

from tasks_lib.domain.problems import SourceProblemError
from tasks_lib.errors import StorageUnavailableError
from tasks_lib.intake.transports import explained, filesystem_of, local_path


class Storage:
    """A root below which files are kept by key; nothing is opened before it is needed."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")

    def put(self, key: str, path: Path) -> str:
        """Copy a local file to ``key``, replacing what is there; return its URI.

        Whoever reads ``key`` meanwhile gets the old file or the new one. Raises
        StorageUnavailableError.
        """
        uri = f"{self.root}/{key}"
        try:
            with explained(uri):
                target = local_path(uri)
                if target is None:
                    filesystem, remote = filesystem_of(uri)
                    filesystem.put_file(str(path), remote)
                else:
                    _put_locally(path, target)
        except SourceProblemError as problem:
            raise StorageUnavailableError(f"the storage cannot be written: {problem}") from None
        return uri


def _put_locally(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{uuid4().hex}")
    try:
        shutil.copyfile(path, beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
