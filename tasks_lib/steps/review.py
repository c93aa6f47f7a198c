"""Let a person look at a mapping and change it, in a form of the Prefect UI."""

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

from tasks_lib.domain.conversions import Column
from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.mapping import Plan, split_source
from tasks_lib.domain.mapping_plan import brief_markdown
from tasks_lib.errors import ReviewTimedOutError
from tasks_lib.operations.mapped_seeding import MappedRequest

_POLL_SECONDS: Final = 2
_SKIP: Final = "(skip)"


def review(
    plan: Plan,
    request: MappedRequest,
    replan: Callable[[MappedRequest], Plan],
    *,
    timeout_seconds: float,
) -> tuple[MappedRequest, Plan]:
    """Pause the run until a person has agreed to a mapping; return it, and the plan for it.

    The form has an entry for each field, filled in as planned. An answer that cannot be used is
    explained above the form, which is asked again. Raises ReviewTimedOutError.
    """
    while True:
        form = Form(plan, request.mapping)
        try:
            answer = pause_flow_run(
                wait_for_input=form.model.with_initial_data(description=form.description),
                timeout=int(timeout_seconds),
                poll_interval=_POLL_SECONDS,
            )
        except FlowPauseTimeout:
            _begin_to_cancel()
            raise ReviewTimedOutError(
                f"nobody answered the mapping's form within {timeout_seconds:,.0f} seconds, so "
                "nothing was created; run it again"
            ) from None
        request = form.applied(request, answer.model_dump())
        plan = replan(request)
        if not plan.problems and plan.filled:
            return request, plan


def _begin_to_cancel() -> None:
    """Leave the pause: after its end Prefect lets a run only fail, or be cancelled in two steps."""
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(runtime.flow_run.id, Cancelling())


class Form:
    """The form for a plan: for each field the columns to choose from, and a JSONPath if it helps.

    An entry is called like its field where Python allows that, so that a program can answer it too.
    """

    def __init__(self, plan: Plan, mapping: Mapping[str, str]) -> None:
        self._plan = plan
        self._mapping = mapping
        self._skip = _unlike(_SKIP, [column.name for column in plan.columns])
        self._json = [column for column in plan.columns if column.type is FieldType.JSON]
        self._names = _entry_names([entry.field for entry in plan.fields])

    @property
    def description(self) -> str:
        """What stands above the form: what is wrong, if anything, and the plan with samples."""
        asked = "Choose the column that fills each field, then submit."
        return f"{asked}\n\n{brief_markdown(self._plan)}"

    @property
    def model(self) -> type[RunInput]:
        """The form as Prefect takes it; its own way to fill it in would lose the titles."""
        initial = self.initial
        entries: dict[str, Any] = {}
        for entry, name in zip(self._plan.fields, self._names, strict=True):
            columns = tuple(column.name for column in self._plan.columns)
            entries[name] = (
                Literal[(*columns, self._skip)],
                Setting(
                    default=initial[name], title=entry.field.name, description=_told(entry.field)
                ),
            )
            if self._json:
                entries[f"{name}__path"] = (
                    str,
                    Setting(
                        default=initial[f"{name}__path"],
                        title=f"{entry.field.name}: JSONPath",
                        description=f"Where the column is JSON: {_listed(self._json)}",
                    ),
                )
        return create_model("Mapping", __base__=_MappingInput, **entries)

    @property
    def initial(self) -> dict[str, str]:
        """What the form is filled in with: the plan, or what was said by hand if that is wrong."""
        initial: dict[str, str] = {}
        columns = [column.name for column in self._plan.columns]
        for entry, name in zip(self._plan.fields, self._names, strict=True):
            said = entry.source or self._mapping.get(entry.field.name, "")
            column, path = split_source(said, columns) or (self._skip, None)
            initial[name] = column
            if self._json:
                initial[f"{name}__path"] = path or ""
        return initial

    def applied(self, request: MappedRequest, answer: dict[str, Any]) -> MappedRequest:
        """Return the request with the answer as its mapping, made by hand."""
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
        names.append(field.name if is_usable else _unlike(f"field_{number}", names))
    return names


def _unlike(name: str, others: Sequence[str]) -> str:
    while name in others:
        name = f"{name}_"
    return name


def _told(field: Field) -> str:
    required = "" if field.required else ", optional"
    return f"{field.type}{required}, {field.source} field"


def _listed(columns: Sequence[Column]) -> str:
    return ", ".join(column.name for column in columns)
