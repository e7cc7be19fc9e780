"""The pinned copies of other people's files: whether they are what VENDOR.toml says, and how to renew them.

`python -m tests.vendored` verifies; with `--fetch` it packs every pinned npm package anew, copies the files
the table names and writes their hashes. To add a file, add its line with an empty hash and fetch.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
TABLES = (ROOT / "static" / "vendor" / "VENDOR.toml", ROOT / "tests" / "vendor" / "VENDOR.toml")
WANTED = ("npm", "version", "licence", "folder", "files")


def problems(table: Path) -> list[str]:
    """What is wrong with the copies beside this table; an empty list means every byte is as pinned."""
    packages = tomllib.loads(table.read_text("utf-8"))
    found = [f"{name}: no {key!r}" for name, package in packages.items() for key in WANTED if key not in package]
    if found:
        return found
    pinned = {local: sha for local, sha, _ in _files(table)}
    for local, sha in pinned.items():
        if not local.is_file():
            found.append(f"{local.name}: is in {table.name}, not on disk")
        elif hashlib.sha256(local.read_bytes()).hexdigest() != sha:
            found.append(f"{local.name}: its bytes are not the pinned ones")
    # A file that nobody pinned could be anything: a stranger's script among the trusted ones.
    strays = {p for p in table.parent.rglob("*") if p.is_file()} - set(pinned) - {table}
    found += [f"{stray.relative_to(table.parent)}: is on disk, not in {table.name}" for stray in sorted(strays)]
    for name, package in packages.items():
        if not any("LICENSE" in path for path in package["files"]):
            found.append(f"{name}: its licence text is not kept beside it")
    return found


def fetch(table: Path) -> None:
    """Copy every file of the table from its npm package and write the hashes into the table."""
    packages = tomllib.loads(table.read_text("utf-8"))
    text = table.read_text("utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        unpacked = {name: _unpack(p["npm"], p["version"], Path(scratch) / name) for name, p in packages.items()}
        for local, _, (name, inside) in _files(table):
            local.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(unpacked[name] / inside, local)
            local.chmod(0o644)
            sha = hashlib.sha256(local.read_bytes()).hexdigest()
            head, section, tail = text.partition(f"[{name}.files]")
            text = head + section + re.sub(rf'(?m)^("{re.escape(inside)}" = )"\w*"', rf'\1"{sha}"', tail, count=1)
    table.write_text(text, "utf-8")


def _files(table: Path) -> Iterator[tuple[Path, str, tuple[str, str]]]:
    for name, package in tomllib.loads(table.read_text("utf-8")).items():
        for inside, sha in package["files"].items():
            yield table.parent / package["folder"] / PurePosixPath(inside).name, sha, (name, inside)


def _unpack(package: str, version: str, into: Path) -> Path:
    into.mkdir(parents=True)
    subprocess.run(["npm", "pack", "--silent", f"{package}@{version}"], cwd=into, check=True, stdout=subprocess.DEVNULL)
    (tarball,) = into.glob("*.tgz")
    with tarfile.open(tarball) as archive:
        archive.extractall(into, filter="data")
    return into / "package"


def main() -> int:
    """Verify (or with --fetch renew) every table and print what is wrong, one line each."""
    for table in TABLES:
        if "--fetch" in sys.argv[1:]:
            fetch(table)
    found = [f"{table.relative_to(ROOT)}: {line}" for table in TABLES for line in problems(table)]
    print("\n".join(found) or f"{sum(1 for t in TABLES for _ in _files(t))} vendored files are as pinned")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
