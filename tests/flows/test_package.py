"""The built wheel in an environment of its own, beside a project with flows/ and deployments/."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient

from deployments.repository import ROOT
from tasks_lib import __version__

PATH = "acme/reviews/label-reviews"
SAMPLE = """
from flows.mine import mine
from tasks_lib import __version__
from tasks_lib.domain.report import Report
from tasks_lib.flows.seed_from_csv import seed_from_csv


def seed(source: str) -> str:
    version: str = __version__
    report = Report.model_validate(seed_from_csv(PATH, source))
    return f"{version} {mine()} {report.sentence}"


PATH = "acme/reviews/label-reviews"
"""


class Project(NamedTuple):
    """A user's project, and an environment with the wheel installed."""

    folder: Path
    programs: Path

    def run(self, *command: str, **settings: str) -> str:
        """Run a program of the environment in the project and return its output."""
        kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        done = subprocess.run(
            [self.programs / command[0], *command[1:]],
            cwd=self.folder,
            env=kept
            | {"PATH": os.defpath, "SEEDING_HOME": str(self.folder / "home")}
            | {"PREFECT_HOME": str(self.folder / "prefect"), "PREFECT_LOGGING_LEVEL": "ERROR"}
            | settings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def json(self, *command: str, **settings: str) -> Any:
        return json.loads(self.run(*command, "--json", **settings))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel from its file, with the dependencies of this environment."""
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    install: list[str | Path] = [uv, "pip", "install", "--offline", "--no-deps"]
    subprocess.run([*install, "--python", python, wheel], check=True, capture_output=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    shared = packages / "shared.pth"  # of this environment, without the .pth of its checkout
    shared.write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return environment


@pytest.fixture
def project(environment: Path, tmp_path: Path) -> Project:
    """A project that uses the environment."""
    folder = tmp_path / "project"
    for package in ("flows", "deployments"):
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text("", encoding="utf-8")
    (folder / "flows" / "mine.py").write_text(
        'def mine() -> str:\n    return "mine"\n', encoding="utf-8"
    )
    return Project(folder, environment / "bin")


def test_the_wheel_has_one_top_level_name(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "tasks_lib",
        f"task_seeding-{__version__}.dist-info",
    }
    assert {"tasks_lib/py.typed", "tasks_lib/prefect.yaml"} <= set(names)
    flows = {path.name for path in (ROOT / "flows").glob("*.py")}
    assert {Path(name).name for name in names if name.startswith("tasks_lib/flows/")} == flows
    examples = {path.name for path in (ROOT / "examples").iterdir() if path.is_file()}
    assert {Path(name).name for name in names if name.startswith("tasks_lib/examples/")} == examples


def test_the_command_works_beside_a_project_with_flows_and_deployments(
    project: Project, prefect: httpx.Client, prefect_api: str
) -> None:
    assert project.run("seeding", "--version") == f"{__version__}\n"
    assert project.run("seeding", "-V") == f"{__version__}\n"
    assert project.run("seeding", "examples") == "14 example files in the folder examples.\n"
    project.run("seeding", "apply", "examples/catalogue.yaml")
    source = "examples/reviews.csv"
    report = project.json("seeding", "seed", "csv", PATH, source)
    assert (report["created"], report["rejected"], report["already_seeded"]) == (4, 0, 0)
    server = {"PREFECT_API_URL": prefect_api}
    again = project.json("seeding", "seed", "csv", PATH, source, **server)
    assert (again["created"], again["rejected"], again["already_seeded"]) == (0, 0, 4)


def test_deploy_registers_the_flows_of_the_package(
    project: Project, server: SyncPrefectClient, prefect_api: str
) -> None:
    for outcome in ("created", "unchanged"):
        document = project.json("seeding", "deploy", PREFECT_API_URL=prefect_api)
        outcomes = {entry["deployment"]: entry["outcome"] for entry in document["deployments"]}
        assert outcomes == dict.fromkeys(outcomes, outcome)
    deployments = server.read_deployments()
    modules = {deployment.name: deployment.name.replace("-", "_") for deployment in deployments}
    assert (len(modules), modules.keys()) == (10, outcomes.keys())
    assert {
        deployment.name: (deployment.entrypoint, deployment.path, deployment.pull_steps)
        for deployment in deployments
    } == {
        name: (f"tasks_lib.flows.{module}.{module}", None, []) for name, module in modules.items()
    }


def test_strict_mypy_accepts_code_that_uses_the_package(project: Project) -> None:
    (project.folder / "sample.py").write_text(SAMPLE, encoding="utf-8")
    output = project.run("python", "-m", "mypy", "--strict", "sample.py")
    assert output == "Success: no issues found in 1 source file\n"
