"""The deployments and their flows, with the parameters that Prefect's run form shows."""

import inspect
from collections.abc import Iterator
from typing import Any, Final

from prefect.flows import Flow

from reference_pages.markdown import Schema, bounds_of, code, entry, type_of, with_settings
from tasks_lib.deploy.manifest import Deployment, load_flows, read_manifest

_EMPTY: Final[tuple[object, ...]] = (None, "", [], {}, False)


def deployments() -> str:
    """Return a section for each deployment with its parameters and schedules."""
    return "\n\n".join(_deployment(deployment, flow) for deployment, flow in _deployed())


def flow_functions() -> str:
    """Return the signature of each flow that is a function, and its docstring."""
    return "\n\n".join(_function(flow) for _, flow in _deployed())


def _deployed() -> Iterator[tuple[Deployment, Flow[..., Any]]]:
    manifest = read_manifest()
    flows = load_flows(manifest)
    for deployment in manifest.deployments:
        yield deployment, flows[deployment.name]


def _deployment(deployment: Deployment, flow: Flow[..., Any]) -> str:
    schema = flow.parameters.model_dump()
    required = set(schema.get("required", ()))
    members = sorted(schema["properties"].items(), key=_position)
    entries = [
        entry(name, _notes(member, is_required=name in required), _meaning(member))
        for name, member in members
    ]
    parts = [f"## {code(deployment.name)}", deployment.description, "\n".join(entries)]
    parts += [
        f"Schedule `{schedule.slug}`: {code(schedule.cron or f'every {schedule.interval} s')}"
        f"{'' if schedule.active else ', switched off'}."
        for schedule in deployment.schedules
    ]
    return "\n\n".join(parts)


def _function(flow: Flow[..., Any]) -> str:
    parameters = [
        name if parameter.default is parameter.empty else f"{name}={_spelled(parameter.default)}"
        for name, parameter in inspect.signature(flow.fn).parameters.items()
    ]
    function = inspect.unwrap(flow.fn)
    # The wheel has the flows inside of tasks_lib, so that they stand beside a project's own.
    signature = f"tasks_lib.{function.__module__}.{function.__name__}({', '.join(parameters)})"
    return f"```{{py:function}} {signature}\n\n{inspect.getdoc(function)}\n```"


def _position(entry: tuple[str, Schema]) -> int:
    position: int = entry[1].get("position", 0)
    return position


def _notes(member: Schema, *, is_required: bool) -> Iterator[str]:
    yield type_of(member)
    yield bounds_of(member)
    if is_required:
        yield "required"
    elif member.get("default") not in _EMPTY:
        yield f"default {code(member['default'])}"


def _meaning(member: Schema) -> str:
    return with_settings(member["description"])


def _spelled(default: object) -> str:
    return repr(getattr(default, "value", default))
