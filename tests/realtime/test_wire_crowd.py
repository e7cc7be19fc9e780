"""Many connections at once: one does not read, a thousand are pinged, and what an idle one weighs."""

import asyncio
import selectors
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

import pytest

from inbox.realtime.wire import Limits, text_frame
from tests.realtime.wire_server import GENEROUS, PATIENCE, Client, LiveServer, handshake, masked

LIGHT = Limits(per_ip=5000, close_timeout=0.2)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_reader_that_stops_is_cut_and_the_others_miss_nothing(loop: Any) -> None:
    with LiveServer(loop=loop) as server:
        stalled = _dial_with_a_small_buffer(server)
        readers = [server.connect() for _ in range(9)]
        for _ in range(10):
            server.diary.until("open")
        everybody = list(server.diary.connections)
        unsent: list[int] = []

        def broadcast(frame: bytes) -> None:
            for connection in everybody:
                connection.send(frame)
            unsent.append(max(one._transport.get_write_buffer_size() for one in everybody))  # type: ignore[attr-defined]

        rounds, after = 0, 0
        while after < 20:
            rounds, after = rounds + 1, after + server.stats.shed_total
            assert rounds < 1000, "the stalled reader was never cut"
            payload = b"%08d" % rounds * 4096  # 32 KiB
            server.run(lambda frame=text_frame(payload): broadcast(frame))  # type: ignore[misc]
            for reader in readers:
                assert reader.read() == (1, payload)
        assert server.stats.shed_total == 1
        assert max(unsent) <= GENEROUS.write_limit + 33 * 1024
        server.diary.until("closed")
        for client in (stalled, *readers):
            client.close()


def _dial_with_a_small_buffer(server: LiveServer) -> Client:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(PATIENCE)
    sock.connect(("127.0.0.1", server.port))
    client = Client(sock)
    client.send_raw(handshake())
    assert client.read_response()[0] == 101
    return client


def _crowd(port: int, size: int) -> list[socket.socket]:
    """Opened connections that have each had one message echoed."""
    crowd = []
    for _ in range(size):
        sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        sock.sendall(handshake() + masked(1, b"x" * 140))
        crowd.append(sock)
        got = b""
        while b"x" * 140 not in got:
            more = sock.recv(1000)
            assert more, f"cut while the crowd gathered, at {len(crowd)}: {got[-200:]!r}"
            got += more
    return crowd


def test_one_timer_pings_a_thousand_and_cuts_the_silent_ones() -> None:
    limits = Limits(per_ip=5000, ping_interval=4.0)  # longer than a slow machine needs to open them all
    with LiveServer(limits=limits, loop="asyncio") as server:
        crowd = _crowd(server.port, 1000)
        timers, tasks = server.run(_timers_and_tasks)
        assert timers <= 5 and tasks <= 5, "no timer and no task per connection"
        answering = set(crowd[:500])
        gone = _answer_pings(answering, set(crowd[500:]))
        assert gone == set(crowd[500:])
        assert server.stats.silent == 500
        server.run(lambda: None)
        assert server.stats.open == 500
        for sock in crowd:
            sock.close()


def _timers_and_tasks() -> tuple[int, int]:
    loop: Any = asyncio.get_running_loop()
    return sum(not timer.cancelled() for timer in loop._scheduled), len(asyncio.all_tasks())


def _answer_pings(answering: set[socket.socket], silent: set[socket.socket]) -> set[socket.socket]:
    """Answers the pings of some until all the silent ones are cut. Gives everybody who was cut."""
    gone: set[socket.socket] = set()
    deadline = time.monotonic() + 2 * PATIENCE
    with selectors.DefaultSelector() as selector:
        for sock in answering | silent:
            selector.register(sock, selectors.EVENT_READ)
        while not silent <= gone:
            assert time.monotonic() < deadline, f"{len(gone)} cut"
            for key, _ in selector.select(0.1):
                sock = cast(socket.socket, key.fileobj)
                try:
                    data = sock.recv(100)
                except ConnectionResetError:
                    data = b""
                assert data in (b"", b"\x89\x00")
                if not data:
                    selector.unregister(sock)
                    gone.add(sock)
                elif sock in answering:
                    sock.sendall(masked(10))
    return gone


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="only Linux tells a process's share of memory")
def test_an_idle_connection_weighs_at_most_two_kibibytes() -> None:
    command = [sys.executable, "-m", "tests.realtime.wire_server"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    with process:
        port = int(process.stdout.readline())
        warm_up = _crowd(port, 300)  # allocators take their first arenas, caches fill
        before = _weight(process.pid)
        crowd = _crowd(port, 3000)
        each = (_weight(process.pid) - before) / len(crowd)
        print(f"{each:.2f} KiB per idle connection")
        for sock in (*warm_up, *crowd):
            sock.close()
        process.stdin.close()
    assert each <= 2.0


def _weight(pid: int) -> int:
    """KiB of memory that are the process's own."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
