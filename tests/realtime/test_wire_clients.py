"""Clients that nobody here wrote."""

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from inbox.realtime.wire import Deny, Limits
from tests.realtime.wire_server import Door, LiveServer

LIMITS = Limits(per_second=1000, burst_bytes=4 << 20, close_timeout=1.0)


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer({"/gone": Door(lambda request: Deny(404))}, limits=LIMITS) as live:
        yield live


def test_the_python_client_talks_pings_and_leaves(server: LiveServer) -> None:
    with connect(f"ws://127.0.0.1:{server.port}/echo", proxy=None) as client:
        assert "sec-websocket-extensions" not in client.response.headers if client.response else False
        for text in ("grüß dich", "", "x" * 65_536, "😀" * 1000):
            client.send(text)
            assert client.recv(5) == text
        client.send(["in ", "three ", "pieces"])
        assert client.recv(5) == "in three pieces"
        assert client.ping().wait(5)
    assert client.close_code == 1000


def test_the_python_client_is_told_why_it_is_closed(server: LiveServer) -> None:
    with connect(f"ws://127.0.0.1:{server.port}/echo", proxy=None) as client:
        client.send("x" * 65_537)
        with pytest.raises(ConnectionClosedError):
            client.recv(5)
        assert client.close_code == 1009
    with connect(f"ws://127.0.0.1:{server.port}/echo", proxy=None) as client:
        client.send("bye")
        with pytest.raises(ConnectionClosedError):
            client.recv(5)
        assert (client.close_code, client.close_reason) == (4001, "as asked")


def test_the_python_client_sees_a_denied_upgrade(server: LiveServer) -> None:
    with pytest.raises(InvalidStatus) as caught:
        connect(f"ws://127.0.0.1:{server.port}/gone", proxy=None)
    assert caught.value.response.status_code == 404


NODE = """
const base = process.argv[1], words = ["grüß dich", "", "x".repeat(65536), "😀".repeat(1000)], got = [];
const socket = new WebSocket(base + "/echo"), report = { got };
socket.onopen = () => words.forEach(word => socket.send(word));
socket.onmessage = event => {
  got.push(event.data === words[got.length]);
  if (got.length === words.length) socket.send("bye");
};
socket.onclose = event => {
  const { code, reason, wasClean: clean } = event;
  Object.assign(report, { extensions: socket.extensions, code, reason, clean });
  const polite = new WebSocket(base + "/echo");
  polite.onopen = () => polite.close(3000, "enough");
  polite.onclose = event => {
    report.polite = [event.code, event.wasClean];
    const denied = new WebSocket(base + "/gone");
    denied.onerror = () => { report.denied = true; console.log(JSON.stringify(report)); process.exit(0); };
  };
};
"""


def test_the_client_in_node_talks_and_leaves(server: LiveServer) -> None:
    node = shutil.which("node")
    assert node, "this test needs Node.js 20.10 or later: apt-get install -y nodejs"
    command = [node, "--experimental-websocket", "--eval", NODE, f"ws://127.0.0.1:{server.port}"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=15, check=False)
    assert run.stdout, run.stderr
    assert json.loads(run.stdout) == {
        "got": [True] * 4,
        "extensions": "",
        "code": 4001,
        "reason": "as asked",
        "clean": True,
        "polite": [3000, True],
        "denied": True,
    }
