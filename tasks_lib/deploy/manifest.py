"""Read prefect.yaml strictly, in a checkout and in the installed package.

Prefect drops unknown keys in silence. This module refuses every key that the project does not use:
add a key here before you use it there.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

import yaml
from prefect.exceptions import MissingFlowError, ParameterTypeError, SignatureMismatchError
from prefect.flows import Flow, load_flow_from_entrypoint
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tasks_lib.errors import RejectedError, UsageError

WORK_POOL: Final = "seeding"
"""The one work pool that every deployment runs on."""

_MANIFEST: Final = "prefect.yaml"
_PACKAGE: Final = Path(__file__).resolve().parents[1]

Name = Annotated[str, Field(min_length=1)]


class ManifestRejectedError(RejectedError):
    """prefect.yaml says something that Prefect would drop, or that no flow would take."""

    code = "manifest_rejected"


class Layout(NamedTuple):
    """The places of the manifest and the flows, which differ between checkout and package."""

    manifest: Path
    flows: str
    """The package of the flow modules."""

    folder: Path | None
    """The folder in which flow runs start; None where they need none."""


def layout(package: Path = _PACKAGE) -> Layout:
    """Return the layout that a ``tasks_lib`` folder is part of.

    The installed package holds prefect.yaml and the flows, so that it brings one top-level name
    only. In a checkout both lie beside ``tasks_lib``.
    """
    if (package / _MANIFEST).exists():
        return Layout(package / _MANIFEST, "tasks_lib.flows", None)
    return Layout(package.parent / _MANIFEST, "flows", package.parent)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WorkPool(_Strict):
    """The work pool of a deployment, and the job variables of its runs."""

    name: Literal["seeding"]
    job_variables: dict[str, Any] = {}


class ConcurrencyLimit(_Strict):
    """The maximum of concurrent runs of a deployment, and the handling of further runs."""

    limit: int = Field(gt=0)
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"]


class Schedule(_Strict):
    """When a deployment runs by itself: a cron line, or an interval in seconds."""

    slug: Name
    cron: str | None = None
    interval: float | None = Field(default=None, gt=0)
    timezone: str | None = None
    active: bool
    parameters: dict[str, Any] = {}

    @model_validator(mode="after")
    def _has_one_rhythm(self) -> Self:
        if (self.cron is None) == (self.interval is None):
            raise ValueError("a schedule has either cron or interval")
        return self


class Deployment(_Strict):
    """One deployment of one flow, both of the same name."""

    name: Name
    entrypoint: Name
    description: Name
    tags: list[str]
    work_pool: WorkPool
    parameters: dict[str, Any] = {}
    concurrency_limit: ConcurrencyLimit | None = None
    schedules: list[Schedule] = []

    @property
    def full_name(self) -> str:
        """The name as Prefect writes it: flow and deployment, which here are the same."""
        return f"{self.name}/{self.name}"


class Definitions(_Strict):
    """YAML anchors that the deployments refer to; Prefect does not look at them."""

    seeding_pool: WorkPool


class Manifest(_Strict):
    """The whole of prefect.yaml."""

    name: Name
    definitions: Definitions
    deployments: list[Deployment] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_no_name_twice(self) -> Self:
        names = [deployment.name for deployment in self.deployments]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"deployed twice: {', '.join(twice)}")
        return self


def read_manifest(path: Path | None = None) -> Manifest:
    """Read a prefect.yaml, by default the one of this checkout or package.

    Raises ManifestRejectedError, which names every mistake.
    """
    path = path or layout().manifest
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Manifest.model_validate(document)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ManifestRejectedError(f"{path} is not YAML: {reason}") from None
    except ValidationError as error:
        mistakes = "; ".join(
            f"{_place(document, detail['loc'])}: {detail['msg'].removeprefix('Value error, ')}"
            for detail in error.errors(include_url=False)
        )
        raise ManifestRejectedError(f"{path} is refused: {mistakes}") from None


def load_flows(manifest: Manifest) -> dict[str, Flow[..., Any]]:
    """Import every deployed flow and return them by name.

    Raises ManifestRejectedError naming each deployment whose flow cannot be imported or is called
    something else, or which has a schedule that the flow's parameters do not allow. An error of a
    flow module's own code comes out as it is.
    """
    flows: dict[str, Flow[..., Any]] = {}
    mistakes: list[str] = []
    for deployment in manifest.deployments:
        try:
            flow = _load(deployment.entrypoint)
        except (ImportError, MissingFlowError) as error:
            mistakes.append(f"{deployment.name}: {deployment.entrypoint} has no flow: {error}")
            continue
        mistakes += _mistakes(deployment, flow)
        flows[deployment.name] = flow
    if mistakes:
        raise ManifestRejectedError(f"the deployments are refused: {'; '.join(mistakes)}")
    return flows


def load_flow(name: str) -> Flow[..., Any]:
    """Import the flow that is deployed under this name."""
    module = name.replace("-", "_")
    return _load(f"flows.{module}.{module}")


def entrypoint_of(deployment: Deployment) -> str:
    """Return a deployment's entrypoint in this layout; prefect.yaml has that of a checkout."""
    return _in_this_layout(deployment.entrypoint)


def _load(entrypoint: str) -> Flow[..., Any]:
    flow: Flow[..., Any] = load_flow_from_entrypoint(
        _in_this_layout(entrypoint), use_placeholder_flow=False
    )
    return flow


def _in_this_layout(entrypoint: str) -> str:
    """Return an entrypoint with the package of the flows as it is called here."""
    package, separator, rest = entrypoint.partition(".")
    return f"{layout().flows}{separator}{rest}" if package == "flows" else entrypoint


def _mistakes(deployment: Deployment, flow: Flow[..., Any]) -> Iterator[str]:
    if flow.name != deployment.name:
        yield f"{deployment.name}: its flow is named {flow.name!r}"
    for schedule in deployment.schedules:
        try:
            flow.validate_parameters(deployment.parameters | schedule.parameters)
        except (ParameterTypeError, SignatureMismatchError) as error:
            reason = " ".join(str(error).split())
            yield f"{deployment.name}, schedule {schedule.slug}: {reason}"


def _place(document: object, location: tuple[int | str, ...]) -> str:
    """Return where a mistake is, its deployment by name instead of by number."""
    match document, location:
        case {"deployments": [*entries]}, ("deployments", int(number), *rest):
            entry = entries[number]
            name = entry.get("name", number) if isinstance(entry, dict) else number
            return ".".join(map(str, ["deployments", name, *rest]))
    return ".".join(map(str, location)) or "the file"
