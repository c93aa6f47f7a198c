"""Files as values of tasks: the value that is stored, and the content types a field allows."""

import json
from collections.abc import Sequence
from typing import NamedTuple


class FileValue(NamedTuple):
    """A stored file as a task's value.

    ``uri`` is derived from the content, ``name`` is the original file name, ``size`` is in bytes,
    ``sha256`` in hexadecimal digits; ``content_type`` is detected from the first bytes.
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


def allows(content_types: Sequence[str] | None, content_type: str) -> bool:
    """Return whether a content type is among those allowed, such as image/png or image/*.

    None allows all.
    """
    if content_types is None:
        return True
    family = content_type.split("/", maxsplit=1)[0] + "/*"
    return any(allowed in {content_type, family, "*/*"} for allowed in content_types)
