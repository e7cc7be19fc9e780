"""The upgrade: who gets in, who is answered in plain HTTP, and who is left to Starlette."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from inbox.realtime.handshake import Deny, fault, parse_request, refusal, switching
from inbox.realtime.wire import Limits, Upgrade
from inbox.realtime.wire_limits import Census
from tests.realtime.wire_server import GENEROUS, Client, Diary, Door, Echo, LiveServer, handshake, masked


class Gate:
    """Lets a pending upgrade go on when a test says so."""

    def __init__(self) -> None:
        self.diary = Diary()
        self._waiting: list[asyncio.Future[Any]] = []

    async def wait(self, request: Upgrade) -> Any:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self.diary.write("asked", request.path)
        try:
            return await answer
        except asyncio.CancelledError:
            self.diary.write("cancelled", None)
            raise

    def answer(self, verdict: Any) -> None:
        self._waiting.pop().set_result(verdict)


GATE = Gate()


def _judge(request: Upgrade) -> Any:
    if request.headers.get("origin") != "https://app.rapport.test":
        return Deny(403, "Wrong origin.", {"x-why": "origin"})
    return Echo(GATE.diary)


def _explode(request: Upgrade) -> Any:
    raise RuntimeError("secret")


async def _explode_later(request: Upgrade) -> Any:
    raise RuntimeError("secret")


@pytest.fixture(scope="module")
def running() -> Iterator[LiveServer]:
    routes = {
        "/judged": Door(_judge),
        "/gone": Door(lambda request: Deny(404, "No such conversation.")),
        "/later": Door(GATE.wait),
        "/broken": Door(_explode),
        "/broken-later": Door(_explode_later),
        "/w/Ärger": Door(lambda request: Echo(GATE.diary)),
    }
    with LiveServer(routes) as live:
        yield live


@pytest.fixture
def server(running: LiveServer) -> LiveServer:
    running.diary = GATE.diary = Diary()
    return running


def knock(server: LiveServer, request: bytes) -> tuple[int, dict[str, str], bool]:
    """Status, headers, and whether the server closed after them."""
    with Client(server.dial()) as client:
        client.send_raw(request)
        status, headers = client.read_response()
        return status, headers, status != 101 and client.is_over()


# Without a network


def test_the_answer_carries_the_proof_from_the_standard() -> None:
    # RFC 6455 section 1.3.
    assert b"\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in switching(parse_request(handshake()))


def test_no_extension_and_no_subprotocol_is_ever_agreed() -> None:
    asked = handshake(sec_websocket_extensions="permessage-deflate", sec_websocket_protocol="chat")
    answer = switching(parse_request(asked)).lower()
    assert b"extensions" not in answer and b"protocol:" not in answer


def test_header_names_and_tokens_are_read_in_any_case() -> None:
    assert fault(parse_request(handshake(upgrade="WebSocket", connection="keep-alive, UPGRADE"))) is None


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (handshake().replace(b"GET", b"POST"), 405),
        (handshake(without="upgrade"), 426),
        (handshake(connection="keep-alive"), 426),
        (handshake(sec_websocket_version="8"), 426),
        (handshake(without="sec-websocket-version"), 426),
        (handshake(without="host"), 400),
        (handshake(without="sec-websocket-key"), 400),
        (handshake(sec_websocket_key="c2hvcnQ="), 400),
        (handshake(sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ!!"), 400),
        (handshake(sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ==AAAA"), 400),
        (handshake().replace(b"\r\n\r\n", b"\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"), 400),
        (handshake(origin="https://a.test").replace(b"\r\n\r\n", b"\r\nOrigin: https://b.test\r\n\r\n"), 400),
    ],
)
def test_a_faulty_handshake_has_its_status(request_head: bytes, status: int) -> None:
    deny = fault(parse_request(request_head))
    assert deny is not None and deny.status == status


def test_repeated_headers_are_joined_and_cookies_by_semicolon() -> None:
    head = handshake(cookie="a=1", x_tag="1").replace(b"\r\n\r\n", b"\r\nCookie: b=2\r\nX-Tag: 2\r\n\r\n")
    headers = parse_request(head).headers
    assert headers["cookie"] == "a=1; b=2" and headers["x-tag"] == "1, 2"


def test_a_header_cannot_break_out_of_its_line() -> None:
    with pytest.raises(ValueError, match="line break"):
        refusal(Deny(403, "", {"x-a": "1\r\nset-cookie: evil"}))


def test_a_census_counts_a_home_as_one_and_forgets_who_left() -> None:
    census = Census(per_ip=2, total=4)
    assert census.enter("2001:db8:0:1::1") and census.enter("2001:db8:0:1:ffff::2")
    assert not census.enter("2001:db8:0:1::3")
    assert census.enter("2001:db8:0:2::1")
    census.leave("2001:db8:0:1::1")
    assert census.enter("2001:db8:0:1::3")
    assert census.enter("192.0.2.1") and not census.enter("192.0.2.2")


# On a real server


def test_a_handler_knows_the_request_only_while_it_opens(server: LiveServer) -> None:
    with server.connect("/echo?token=a%20b", origin="https://x.test"):
        path, query, headers, peer = server.diary.until("open")
        assert (path, query, headers["origin"], peer) == (
            "/echo",
            "token=a%20b",
            "https://x.test",
            "127.0.0.1",
        )
        assert server.run(lambda: dict(server.diary.connections[-1].headers)) == {}


def test_a_path_is_decoded_before_it_is_looked_up(server: LiveServer) -> None:
    with server.connect("/w/%C3%84rger"):
        assert GATE.diary.until("open")[0] == "/w/Ärger"


def test_a_trusted_proxy_tells_the_peer_and_the_scheme(server: LiveServer) -> None:
    seen: list[Upgrade] = []

    def note(request: Upgrade) -> Deny:
        seen.append(request)
        return Deny(403)

    server.routes["/seen"] = Door(note)
    knock(server, handshake("/seen", x_forwarded_for="203.0.113.9", x_forwarded_proto="https"))
    knock(server, handshake("/seen"))
    assert [(request.peer, request.secure) for request in seen] == [
        ("203.0.113.9", True),
        ("127.0.0.1", False),
    ]


def test_a_denied_upgrade_is_plain_http_and_the_connection_closes(server: LiveServer) -> None:
    status, headers, over = knock(server, handshake("/judged", origin="https://evil.test"))
    assert (status, headers["x-why"], headers["body"], over) == (403, "origin", "Wrong origin.", True)
    assert knock(server, handshake("/judged", origin="https://app.rapport.test"))[0] == 101
    assert knock(server, handshake("/gone"))[0] == 404


def test_a_wrong_version_is_told_the_right_one(server: LiveServer) -> None:
    status, headers, _ = knock(server, handshake(sec_websocket_version="12"))
    assert (status, headers["sec-websocket-version"]) == (426, "13")


@pytest.mark.parametrize("path", ["/broken", "/broken-later"])
def test_a_route_that_raises_is_a_500_without_its_words(server: LiveServer, path: str) -> None:
    status, headers, over = knock(server, handshake(path))
    assert status == 500 and over and "secret" not in headers["body"]


def test_a_route_may_take_its_time_and_early_bytes_are_kept(server: LiveServer) -> None:
    with Client(server.dial()) as client:
        client.send_raw(handshake("/later") + masked(1, b"with the handshake"))
        GATE.diary.until("asked")
        client.send_raw(masked(1, b"before the answer"))
        server.run(lambda: GATE.answer(Echo(server.diary)))
        assert client.read_response()[0] == 101
        assert [client.read()[1], client.read()[1]] == [b"with the handshake", b"before the answer"]


def test_a_route_may_deny_after_its_time(server: LiveServer) -> None:
    with Client(server.dial()) as client:
        client.send_raw(handshake("/later"))
        GATE.diary.until("asked")
        server.run(lambda: GATE.answer(Deny(401, "Log in first.")))
        assert client.read_response()[0] == 401 and client.is_over()


def test_waiting_ends_when_the_peer_leaves(server: LiveServer) -> None:
    with Client(server.dial()) as client:
        client.send_raw(handshake("/later"))
        GATE.diary.until("asked")
    GATE.diary.until("cancelled")


def test_what_is_kept_while_a_route_asks_is_bounded(server: LiveServer) -> None:
    with Client(server.dial()) as client:
        client.send_raw(handshake("/later"))
        GATE.diary.until("asked")
        client.send_raw(b"x" * (GENEROUS.admit_buffer + 1))
        assert client.read_response()[0] == 413
    GATE.diary.until("cancelled")


def test_a_route_that_never_answers_is_a_503() -> None:
    with LiveServer({"/later": Door(GATE.wait)}, limits=Limits(admit_timeout=0.05)) as server:
        assert knock(server, handshake("/later"))[0] == 503


def test_a_full_server_says_so_and_makes_room_again() -> None:
    with LiveServer(limits=Limits(per_ip=2, close_timeout=0.2)) as server:
        first = server.connect()
        with server.connect():
            status, headers, _ = knock(server, handshake())
            assert (status, headers["retry-after"]) == (503, "10")
            assert knock(server, handshake(x_forwarded_for="203.0.113.9"))[0] == 101
            first.close()
            server.diary.until("closed")
            server.diary.until("closed")
            assert knock(server, handshake())[0] == 101
        assert server.stats.over_capacity == 1


def test_paths_without_a_route_are_served_by_starlette(server: LiveServer) -> None:
    before = server.stats.fallback
    with server.connect("/ordinary") as client:
        for word in (b"one", b"two"):
            client.send(word)
            assert client.read() == (1, b"starlette: " + word)
        client.send_raw(masked(8, b"\x03\xe8"))
        assert client.read_close()[0] == 1000
    assert server.stats.fallback == before + 1
    assert knock(server, handshake("/nowhere"))[0] in (403, 404)


def test_starlette_gets_the_bytes_that_came_with_the_handshake_too(server: LiveServer) -> None:
    with Client(server.dial()) as client:
        client.send_raw(handshake("/ordinary") + masked(1, b"early"))
        assert client.read_response()[0] == 101
        assert client.read() == (1, b"starlette: early")


def test_a_websocket_may_follow_ordinary_requests_on_one_connection(server: LiveServer) -> None:
    with Client(server.dial()) as client:
        client.send_raw(b"GET /page HTTP/1.1\r\nhost: x\r\n\r\n")
        assert client.read_response()[1]["body"] == "page"
        client.send_raw(handshake())
        assert client.read_response()[0] == 101
        client.send(b"hello")
        assert client.read() == (1, b"hello")


def test_an_upgrade_behind_an_unanswered_request_is_refused(server: LiveServer) -> None:
    with Client(server.dial()) as client:
        client.send_raw(b"GET /page HTTP/1.1\r\nhost: x\r\n\r\n" + handshake())
        assert client.is_over()
