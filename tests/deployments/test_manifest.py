"""prefect.yaml: what it declares, and what the strict reading refuses."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.cli.deploy import _models as prefect_models
from pydantic import BaseModel

from deployments import manifest
from deployments.manifest import ROOT, ManifestRejectedError, load_flows, read_manifest
from tasks_lib.errors import UsageError


@pytest.fixture
def document() -> dict[str, Any]:
    """The manifest as it is, to be spoilt."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "prefect.yaml"


def write(path: Path, document: object) -> Path:
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def test_every_definition_is_as_reviewed() -> None:
    deployments = read_manifest().deployments
    assert [deployment.model_dump(exclude_defaults=True) for deployment in deployments] == [
        {
            "name": "seed-from-csv",
            "entrypoint": "flows.seed_from_csv.seed_from_csv",
            "description": "Each row of a CSV file becomes a task of the pipeline.",
            "tags": ["seeding"],
            "work_pool": {"name": "seeding"},
            "schedules": [
                {
                    "slug": "nightly-example",
                    "cron": "0 3 * * *",
                    "timezone": "UTC",
                    "active": False,
                    "parameters": {
                        "pipeline": "acme/reviews/label-reviews",
                        "source": "s3://inbox/reviews.csv",
                        "on_error": "skip-rows",
                    },
                }
            ],
        },
        {
            "name": "seed-from-zip",
            "entrypoint": "flows.seed_from_zip.seed_from_zip",
            "description": "Each row of a ZIP's CSV becomes a task of the pipeline, with the files "
            "it names.",
            "tags": ["seeding"],
            "work_pool": {"name": "seeding"},
        },
        {
            "name": "seed-from-dataset",
            "entrypoint": "flows.seed_from_dataset.seed_from_dataset",
            "description": "Each row of a dataset becomes a task of the pipeline, once.",
            "tags": ["seeding"],
            "work_pool": {"name": "seeding"},
        },
        {
            "name": "seed-from-pipeline",
            "entrypoint": "flows.seed_from_pipeline.seed_from_pipeline",
            "description": "Each finished task of a pipeline becomes a task of another one, once.",
            "tags": ["seeding"],
            "work_pool": {"name": "seeding"},
        },
        {
            "name": "bulk-create",
            "entrypoint": "flows.bulk_create.bulk_create",
            "description": "A pipeline without dataset fields gets blank tasks, as many as are "
            "asked for.",
            "tags": ["seeding"],
            "work_pool": {"name": "seeding"},
        },
        {
            "name": "infinite-seeding",
            "entrypoint": "flows.infinite_seeding.infinite_seeding",
            "description": "As contributors claim tasks, new ones are made, so that some are "
            "available.",
            "tags": ["seeding"],
            "work_pool": {"name": "seeding"},
        },
        {
            "name": "seed-chain",
            "entrypoint": "flows.seed_chain.seed_chain",
            "description": "Finished tasks become tasks of the pipelines chained to theirs, each "
            "once.",
            "tags": ["seeding"],
            "work_pool": {"name": "seeding"},
            "concurrency_limit": {"limit": 3, "collision_strategy": "CANCEL_NEW"},
        },
        {
            "name": "reconcile",
            "entrypoint": "flows.reconcile.reconcile",
            "description": "Releases expired claims, fires chains, announces what Prefect has not "
            "heard of, cleans up files.",
            "tags": ["seeding", "upkeep"],
            "work_pool": {"name": "seeding"},
            "concurrency_limit": {"limit": 2, "collision_strategy": "CANCEL_NEW"},
            "schedules": [
                {
                    "slug": "every-minute",
                    "cron": "* * * * *",
                    "timezone": "UTC",
                    "active": True,
                    "parameters": {"clean_up": False},
                },
                {"slug": "hourly", "cron": "17 * * * *", "timezone": "UTC", "active": True},
            ],
        },
    ]


NAMES = (
    "seed-from-csv",
    "seed-from-zip",
    "seed-from-dataset",
    "seed-from-pipeline",
    "bulk-create",
    "infinite-seeding",
    "seed-chain",
    "reconcile",
)


def test_every_flow_loads_under_the_name_of_its_deployment() -> None:
    flows = load_flows(read_manifest())
    assert {name: flow.name for name, flow in flows.items()} == {name: name for name in NAMES}


@pytest.mark.parametrize(
    ("ours", "prefects"),
    [
        (manifest.Deployment, prefect_models.DeploymentConfig),
        (manifest.WorkPool, prefect_models.WorkPoolConfig),
        (manifest.Schedule, prefect_models.RawScheduleConfig),
        (manifest.ConcurrencyLimit, prefect_models.ConcurrencyLimitSpec),
    ],
)
def test_prefect_knows_every_key_that_we_allow(
    ours: type[BaseModel], prefects: type[BaseModel]
) -> None:
    assert ours.model_fields.keys() - prefects.model_fields.keys() == set()


def test_an_unknown_key_is_refused_where_prefect_would_drop_it(
    document: dict[str, Any], path: Path
) -> None:
    document["deployments"][0]["triggres"] = []
    document["deployments"][0]["schedules"][0]["activ"] = True
    with pytest.raises(ManifestRejectedError) as caught:
        read_manifest(write(path, document))
    assert str(caught.value) == (
        f"{path} is refused: "
        "deployments.seed-from-csv.schedules.0.activ: Extra inputs are not permitted; "
        "deployments.seed-from-csv.triggres: Extra inputs are not permitted"
    )


def test_another_work_pool_is_refused(document: dict[str, Any], path: Path) -> None:
    document["deployments"][0]["work_pool"] = {"name": "default"}
    with pytest.raises(ManifestRejectedError) as caught:
        read_manifest(write(path, document))
    assert str(caught.value) == (
        f"{path} is refused: deployments.seed-from-csv.work_pool.name: Input should be 'seeding'"
    )


def test_a_schedule_has_one_rhythm(document: dict[str, Any], path: Path) -> None:
    document["deployments"][0]["schedules"][0]["interval"] = 60
    with pytest.raises(ManifestRejectedError, match="a schedule has either cron or interval"):
        read_manifest(write(path, document))


def test_a_name_stands_once(document: dict[str, Any], path: Path) -> None:
    document["deployments"].append(document["deployments"][0])
    with pytest.raises(ManifestRejectedError, match=r"the file: deployed twice: seed-from-csv$"):
        read_manifest(write(path, document))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name: [", "is not YAML: "),
        ("[]", "is refused: the file: Input should be a valid dictionary"),
        ("deployments: [1]", "is refused: name: Field required; "),
    ],
    ids=["no YAML", "no mapping", "a number for a deployment"],
)
def test_what_is_no_manifest_is_refused_with_the_reason(path: Path, text: str, reason: str) -> None:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ManifestRejectedError) as caught:
        read_manifest(path)
    assert str(caught.value).startswith(f"{path} {reason}")


def test_a_manifest_that_is_not_there_is_told_of(path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_manifest(path)
    assert str(caught.value) == f"{path} cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        (
            {"pipeline": "a/b/c", "source": "x.csv", "on_error": "ignore"},
            "Flow run received invalid parameters: "
            "- on_error: Input should be 'reject-file' or 'skip-rows'",
        ),
        (
            {"pipeline": "a/b/c"},
            "Flow run received invalid parameters: - source: Field required",
        ),
        (
            {"pipeline": "a/b/c", "sauce": "x.csv"},
            "Function expects parameters ['pipeline', 'source', 'on_error', 'dry_run', "
            "'allow_duplicate', 'encoding', 'delimiter', 'upload'] but was provided with "
            "parameters ['pipeline', 'sauce']",
        ),
    ],
    ids=["wrong value", "missing", "unknown"],
)
def test_a_schedule_that_the_flow_would_not_take_is_refused(
    document: dict[str, Any], path: Path, parameters: dict[str, str], reason: str
) -> None:
    document["deployments"][0]["schedules"][0]["parameters"] = parameters
    with pytest.raises(ManifestRejectedError) as caught:
        load_flows(read_manifest(write(path, document)))
    assert str(caught.value) == (
        f"the deployments are refused: seed-from-csv, schedule nightly-example: {reason}"
    )


@pytest.mark.parametrize(
    ("entrypoint", "reason"),
    [
        ("flows.no_such.flow", "flows.no_such.flow has no flow: No module named 'flows.no_such'"),
        (
            "flows.seed_from_csv.seed",
            "flows.seed_from_csv.seed has no flow: "
            "Flow function with name 'seed' not found in 'flows.seed_from_csv'. ",
        ),
        (
            "flows.seed_from_csv.run_name",
            "flows.seed_from_csv.run_name has no flow: Function with name 'run_name' is not a "
            "flow. Make sure that it is decorated with '@flow'.",
        ),
    ],
    ids=["no module", "no function", "no flow"],
)
def test_an_entrypoint_without_a_flow_is_refused(
    document: dict[str, Any], path: Path, entrypoint: str, reason: str
) -> None:
    document["deployments"][0]["entrypoint"] = entrypoint
    with pytest.raises(ManifestRejectedError) as caught:
        load_flows(read_manifest(write(path, document)))
    assert str(caught.value) == f"the deployments are refused: seed-from-csv: {reason}"


def test_a_deployment_is_named_like_its_flow(document: dict[str, Any], path: Path) -> None:
    document["deployments"][0]["name"] = "seed-csv"
    with pytest.raises(ManifestRejectedError) as caught:
        load_flows(read_manifest(write(path, document)))
    assert str(caught.value) == (
        "the deployments are refused: seed-csv: its flow is named 'seed-from-csv'"
    )
