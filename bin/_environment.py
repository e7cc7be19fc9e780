"""The one `.venv` that bin/demo, bin/test, bin/check and bin/dev share, made and renewed only when needed.

Standard library only: it runs before anything is installed. A stamp in `.venv` says what stands in it, so the
second start costs one small file read and no pip.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "rapport-installed.json"
OLDEST = (3, 11)


def ensure(*extras: str) -> Path:
    """The venv's bin folder, with the project (editable) and at least these extras installed."""
    if not _stands(set(extras)):
        with (ROOT / ".venv.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two commands started together must not both install
            if not _stands(set(extras)):
                _install(set(extras))
    return VENV / "bin"


def _stands(extras: set[str]) -> bool:
    stamp = _stamp()
    return stamp.get("key") == _key() and extras <= set(stamp["extras"]) and PYTHON.exists()


def _stamp() -> dict:
    try:
        return json.loads(STAMP.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _key() -> str:
    """Changes with the dependencies, the interpreter and the checkout's place, which scripts carry."""
    try:
        made_with = (VENV / "pyvenv.cfg").read_bytes()
    except OSError:
        made_with = b""
    return hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + made_with + str(ROOT).encode()).hexdigest()


def _install(extras: set[str]) -> None:
    stamp = _stamp()
    moved = bool(stamp) and stamp["root"] != str(ROOT)
    if moved or not _runs(str(PYTHON), "-c", ""):
        shutil.rmtree(VENV, ignore_errors=True)
        stamp = {}
    wanted = sorted(extras | set(stamp.get("extras", ())))
    target = f"{ROOT}[{','.join(wanted)}]" if wanted else str(ROOT)
    print(
        f"Installing into .venv{' with ' + ', '.join(wanted) if wanted else ''} …",
        file=sys.stderr,
        flush=True,
    )
    began = time.monotonic()
    for command in _commands(target):
        done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    STAMP.write_text(json.dumps({"key": _key(), "extras": wanted, "root": str(ROOT)}), "utf-8")
    print(f"Installed in {time.monotonic() - began:.0f} s.", file=sys.stderr, flush=True)


def _commands(target: str) -> list[list[str]]:
    """What makes `.venv` and installs into it: uv where it is, else venv and pip."""
    make, fill = _with_uv(_python(), target) if _runs("uv", "--version") else _with_pip(_python(), target)
    return [fill] if VENV.exists() else [make, fill]


def _with_uv(python: str, target: str) -> tuple[list[str], list[str]]:
    make = ["uv", "venv", "--quiet", "--python", python, str(VENV)]
    return make, ["uv", "pip", "install", "--quiet", "--python", str(PYTHON), "--editable", target]


def _with_pip(python: str, target: str) -> tuple[list[str], list[str]]:
    install = ["install", "--quiet", "--disable-pip-version-check", "--no-input", "--editable", target]
    in_venv = [str(PYTHON), "-m", "pip"]
    if _runs(*in_venv, "--version") if VENV.exists() else _runs(python, "-c", "import ensurepip"):
        return [python, "-m", "venv", str(VENV)], [*in_venv, *install]
    # Debian's Python may have pip and not what venv copies it from: then its own pip installs for us.
    if _runs(python, "-m", "pip", "--version"):
        make = [python, "-m", "venv", "--without-pip", str(VENV)]
        return make, [python, "-m", "pip", "--python", str(PYTHON), *install]
    raise SystemExit("Python here has neither venv nor pip. Run: apt-get install -y python3-venv")


def _python() -> str:
    if sys.version_info >= OLDEST:
        return sys.executable
    for minor in range(20, OLDEST[1] - 1, -1):
        if found := shutil.which(f"python3.{minor}"):
            return found
    have = ".".join(map(str, sys.version_info[:2]))
    raise SystemExit(f"Rapport needs Python 3.11 or newer; this is {have}. Run: apt-get install -y python3.11-venv")


def _runs(*command: str) -> bool:
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
    except OSError:
        return False


def replace_by(program: Path, *arguments: str) -> None:
    """Become this program, so that signals and the exit code are its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(program, [str(program), *arguments])
