"""The bodies of requests. Their members, and which of them may be left out, are read from here.

A member that may be left out may also be null, which means the same.
"""

from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from tasks_lib.domain.chains import Trigger
from tasks_lib.domain.fields import MAX_NAME_LENGTH
from tasks_lib.domain.naming import LABEL_KEY, MAX_LABELS, MAX_VALUE_LENGTH
from tasks_lib.domain.rows.dialects import Quote
from tasks_lib.domain.rows.tolerance import MAX_REJECTED
from tasks_lib.domain.statuses import OnError
from tasks_lib.intake.api_tasks.json_lists import MAX_TASKS
from tasks_lib.operations.infinite.manage import MAX_COPIED_GROUPS, MAX_KEPT_AVAILABLE
from tasks_lib.operations.tasks.move import MAX_REASON_LENGTH
from tasks_lib.operations.uploads.receive import MAX_NAME_LENGTH as MAX_FILE_NAME_LENGTH

_CLOSED: Final = ConfigDict(extra="forbid")
_MAX_NUMBER: Final = 10**15

Contributor = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_NAME_LENGTH,
        description="The contributor's name, such as an address; it must not begin or end with "
        "white space or contain invisible characters",
    ),
]
Number = Annotated[int, Field(ge=1, le=_MAX_NUMBER)]


@with_config(_CLOSED)
class NewTask(TypedDict):
    """A task to create."""

    fields: Annotated[
        dict[str, Any],
        Field(
            description="Values of the workflow's dataset fields. A string is read like a cell of "
            "a CSV; a number keeps its digits; an optional field may be omitted."
        ),
    ]


@with_config(_CLOSED)
class NewTasks(TypedDict):
    """Tasks to create, all of them or none."""

    tasks: Annotated[list[NewTask], Field(min_length=1, max_length=MAX_TASKS)]


GroupName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_NAME_LENGTH,
        description="A name for the group; no invisible characters, no white space at its ends",
    ),
]
GroupLabels = Annotated[
    dict[str, Annotated[str, Field(min_length=1, max_length=MAX_VALUE_LENGTH)]],
    Field(
        max_length=MAX_LABELS,
        description="Labels of the group, which events about it carry",
        json_schema_extra={"propertyNames": {"pattern": f"^{LABEL_KEY}$"}},
    ),
]


@with_config(_CLOSED)
class NewBlankTasks(TypedDict):
    """How many blank tasks to create, and how to name their group."""

    count: Annotated[int, Field(ge=1)]
    name: NotRequired[GroupName | None]
    labels: NotRequired[GroupLabels | None]


@with_config(_CLOSED)
class NewClaim(TypedDict):
    """The contributor who claims a task."""

    contributor: Contributor


@with_config(_CLOSED)
class NewSubmission(TypedDict):
    """The contributor who submits a task, and the values that they have filled in."""

    contributor: Contributor
    fields: Annotated[
        dict[str, Any],
        Field(description="Values of the input fields. Dataset fields are read-only."),
    ]


@with_config(_CLOSED)
class NewRelease(TypedDict):
    """The contributor who releases a task."""

    contributor: NotRequired[Contributor | None]


@with_config(_CLOSED)
class NewStatus(TypedDict):
    """The status to set, by whom and why."""

    status: Literal["failed", "escalated", "quarantined", "withdrawn", "pending"]
    reason: NotRequired[Annotated[str, Field(max_length=MAX_REASON_LENGTH)] | None]
    contributor: NotRequired[Contributor | None]


@with_config(_CLOSED)
class NewUpload(TypedDict):
    """The file to upload, and how to seed from it."""

    file_name: NotRequired[
        Annotated[
            str, Field(min_length=1, max_length=MAX_FILE_NAME_LENGTH, pattern=r"^[^\u0000]*$")
        ]
        | None
    ]
    size: NotRequired[Annotated[int, Field(ge=0, description="In bytes, if known")] | None]
    on_error: NotRequired[
        Annotated[OnError, Field(description="If a row is bad: reject-file (default) or skip-rows")]
        | None
    ]
    max_rejected: NotRequired[
        Annotated[
            str,
            Field(
                pattern=MAX_REJECTED,
                description="With skip-rows, the most rows to skip, such as 10 or 5%",
            ),
        ]
        | None
    ]
    delimiter: NotRequired[
        Annotated[
            str,
            Field(
                pattern=r"^(tab|[\t !#-~])$",
                description="What separates the columns: one character, or the word tab",
            ),
        ]
        | None
    ]
    encoding: NotRequired[
        Annotated[str, Field(description="The encoding of the CSV, such as cp1252; UTF-8 if empty")]
        | None
    ]
    quote: NotRequired[
        Annotated[Quote, Field(description="Whether cells are quoted; double if omitted")] | None
    ]
    names_encoding: NotRequired[
        Annotated[str, Field(description="The encoding of names in a ZIP that do not say theirs")]
        | None
    ]
    csv_name: NotRequired[
        Annotated[str, Field(description="The CSV in a ZIP that holds several")] | None
    ]
    dry_run: NotRequired[
        Annotated[bool, Field(description="Whether to check everything and create nothing")] | None
    ]
    allow_duplicate: NotRequired[
        Annotated[bool, Field(description="Whether content that was seeded before is seeded again")]
        | None
    ]
    full: NotRequired[
        Annotated[
            bool,
            Field(description="Whether the file has all rows of its source: see `on_missing`"),
        ]
        | None
    ]
    allow_shrink: NotRequired[
        Annotated[
            bool, Field(description="Whether more than half of the source's tasks may be withdrawn")
        ]
        | None
    ]
    name: NotRequired[GroupName | None]
    labels: NotRequired[GroupLabels | None]


@with_config(_CLOSED)
class InfiniteSettings(TypedDict):
    """The settings of infinite seeding."""

    target: NotRequired[
        Annotated[Number, Field(description="The maximum number of tasks in the workflow")] | None
    ]
    keep_available: NotRequired[
        Annotated[
            int,
            Field(
                ge=1,
                le=MAX_KEPT_AVAILABLE,
                description="The number of tasks to keep available; 1 if omitted",
            ),
        ]
        | None
    ]
    copy_groups: NotRequired[
        Annotated[
            list[Number],
            Field(
                max_length=MAX_COPIED_GROUPS,
                json_schema_extra={"uniqueItems": True},
                description="Groups of the workflow from whose tasks values are copied, in turn",
            ),
        ]
        | None
    ]


_Mapping = Annotated[
    dict[str, Annotated[str, Field(min_length=1)]],
    Field(description="Fields of the target, each with the column or column:jsonpath to use"),
]
_Skip = Annotated[list[str], Field(description="Fields of the target to leave empty on purpose")]


@with_config(_CLOSED)
class NewChain(TypedDict):
    """A chain to create."""

    target: Annotated[Number, Field(description="The workflow in which to create tasks")]
    source: Annotated[Number, Field(description="The workflow whose finished tasks to use")]
    on: Trigger
    mapping: NotRequired[_Mapping | None]
    skip: NotRequired[_Skip | None]
    include_existing: NotRequired[
        Annotated[
            bool,
            Field(description="Whether to seed tasks that were finished before; false if omitted"),
        ]
        | None
    ]


@with_config(_CLOSED)
class ChainChanges(TypedDict):
    """The changes of a chain; omitted members stay as they are."""

    on: NotRequired[Trigger | None]
    mapping: NotRequired[_Mapping | None]
    skip: NotRequired[_Skip | None]
