"""The files around the code: locks, CI workflow, pre-commit hooks and package metadata agree."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from trove_classifiers import classifiers

from tasks_lib import __version__

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
PYTHON = "Programming Language :: Python :: 3."


def lock(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.lock").read_text(encoding="utf-8")


def pins(text: str) -> set[str]:
    """Return each ``name==version``; a package has several where Python versions differ."""
    return set(re.findall(r"^[a-z0-9-]+==[^ ;]+", text, re.MULTILINE))


def supported_pythons() -> list[str]:
    named: list[str] = PROJECT["project"]["classifiers"]
    return [f"3.{name.removeprefix(PYTHON)}" for name in named if name.startswith(PYTHON)]


def test_the_changelog_begins_with_this_version_and_dates_it_once_it_is_released() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version, date = re.findall(r"^## ([0-9.]+) - (\S+)$", changelog, re.MULTILINE)[0]
    assert __version__ == (f"{version}.dev0" if date == "unreleased" else version)


def test_the_package_index_knows_every_classifier() -> None:
    assert [name for name in PROJECT["project"]["classifiers"] if name not in classifiers] == []


def test_ci_runs_what_the_readme_names_on_every_supported_python() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["test"]
    assert job["strategy"]["matrix"] == {"python": supported_pythons()}
    assert job["steps"][-1] == {"run": ".ci/run"}
    commands = re.findall(r"^make .+", (ROOT / ".ci/run").read_text(encoding="utf-8"), re.MULTILINE)
    assert commands == ["make check", "make test"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert " and ".join(f"`{command}`" for command in commands) in " ".join(readme.split())


@pytest.mark.parametrize("path", LOCKS, ids=[path.stem for path in LOCKS])
def test_a_lock_names_no_host_and_hashes_every_package(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "://" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("name", ["bootstrap", "runtime", "dev"])
def test_the_locks_agree_on_versions(name: str) -> None:
    assert pins(lock(name)) - pins(lock("benchmarks")) == set()


def test_our_dependencies_have_one_major_version_on_every_python() -> None:
    ours = {re.split("[^a-z0-9-]", named)[0] for named in PROJECT["project"]["dependencies"]}
    majors: dict[str, set[str]] = {name: set() for name in ours}
    for name, major in re.findall(r"^([a-z0-9-]+)==(\d+)", lock("runtime"), re.MULTILINE):
        majors.get(name, set()).add(major)
    assert {name for name, found in majors.items() if len(found) != 1} == set()


def test_pre_commit_runs_the_tools_of_make_check() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    assert [hook["entry"].split(" --")[0] for hook in hooks] == [
        ".venv/bin/ruff check",
        ".venv/bin/ruff format",
        ".venv/bin/mypy",
    ]
    program = Path(sys.executable).with_name("pre-commit")
    command = [str(program), "validate-config", ".pre-commit-config.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
