"""Half-sent HTTP requests on a real server, and the whole ones that must not suffer for them."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from inbox.realtime.http_guard import HttpLimits
from tests.realtime.wire_server import DOWNLOAD, Client, LiveServer, handshake

LIMITS = HttpLimits(header_timeout=0.3, header_bytes=20_000, body_window=0.3, body_rate=1000, send_timeout=0.3)
PAGE = b"GET /page HTTP/1.1\r\nhost: x\r\n\r\n"
UPLOAD = b"POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer(http=LIMITS) as live:
        yield live


@pytest.fixture
def client(server: LiveServer) -> Iterator[Client]:
    with Client(server.dial()) as dialled:
        yield dialled


def test_half_a_head_is_a_408(client: Client) -> None:
    client.send_raw(PAGE[:20])
    assert client.read_response()[0] == 408 and client.is_over()


def test_a_head_that_trickles_is_a_408(client: Client) -> None:
    done = threading.Event()

    def trickle() -> None:
        client.send_raw(PAGE[:-4])
        while not done.wait(0.02):
            try:
                client.send_raw(b"\r\nx-more: 1")
            except OSError:
                return

    sender = threading.Thread(target=trickle)
    sender.start()
    assert client.read_response()[0] == 408
    done.set()
    sender.join()


def test_a_connection_without_a_request_closes_in_silence(client: Client) -> None:
    assert client.is_over()


def test_the_second_request_of_a_connection_has_a_deadline_too(client: Client) -> None:
    client.send_raw(PAGE)
    assert client.read_response()[0] == 200
    client.send_raw(PAGE[:20])
    assert client.read_response()[0] == 408 and client.is_over()


def test_blank_lines_do_not_keep_a_connection(client: Client) -> None:
    client.send_raw(PAGE)
    assert client.read_response()[0] == 200
    client.send_raw(b"\r\n")
    assert client.is_over()


def test_a_body_that_stops_is_a_408(client: Client) -> None:
    client.send_raw(UPLOAD + b"x" * 100)
    assert client.read_response()[0] == 408 and client.is_over()


def test_a_body_slower_than_the_rate_is_a_408(client: Client) -> None:
    done = threading.Event()

    def trickle() -> None:
        client.send_raw(UPLOAD)
        while not done.wait(0.02):
            try:
                client.send_raw(b"x")
            except OSError:
                return

    sender = threading.Thread(target=trickle)
    sender.start()
    assert client.read_response()[0] == 408
    done.set()
    sender.join()


def test_a_slow_body_above_the_rate_arrives(client: Client) -> None:
    client.send_raw(UPLOAD)
    begun = time.monotonic()
    for _ in range(10):
        threading.Event().wait(0.08)
        client.send_raw(b"x" * 10_000)
    assert time.monotonic() - begun > 2 * LIMITS.body_window
    assert client.read_response()[1]["body"] == "100000"


def test_nobody_is_punished_for_a_slow_application(client: Client) -> None:
    client.send_raw(UPLOAD.replace(b"/upload", b"/slow-upload"))
    sender = threading.Thread(target=client.send_raw, args=(b"x" * 100_000,))
    sender.start()
    status, headers = client.read_response()
    sender.join()
    assert (status, headers["body"]) == (200, "100000")


def test_who_waits_to_be_asked_for_a_body_may_wait(client: Client) -> None:
    client.send_raw(
        UPLOAD.replace(b"/upload", b"/slow-upload").replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n")
    )
    assert client.read_response()[0] == 100
    client.send_raw(b"x" * 100_000)
    assert client.read_response()[1]["body"] == "100000"


@pytest.mark.parametrize("pieces", [1, 5])
def test_a_head_too_large_is_a_431(client: Client, pieces: int) -> None:
    head = PAGE[:-2] + b"x-much: " + b"y" * 25_000
    if pieces == 1:
        head += b"\r\n\r\n"
    for at in range(0, len(head), len(head) // pieces + 1):
        client.send_raw(head[at : at + len(head) // pieces + 1])
    assert client.read_response()[0] == 431


def test_requests_behind_one_another_are_all_answered(client: Client) -> None:
    client.send_raw(PAGE * 3)
    assert [client.read_response()[0] for _ in range(3)] == [200, 200, 200]


def test_a_broken_request_is_a_400(client: Client) -> None:
    client.send_raw(b"NONSENSE\r\n\r\n")
    assert client.read_response()[0] == 400 and client.is_over()


def test_a_websocket_outlives_the_deadline_of_its_head(server: LiveServer) -> None:
    with server.connect() as websocket, Client(server.dial()) as other:
        assert other.is_over()  # its head never came: the deadline has passed
        assert other.sock.getsockname()
        websocket.send(b"still here")
        assert websocket.read() == (1, b"still here")


def test_a_reader_that_takes_nothing_is_cut(server: LiveServer) -> None:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(5)
    sock.connect(("127.0.0.1", server.port))
    with Client(sock) as client:
        client.send_raw(PAGE.replace(b"/page", b"/download"))
        threading.Event().wait(LIMITS.send_timeout * 2.5)
        received = 0
        try:
            while data := sock.recv(1 << 20):
                received += len(data)
        except ConnectionResetError:
            pass
        assert received < DOWNLOAD


def test_a_reader_that_is_only_slow_gets_everything(server: LiveServer) -> None:
    with Client(server.dial()) as client:
        client.send_raw(PAGE.replace(b"/page", b"/download"))
        received, begun, head = 0, time.monotonic(), True
        while received < DOWNLOAD:
            data = client.sock.recv(1 << 20)
            assert data, "cut"
            if head:
                data, head = data.partition(b"\r\n\r\n")[2], False
            received += len(data)
            threading.Event().wait(0.01)
        assert received == DOWNLOAD and time.monotonic() - begun > LIMITS.send_timeout


def test_a_half_sent_request_does_not_hold_up_the_end() -> None:
    with LiveServer(http=LIMITS) as server:
        client = Client(server.dial())
        client.send_raw(UPLOAD + b"x")
        server.stop()
        assert client.read_response()[0] == 408
        client.close()
        server.wait_stopped()


def test_an_upgrade_with_half_a_head_is_a_408(client: Client) -> None:
    client.send_raw(handshake()[:-2])
    assert client.read_response()[0] == 408
