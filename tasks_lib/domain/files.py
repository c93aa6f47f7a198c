"""Files as values of tasks: what is stored for one, and which contents a field allows."""

import json
from collections.abc import Sequence
from typing import NamedTuple


class FileValue(NamedTuple):
    """A stored file as a task's value.

    ``uri`` says where it is stored, by its content; ``name`` what it was called; ``size`` is in
    bytes, ``sha256`` in hexadecimal digits, ``content_type`` what its first bytes say.
    """

    uri: str
    name: str
    size: int
    sha256: str
    content_type: str

    @property
    def json(self) -> str:
        """The value as it is stored: a JSON object on one line."""
        return json.dumps(self._asdict(), ensure_ascii=False, separators=(",", ":"))


def allows(content_types: Sequence[str] | None, found: str) -> bool:
    """Tell whether ``found`` is one of them (``image/png``, ``image/*``), or all are allowed."""
    if content_types is None:
        return True
    family = found.split("/", maxsplit=1)[0] + "/*"
    return any(allowed in {found, family, "*/*"} for allowed in content_types)
