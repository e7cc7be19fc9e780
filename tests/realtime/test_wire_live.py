"""Open connections on a real server: messages, endings, floods and the peers of a peer that misbehaves."""

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from typing import Literal

import pytest

from inbox.realtime.wire import Limits, text_frame
from tests.realtime.wire_server import GENEROUS, Client, Diary, Door, Echo, LiveServer, handshake, masked


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def running(request: pytest.FixtureRequest) -> Iterator[LiveServer]:
    loop: Literal["uvloop", "asyncio"] = request.param
    with LiveServer(loop=loop) as live:
        yield live


@pytest.fixture
def server(running: LiveServer) -> LiveServer:
    running.diary = Diary()
    return running


# Messages


def test_a_message_comes_back(server: LiveServer) -> None:
    with server.connect() as client:
        client.send("grüß dich".encode())
        assert client.read() == (1, "grüß dich".encode())


def test_the_first_message_may_come_with_the_handshake(server: LiveServer) -> None:
    with Client(server.dial()) as client:
        client.send_raw(handshake() + masked(1, b"early") + masked(1, b"bird")[:3])
        assert client.read_response()[0] == 101
        assert client.read() == (1, b"early")
        client.send_raw(masked(1, b"bird")[3:])
        assert client.read() == (1, b"bird")


def test_bytes_may_trickle_in(server: LiveServer) -> None:
    with server.connect() as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in masked(1, b"x" * 130, final=False) + masked(9, b"?") + masked(0, b"y"):
            client.send_raw(bytes((byte,)))
        assert client.read() == (10, b"?")
        assert client.read() == (1, b"x" * 130 + b"y")


def test_many_messages_in_one_packet_come_back_in_order(server: LiveServer) -> None:
    words = [b"%d" % number for number in range(2000)]
    with server.connect() as client:
        sender = threading.Thread(target=client.send_raw, args=(b"".join(masked(1, word) for word in words),))
        sender.start()
        assert [client.read()[1] for _ in words] == words
        sender.join()


def test_a_message_of_the_largest_size_passes_and_one_byte_more_does_not(server: LiveServer) -> None:
    with server.connect() as client:
        client.send(b"x" * GENEROUS.max_frame)
        assert len(client.read()[1]) == GENEROUS.max_frame
        client.send_raw(masked(1, b"x" * (GENEROUS.max_frame + 1))[:10])
        assert client.read_close()[0] == 1009


def test_a_ping_is_answered_and_an_unasked_pong_is_not(server: LiveServer) -> None:
    with server.connect() as client:
        client.send_raw(masked(10, b"nobody asked") + masked(9, b"p" * 125))
        assert client.read() == (10, b"p" * 125)


# Endings


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (masked(1, b"x", mask=b""), 1002),
        (masked(1, b"x", reserved=4), 1002),
        (masked(3), 1002),
        (masked(9, b"x" * 126), 1002),
        (masked(8, b"\x03\xed"), 1002),
        (masked(2, b"x"), 1003),
        (masked(1, b"\xff"), 1007),
        (masked(8, b"\x03\xe8\xff"), 1007),
        (bytes.fromhex("81ff7fffffffffffffff"), 1009),
    ],
)
def test_a_broken_frame_ends_its_connection_with_the_code_for_it(server: LiveServer, frame: bytes, code: int) -> None:
    with server.connect() as client, server.connect() as other:
        client.send_raw(frame + masked(1, b"after the end") * 2000)
        assert client.read_close()[0] == code
        assert client.is_over()
        other.send(b"unharmed")
        assert other.read() == (1, b"unharmed")


@pytest.mark.parametrize("body", [b"", b"\x03\xe8", b"\x0f\xa1see you"])
def test_a_close_is_answered_with_its_code_and_ends_the_connection(server: LiveServer, body: bytes) -> None:
    with server.connect() as client:
        client.send_raw(masked(8, body) + masked(1, b"after the end"))
        assert client.read() == (8, body[:2])
        assert client.is_over()


def test_a_close_of_ours_waits_for_the_answer_and_hears_nothing_else(server: LiveServer) -> None:
    with server.connect() as client:
        client.send(b"bye")
        assert client.read_close() == (4001, "as asked")
        client.send_raw(masked(1, b"unheard") + masked(9, b"unanswered") + masked(8, b"\x0f\xa1"))
        assert client.is_over()
        assert server.diary.until("text") == b"bye"
        assert server.diary.next()[0] == "closed"


def test_a_peer_that_does_not_answer_a_close_is_cut(server: LiveServer) -> None:
    with server.connect() as client:
        client.send(b"bye")
        assert client.read_close()[0] == 4001
        assert client.is_over()


def test_nothing_is_sent_after_a_close(server: LiveServer) -> None:
    with server.connect() as client:
        client.send(b"bye")
        client.read_close()
        assert server.run(lambda: server.diary.connections[-1].send(text_frame(b"late"))) is False
        assert client.is_over()


def test_a_handler_that_raises_loses_its_own_connection_only(
    server: LiveServer, caplog: pytest.LogCaptureFixture
) -> None:
    with server.connect() as client, server.connect() as other, caplog.at_level(logging.ERROR):
        client.send(b"raise")
        assert client.read_close()[0] == 1011
        other.send(b"unharmed")
        assert other.read() == (1, b"unharmed")
    assert "RuntimeError" in caplog.text and "secret" not in caplog.text


def test_a_handler_that_raises_while_opening_loses_its_connection() -> None:
    class Fragile(Echo):
        def open(self, connection: object) -> None:
            raise RuntimeError("secret")

        def closed(self) -> None:
            super().closed()
            raise RuntimeError("secret")

    diary = Diary()
    with LiveServer({"/fragile": Door(lambda request: Fragile(diary))}) as server:
        with server.connect("/fragile") as client:
            assert client.read_close()[0] == 1011
        diary.until("closed")
        with server.connect() as other:
            other.send(b"unharmed")
            assert other.read() == (1, b"unharmed")


def test_a_peer_that_vanishes_is_noticed(server: LiveServer) -> None:
    server.connect().close()
    server.diary.until("closed")


# Floods


def test_too_many_messages_are_asked_to_slow_down() -> None:
    with LiveServer(limits=Limits(per_second=10, burst_seconds=2.0, close_timeout=0.2)) as server:
        with server.connect() as client:
            client.send_raw(masked(1, b"quiet") * 17 + masked(1, b"last"))
            assert client.read() == (1, b"last")
            client.send_raw(masked(9) * 5)
            while (frame := client.read())[0] == 10:
                pass
            assert frame == (8, b"\x03\xf0slow down")
        assert server.stats.rate_limited == 1


def test_too_many_bytes_are_asked_to_slow_down() -> None:
    limits = Limits(per_second=1000, bytes_per_second=1000, burst_bytes=10_000, close_timeout=0.2)
    with LiveServer(limits=limits) as server, server.connect() as client:
        client.send(b"x" * 9_000)
        assert len(client.read()[1]) == 9_000
        client.send(b"x" * 2_000)
        assert client.read_close() == (1008, "slow down")


def test_a_route_may_allow_more_than_others() -> None:
    limits = Limits(per_second=5, close_timeout=0.2)
    with LiveServer(limits=limits) as server:
        server.routes["/agent"] = Door(lambda request: Echo(server.diary), rate=50)
        with server.connect("/agent") as agent, server.connect() as visitor:
            for client in (agent, visitor):
                client.send_raw(masked(1, b"quiet") * 60 + masked(1, b"last"))
            assert agent.read() == (1, b"last")
            assert visitor.read_close()[0] == 1008


def test_tiny_fragments_without_end_are_a_flood() -> None:
    with LiveServer(limits=Limits(close_timeout=0.2)) as server, server.connect() as client:
        client.send_raw(masked(1, b"", final=False) + masked(0, b"", final=False) * 100)
        assert client.read_close()[0] == 1008


def test_a_flood_ends_even_if_its_sender_never_listens() -> None:
    with LiveServer(limits=Limits(close_timeout=0.2)) as server, server.connect() as client:
        chunk = masked(1, b"quiet") * 1000
        with pytest.raises(OSError):
            while True:
                client.send_raw(chunk)
        server.diary.until("closed")
        assert server.stats.frames_in <= 41


# A server that stops


def test_a_stopping_server_says_when_to_come_back_and_is_gone_in_time() -> None:
    server = LiveServer()
    server.__enter__()
    clients = [server.connect() for _ in range(50)]
    polite, silent = clients[:25], clients[25:]
    server.stop()
    for client in clients:
        assert client.read() == (8, b"\x03\xf4")
    for client in polite:
        client.send_raw(masked(8, b"\x03\xf4"))
    for client in polite + silent:
        assert client.is_over()
        client.close()
    server.wait_stopped()
    assert server.stats.open == 0


def test_a_stopping_server_answers_who_is_still_at_the_door() -> None:
    diary = Diary()

    async def never(request: object) -> object:
        diary.write("asked", None)
        return await asyncio.get_running_loop().create_future()

    with LiveServer({"/later": Door(never)}) as server, Client(server.dial()) as client:
        client.send_raw(handshake("/later"))
        diary.until("asked")
        server.stop()
        assert client.read_response()[0] == 503
