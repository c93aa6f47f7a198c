"""The command ``examples``: copy the files that the pages use."""

from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from tasks_lib.cli.options.arguments import Json
from tasks_lib.cli.output import console
from tasks_lib.cli.output.streams import cannot_write, new_file
from tasks_lib.domain.names import counted
from tasks_lib.errors import UsageError

_FOLDER: Final = "examples"
_PACKAGE: Final = Path(__file__).resolve().parents[1]


class Outcome(StrEnum):
    """Whether a file was copied, or was there already with the same content."""

    CREATED = "created"
    UNCHANGED = "unchanged"


class Copied(NamedTuple):
    """An example file, and whether it was copied."""

    file: str
    outcome: Outcome


def copy_examples(folder: Path = Path(_FOLDER), /, *, json: Json = False) -> None:
    """Copy the example files to a folder: catalogues, sources and automations.

    Parameters
    ----------
    folder
        The folder to copy to; it is created if it does not exist.
    """
    try:
        copied = _copy(folder)
    except OSError as error:
        raise cannot_write(error, Path(error.filename or folder)) from None
    if json:
        console.print_json({"folder": str(folder), "files": [one._asdict() for one in copied]})
    else:
        files = counted(len(copied), "example file")
        console.out.print(f"{files} in the folder {folder}.", markup=False)


def _copy(folder: Path) -> list[Copied]:
    """Copy each file that is missing; raise UsageError if one exists with other content."""
    files = sorted(path for path in _find_examples().iterdir() if path.is_file())
    contents = {path.name: path.read_bytes() for path in files}
    existing = {name: (folder / name).read_bytes() for name in contents if (folder / name).exists()}
    for name, content in existing.items():
        if content != contents[name]:
            raise UsageError(
                f"{folder / name} exists and is not the example of this release; "
                "name another folder"
            )
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        if name not in existing:
            with new_file(folder / name) as file:
                file.write(content)
    return [
        Copied(name, Outcome.UNCHANGED if name in existing else Outcome.CREATED)
        for name in contents
    ]


def _find_examples() -> Path:
    """Return the folder of the examples: in the installed package, else beside it in a checkout."""
    installed = _PACKAGE / _FOLDER
    return installed if installed.exists() else _PACKAGE.parent / _FOLDER
