"""The long description of the package: the README with links that work outside the repository."""

import re
from pathlib import Path
from typing import Any, Final

from hatchling.metadata.plugin.interface import MetadataHookInterface

_MARK: Final = re.compile(r"<!-- (?:end of: )?only in the repository -->\n")
_SECTION: Final = re.compile(
    r"<!-- only in the repository -->.*?<!-- end of: only in the repository -->\n*", re.DOTALL
)
_IMAGE: Final = re.compile(r"!\[([^]]*)\]\((?!https?://)([^)]*)\)(\n*)")
_LINK: Final = re.compile(r"(?<!!)\[([^]]+)\]\((?!https?://)([^)]*)\)")


class LongDescription(MetadataHookInterface):
    """Let hatchling take the readme from here."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the readme."""
        readme = Path(self.root, "README.md").read_text(encoding="utf-8")
        text = long_description(readme, metadata.get("urls", {}).get("Repository"))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def long_description(readme: str, repository: str | None) -> str:
    """Return a README as a package index shows it, which resolves no relative link or image.

    They become absolute below the URL of the repository. Without one, sections marked as such and
    relative images are left out, and only the text of relative links stays.
    """
    if repository is None:
        return _LINK.sub(r"\1", _IMAGE.sub("", _SECTION.sub("", readme)))
    site = repository.rstrip("/")
    text = _IMAGE.sub(rf"![\1]({site}/raw/HEAD/\2)\3", _MARK.sub("", readme))
    return _LINK.sub(rf"[\1]({site}/blob/HEAD/\2)", text)
