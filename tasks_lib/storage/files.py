"""Keep files under one root: a local folder, or ``s3://bucket/prefix`` through s3fs.

Endpoint and credentials come from the environment that boto3 and s3fs know (``AWS_*``).
"""

from pathlib import Path

import fsspec

from tasks_lib.domain.problems import SourceProblemError
from tasks_lib.errors import StorageUnavailableError
from tasks_lib.intake.transports import explained


class Storage:
    """A root below which files are kept by key; nothing is opened before it is needed."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")

    def put(self, key: str, path: Path) -> str:
        """Copy a local file to ``key``, replacing what is there; return its URI.

        The file is whole at once or not there. Raises StorageUnavailableError.
        """
        uri = f"{self.root}/{key}"
        try:
            with explained(uri):
                filesystem, place = fsspec.url_to_fs(uri)
                filesystem.makedirs(filesystem._parent(place), exist_ok=True)  # noqa: SLF001
                with filesystem.transaction:
                    filesystem.put_file(str(path), place)
        except SourceProblemError as problem:
            raise StorageUnavailableError(f"the storage cannot be written: {problem}") from None
        return uri
