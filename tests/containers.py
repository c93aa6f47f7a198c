"""Image and compose file without containers: their steps, commands and settings, on this machine.

A virtual environment, made by the Dockerfile's own steps, replaces the image. uv installs what pip
would, in seconds instead of a minute, since its cache has the packages of the tests' environment.
In settings and commands, addresses on this machine replace the names of other containers.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deployments.child_process import ChildProcess, child_process
from deployments.repository import ROOT

MACHINE_VARIABLES = ("HOME", "LANG", "UV_", "SSL_", "http", "HTTP", "no_proxy", "NO_PROXY")
"""Prefixes of the variables that programs inherit, such as package sources and proxies."""


@dataclass(frozen=True)
class Image:
    """The result of the Dockerfile: a folder with the copied files, and an environment."""

    folder: Path

    @property
    def programs(self) -> Path:
        return self.folder / ".venv" / "bin"

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a program: its settings, and the machine's variables."""
        inherited = {
            name: value for name, value in os.environ.items() if name.startswith(MACHINE_VARIABLES)
        }
        return inherited | {"PATH": f"{self.programs}:{os.defpath}"} | dict(settings)

    def run(self, command: str, settings: Mapping[str, str] = {}) -> str:
        """Run a shell command to its end and return its output."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment(settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout


def build_image(folder: Path) -> Image:
    """Run the steps of the Dockerfile that need no container in a folder."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    image = Image(folder)
    installer = Path(sys.executable).with_name("uv")
    settings = {"VIRTUAL_ENV": str(folder / ".venv")} | _index()
    for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines():
        instruction, _, rest = line.partition(" ")
        if instruction == "COPY":
            *sources, target = rest.split()
            for source in sources:
                _copy(source, folder / target)
        elif instruction == "RUN" and rest.startswith("pip "):
            image.run(f"{installer} {rest.replace(' --no-cache-dir', '')}", settings)
    return image


def _index() -> dict[str, str]:
    """Return the setting that names the package index to uv, which does not read pip's."""
    if "UV_DEFAULT_INDEX" in os.environ:
        return {}
    pip = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    configured = subprocess.run(pip, capture_output=True, text=True, check=False).stdout.strip()
    index = os.environ.get("PIP_INDEX_URL") or configured
    return {"UV_DEFAULT_INDEX": index} if index else {}


def _copy(source: str, target: Path) -> None:
    """Copy a file into a folder, or with ``.`` all files that .dockerignore lets through."""
    target.mkdir(exist_ok=True, parents=True)
    if source != ".":
        shutil.copy(ROOT / source, target)
        return
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    included = [line.removeprefix("!") for line in lines if line.startswith("!")]
    others = [line for line in lines if not line.startswith("!")]
    assert others == ["*", "**/__pycache__"], "this function supports no other patterns"
    for name in included:
        if (ROOT / name).is_dir():
            pycache = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, target / name, ignore=pycache, dirs_exist_ok=True)
        else:
            (target / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, target / name)


@dataclass(frozen=True)
class Composition:
    """The compose file's services, as they run on this machine."""

    image: Image
    addresses: Mapping[str, str]
    """Addresses in the compose file, and their replacements on this machine."""
    logs: Path
    document: dict[str, Any] = field(
        default_factory=lambda: yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    )

    started: set[str] = field(default_factory=set)
    """Services that have started or completed."""

    def settings(self, service: str) -> dict[str, str]:
        """Return the environment of a service."""
        definition = self.document["services"][service]["environment"]
        return {name: self._localize(value) for name, value in definition.items()}

    def run(self, service: str) -> str:
        """Run a service to its end and return its output."""
        command = self._command(service)
        output = self.image.run(command, self.settings(service))
        self.started.add(service)
        return output

    @contextmanager
    def start(self, service: str, name: str = "") -> Iterator[ChildProcess]:
        """Run a service for the duration of a block."""
        first, *rest = shlex.split(self._command(service))
        with child_process(
            name or service,
            [str(self.image.programs / first), *rest],
            environment=self.image.environment(self.settings(service)),
            log_folder=self.logs,
            cwd=self.image.folder,
        ) as process:
            self.started.add(service)
            yield process

    def execute(self, service: str, command: str) -> str:
        """Run a command in the environment of a service, as ``docker compose exec`` does."""
        assert service in self.started
        return self.image.run(command, self.settings(service))

    def _command(self, service: str) -> str:
        definition = self.document["services"][service]
        assert set(definition.get("depends_on", {})) <= self.started, (
            f"{service} depends on a service that has not started"
        )
        return self._localize(definition["command"])

    def _localize(self, text: str) -> str:
        for address, replacement in self.addresses.items():
            text = text.replace(address, replacement)
        return text
