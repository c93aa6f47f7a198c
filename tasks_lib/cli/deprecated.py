"""Old spellings that still work in this release, with a warning on stderr."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from tasks_lib.cli.output import console

_REMOVED_IN: Final = "0.4"


class OldSpellings(NamedTuple):
    """A command's options by their old names, and values of options by their old spelling."""

    options: Mapping[str, str] = MappingProxyType({})
    values: Mapping[tuple[str, str], str] = MappingProxyType({})


_SAVED_MAPPING: Final = OldSpellings(options={"--mapping": "--mapping-name"})
OLD_SPELLINGS: Final[Mapping[tuple[str, ...], OldSpellings]] = MappingProxyType(
    {
        ("seed", "dataset"): _SAVED_MAPPING,
        ("seed", "pipeline"): _SAVED_MAPPING,
        ("tasks", "list"): OldSpellings(values={("--status", "in-progress"): "in_progress"}),
    }
)
"""The old spellings of each command; everything else about a command knows only the new ones."""
_OF_GROUPS: Final = frozenset({"list", "show", "wait", "undo", "--help", "-h"})


def replace_old_spellings(arguments: Sequence[str]) -> list[str]:
    """Return the arguments in today's spelling; print a warning for each old one."""
    if len(arguments) > 1 and arguments[0] == "groups" and not _OF_GROUPS & set(arguments):
        old_command, new_command = "seeding groups PIPELINE", "seeding groups list PIPELINE"
        _warn(old_command, new_command)
        return ["groups", "list", *arguments[1:]]
    old = OLD_SPELLINGS.get(tuple(arguments[:2]))
    return list(_respell(arguments, old)) if old is not None else list(arguments)


def _respell(arguments: Sequence[str], old: OldSpellings) -> Iterator[str]:
    option = ""
    for argument in arguments:
        name, separator, value = argument.partition("=")
        if not name.startswith("--"):
            yield _new_value(option, argument, old)
            option = ""
            continue
        option = old.options.get(name, name)
        if option != name:
            _warn(name, option)
        yield option + separator + (_new_value(option, value, old) if separator else "")


def _new_value(option: str, value: str, old: OldSpellings) -> str:
    new = old.values.get((option, value), value)
    if new != value:
        _warn(f"{option} {value}", f"{option} {new}")
    return new


def _warn(old: str, new: str) -> None:
    console.print_warnings([f"{old} is deprecated and will be removed in {_REMOVED_IN}; use {new}"])
