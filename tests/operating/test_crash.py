"""`kill -9` in the middle of load, on the real server process: what was acknowledged is there once, in order."""

from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Origin

from inbox.domain.ids import new_id
from tests.running import FEW_SECONDS, free_port, greet, say

KILLS = 20
VISITORS = 8


class Process:
    """`inbox demo --quiet` as an operator runs it."""

    def __init__(self, data: Path, port: int, before: tuple[str, ...] = ()) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        command = [*before, sys.executable, "-m", "inbox", "demo", "--data", str(data), "--port", str(port), "--quiet"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        assert "Rapport is here" in self.process.stdout.readline()
        self.process.stdout.close()
        wait_for_port(port)

    def visitor(self) -> connect:
        url = f"{self.origin.replace('http', 'ws', 1)}/widget/demo-shop/live"
        return connect(url, origin=Origin(self.origin), compression=None)


def wait_for_port(port: int) -> None:
    """The line is printed while the server starts; the port answers a moment later."""
    until = time.monotonic() + FEW_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < until, "the server did not begin to listen"
            time.sleep(0.02)


@contextmanager
def served(data: Path, port: int, before: tuple[str, ...] = ()) -> Iterator[Process]:
    process = Process(data, port, before)
    try:
        yield process
    finally:
        process.process.kill()
        process.process.wait()


async def chat(process: Process, acked: dict[str, tuple[str, int]], name: str) -> None:
    """Send as fast as acks come, until the line breaks."""
    try:
        async with process.visitor() as socket:
            await greet(socket)
            n = 0
            while True:
                n += 1
                client_id = new_id()
                await say(socket, t="send", client_id=client_id, text=f"{name} {n}")
                async with asyncio.timeout(FEW_SECONDS):
                    while f'"ack","client_id":"{client_id}"' not in str(await socket.recv()):
                        continue
                acked[client_id] = (name, n)
                await asyncio.sleep(0.05)
    except (OSError, WebSocketException, TimeoutError):
        return


async def test_what_was_acknowledged_survives_kill_9_once_and_in_order(tmp_path: Path) -> None:
    acked: dict[str, tuple[str, int]] = {}
    chance = random.Random(7)
    port = free_port()
    for kill in range(KILLS):
        with served(tmp_path / "data", port) as process:
            chats = [asyncio.create_task(chat(process, acked, f"{kill}/{v}")) for v in range(VISITORS)]
            await asyncio.sleep(chance.uniform(0.2, 0.7))
            os.kill(process.process.pid, signal.SIGKILL)
            await asyncio.gather(*chats)
    with sqlite3.connect(tmp_path / "data" / "rapport.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = database.execute(
            "SELECT client_id, body FROM message WHERE author_kind = 'contact' ORDER BY id"
        ).fetchall()
        seqs = [r[0] for r in database.execute("SELECT seq FROM event ORDER BY seq")]
    stored = [body for client_id, body in rows if client_id in acked]
    assert len(acked) > KILLS, "the precondition: messages were acknowledged between the kills"
    assert sorted(stored) == sorted(f"{name} {n}" for name, n in acked.values()), "lost or doubled"
    for name in {name for name, _ in acked.values()}:
        own = [int(body.split()[-1]) for body in stored if body.startswith(f"{name} ")]
        assert own == sorted(own), "the order of one visitor changed"
    assert seqs == list(range(1, len(seqs) + 1)), "the order of changes has a hole"


def test_no_ack_leaves_before_its_commit_is_synced(tmp_path: Path) -> None:
    """Every `ack` the kernel is handed follows an fsync of the log later than the log's last write: the test kill -9 cannot do."""
    strace = shutil.which("strace")
    if strace is None:
        warnings.warn("SKIPPED, 1 check: strace is not here (apt-get install strace)", stacklevel=1)
        pytest.skip("strace is not here: apt-get install strace")
    log = tmp_path / "calls"
    trace = (
        strace,
        "-f",
        "-y",
        "-s",
        "120",
        "-e",
        "trace=pwrite64,fsync,fdatasync,sendto,sendmsg,write,writev",
        "-o",
        str(log),
    )
    with served(tmp_path / "data", free_port(), trace) as process:
        asyncio.run(one_by_one(process, 50))
    acks, bad, dirty = read_calls(log.read_text(errors="replace"))
    assert acks == 50, "the precondition: every ack was seen"
    assert bad == 0, f"acks without a prior sync: {bad} of {acks}"
    assert dirty > 0, "the precondition: the log was written between acks"


async def one_by_one(process: Process, count: int) -> None:
    """One writer, so that each ack belongs to the last commit."""
    async with process.visitor() as socket:
        await greet(socket)
        for n in range(count):
            client_id = new_id()
            await say(socket, t="send", client_id=client_id, text=f"number {n}")
            while client_id not in str(ack := await socket.recv()) or '"ack"' not in str(ack):
                continue


def read_calls(text: str) -> tuple[int, int, int]:
    """(acks, acks with an unsynced write of the write-ahead log before them, writes of the log)."""
    unsynced = False
    acks = bad = writes = 0
    for line in text.splitlines():
        if "pwrite64(" in line and "-wal>" in line:
            unsynced, writes = True, writes + 1
        elif re.search(r"f(data)?sync\(\d+<[^>]*-wal>", line) or ("sync resumed" in line):
            unsynced = False
        elif '\\"ack\\"' in line:
            acks += line.count('\\"ack\\"')
            bad += unsynced
    return acks, bad, writes


def test_sigterm_ends_the_process_even_with_a_half_sent_request(tmp_path: Path) -> None:
    port = free_port()
    with served(tmp_path / "data", port) as process, socket.create_connection(("127.0.0.1", port)) as half:
        half.sendall(b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nemail=")
        time.sleep(0.3)
        begun = time.monotonic()
        process.process.send_signal(signal.SIGTERM)
        assert process.process.wait(20) in (0, -signal.SIGTERM)
        assert time.monotonic() - begun < 20


def test_a_second_process_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with served(tmp_path / "data", free_port()) as first:
        second = subprocess.run(
            [sys.executable, "-m", "inbox", "demo", "--data", str(tmp_path / "data"), "--port", str(free_port())],
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert second.returncode == 1 and f"Another process ({first.process.pid}) serves" in second.stderr


def test_unsafe_settings_refuse_to_boot(tmp_path: Path) -> None:
    environment: dict[str, Any] = {**os.environ, "RAPPORT_DATA_DIR": str(tmp_path)}
    for wrong in (
        {"RAPPORT_REDIS_URL": "redis://127.0.0.1:1"},
        {"RAPPORT_APP_ORIGIN": "http://desk.example.com"},
        {"RAPPORT_APP_ORIGIN": "nonsense"},
        {"RAPPORT_TRUSTED_PROXIES": '["nonsense"]'},
    ):
        done = subprocess.run(
            [sys.executable, "-m", "inbox", "serve"],
            env={**environment, **wrong},
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 2, (wrong, done.stderr)
        assert "Traceback" not in done.stderr
