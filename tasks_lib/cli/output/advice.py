"""Commands that solve a problem. Operations only name problems: other edges show them, too."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tasks_lib.errors import NoPipelinesError, NoStoreError, SeedingError, StoreOutdatedError

if TYPE_CHECKING:
    from tasks_lib.domain.report import Report, ReportError

_ADVICE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "no_dataset_fields": "to create blank tasks, run: seeding seed bulk {pipeline} COUNT",
        "has_file_fields": "to seed a ZIP, run: seeding seed zip {pipeline} SOURCE",
        "has_dataset_fields": "to get a CSV file to fill in, run: "
        "seeding template {pipeline} -o tasks.csv",
    }
)
"""By the code of the problem."""

_ADVICE_ON_ERRORS: Final[Mapping[type[SeedingError], str]] = MappingProxyType(
    {
        NoStoreError: "to create one with your pipelines, run: seeding apply FILE",
        NoPipelinesError: "to create pipelines, run: seeding apply FILE",
        StoreOutdatedError: "to upgrade the store, run: seeding db upgrade",
    }
)
"""By the class of the error: its code may be that of other errors, too."""

_OPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "in columns": "to import only some of the columns, add: --columns NAME,NAME",
        "as sheet": "to import a sheet of the workbook, add: --sheet NAME",
        "with nan_as_null": "to import NaN as null, add: --nan-as-null",
    }
)
"""By the words in which an import names one of its parameters."""


def advice_on(report: "Report", pipeline: str) -> list[str]:
    """Return what to run instead, for each kind of problem in the report that has a solution."""
    codes = dict.fromkeys(error.code for error in report.errors)
    return [_ADVICE[code].format(pipeline=pipeline) for code in codes if code in _ADVICE]


def advice_on_error(error: SeedingError) -> list[str]:
    """Return the command that solves the error, if there is one."""
    return [advice for kind, advice in _ADVICE_ON_ERRORS.items() if isinstance(error, kind)]


def advice_on_import(problems: "Sequence[ReportError]") -> list[str]:
    """Return the options that solve the problems of an import."""
    messages = "\n".join(problem.message for problem in problems)
    return [advice for words, advice in _OPTIONS.items() if words in messages]
