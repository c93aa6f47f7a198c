"""Let a person check and change a mapping, in a form of the Prefect UI."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.states import Cancelling
from pydantic import ConfigDict, Field as Setting, create_model

from tasks_lib.domain.fields import Field, FieldSource, FieldType
from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.mapping.plans import Plan, split_source
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import ReviewTimedOutError
from tasks_lib.operations.seeding.mapped_seeding import MappedRequest
from tasks_lib.steps.mapping_markdown import brief_markdown, describe_changes, describe_field

_POLL_SECONDS: Final = 2
_SKIP: Final = "(skip)"
_PARAGRAPH: Final = "\n\n"


def review_plan(
    plan: Plan,
    request: MappedRequest,
    replan: Callable[[MappedRequest], Plan],
    *,
    timeout_seconds: float,
) -> tuple[MappedRequest, Plan]:
    """Pause the run until a person has agreed to a mapping; return the request and plan with it.

    The form has an entry for each field, filled in as planned. An answer that cannot be used, that
    changes the plan, or with which rows of the sample fail, is explained above the form, which is
    shown again. Rows may fail if the person submits the form unchanged after that. Raises
    ReviewTimedOutError.
    """
    notes = ""
    while True:
        form = Form(plan, request.mapping, notes)
        try:
            answer = pause_flow_run(
                wait_for_input=form.model.with_initial_data(description=form.description),
                timeout=int(timeout_seconds),
                poll_interval=_POLL_SECONDS,
            )
        except FlowPauseTimeout:
            _start_to_cancel()
            raise ReviewTimedOutError(
                f"nobody answered the mapping's form within {timeout_seconds:,.0f} seconds, so "
                "nothing was created; run it again"
            ) from None
        shown, was_explained = plan, bool(notes)
        request = form.apply(request, answer.model_dump())
        plan = replan(request)
        is_agreed = plan.mapping == shown.mapping and (was_explained or not plan.failing)
        if is_agreed and not plan.obstacles:
            return request, plan
        notes = _explain(shown, plan, request.on_error)


def _explain(shown: Plan, plan: Plan, on_error: OnError) -> str:
    """Return why the form is shown again after an answer."""
    if plan.obstacles:
        return "**This mapping cannot be used.** Correct it, then submit."
    parts = []
    if plan.failing:
        outcome = {
            OnError.REJECT_FILE: "so that nothing would be created",
            OnError.SKIP_ROWS: "and only the other rows would be created",
        }[on_error]
        parts.append(
            f"**Rows of the sample fail with this mapping**, {outcome}. Correct it, or submit it "
            "unchanged to seed all the same."
        )
    changes = describe_changes(shown, plan)
    if changes:
        hint = "" if parts else " Check the new values, then submit again."
        parts.append(f"**You changed the mapping.**{hint}\n\n{changes}")
    return "\n\n".join(parts)


def _start_to_cancel() -> None:
    """Leave the pause: afterwards Prefect lets a run only fail, or be cancelled in two steps."""
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(runtime.flow_run.id, Cancelling())


class Form:
    """The form for a plan: for each field a choice of columns, and a JSONPath if columns are JSON.

    An entry has the name of its field where Python allows that, so that a program can answer too.
    """

    def __init__(self, plan: Plan, mapping: Mapping[str, str], notes: str = "") -> None:
        self._plan = plan
        self._mapping = mapping
        self._notes = notes
        self._skip = _make_unique(_SKIP, [column.name for column in plan.columns])
        self._json = [column for column in plan.columns if column.type is FieldType.JSON]
        self._names = _entry_names([entry.field for entry in plan.fields])

    @property
    def description(self) -> str:
        """The text above the form: the reaction to the last answer, and the columns."""
        instruction = self._notes or "Choose the column that fills each field, then submit."
        return f"{instruction}\n\n{brief_markdown(self._plan)}"

    @property
    def _lead(self) -> str:
        """The first paragraph of the notes, for the first entry.

        The first of Prefect's UIs has no place for the text above a form that is longer than a
        window, so each entry also describes itself.
        """
        lead = self._notes.partition(_PARAGRAPH)[0].replace("**", "")  # the second UI shows marks
        return f"{lead}{_PARAGRAPH}" if lead else ""

    @property
    def model(self) -> type[RunInput]:
        """The form's model with its initial values; Prefect's own way to set them loses titles."""
        initial = self.initial
        columns = (*(column.name for column in self._plan.columns), self._skip)
        entries: dict[str, Any] = {}
        for entry, name in zip(self._plan.fields, self._names, strict=True):
            about = describe_field(entry, self._plan.problems)
            if not entries:
                about = f"{self._lead}{about}"
            entries[name] = (Literal[columns], _entry(entry.field, initial.get(name), about))
            if self._json:
                entries[f"{name}__path"] = (
                    str,
                    Setting(
                        default=initial[f"{name}__path"],
                        title=f"{entry.field.name}: JSONPath",
                        description=f"Where the column is JSON: {_list_names(self._json)}",
                    ),
                )
        return create_model("Mapping", __base__=_MappingInput, **entries)

    @property
    def initial(self) -> dict[str, str]:
        """The form's initial values: the plan, or the request's own mapping where that is wrong.

        A field that needs a column, and for which none is planned, has none.
        """
        initial: dict[str, str] = {}
        columns = [column.name for column in self._plan.columns]
        for entry, name in zip(self._plan.fields, self._names, strict=True):
            source = entry.source or self._mapping.get(entry.field.name, "")
            column, path = split_source(source, columns) or (None, None)
            if column is not None or not _needs_column(entry.field):
                initial[name] = column or self._skip
            if self._json:
                initial[f"{name}__path"] = path or ""
        return initial

    def apply(self, request: MappedRequest, answer: dict[str, Any]) -> MappedRequest:
        """Return the request with the answer as its explicit mapping."""
        mapping: dict[str, str] = {}
        skip: list[str] = []
        for entry, name in zip(self._plan.fields, self._names, strict=True):
            column, path = answer[name], answer.get(f"{name}__path", "").strip()
            if column == self._skip:
                skip.append(entry.field.name)
            else:
                mapping[entry.field.name] = f"{column}:{path}" if path else column
        return replace(request, mapping=mapping, skip=tuple(skip), mapping_name="")


class _MappingInput(RunInput):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


def _entry_names(fields: Sequence[Field]) -> list[str]:
    names: list[str] = []
    for number, field in enumerate(fields, start=1):
        is_usable = (
            field.name.isidentifier()
            and not field.name.startswith("_")
            and "__" not in field.name
            and not hasattr(RunInput, field.name)
        )
        names.append(field.name if is_usable else _make_unique(f"field_{number}", names))
    return names


def _make_unique(name: str, others: Sequence[str]) -> str:
    while name in others:
        name = f"{name}_"
    return name


def _entry(field: Field, initial: str | None, description: str) -> Any:
    """Return the settings of a field's entry; one that needs a column is required in the form.

    A default of the model would make the entry optional, so the initial value is in the schema.
    """
    if not _needs_column(field):
        return Setting(default=initial, title=field.name, description=description)
    preset: dict[str, Any] = {} if initial is None else {"default": initial}
    return Setting(title=field.name, description=description, json_schema_extra=preset)


def _needs_column(field: Field) -> bool:
    return field.required and field.source is FieldSource.DATASET


def _list_names(columns: Sequence[Column]) -> str:
    return ", ".join(column.name for column in columns)
