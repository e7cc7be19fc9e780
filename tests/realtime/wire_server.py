"""A real uvicorn server in a thread, and a websocket client on a plain socket, free to misbehave."""

import asyncio
import concurrent.futures
import queue
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Literal, Self, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route as HttpRoute
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from inbox.realtime.http_guard import HttpLimits, make_http_protocol
from inbox.realtime.wire import Connection, Limits, Route, Stats, Upgrade, make_protocol, text_frame

_T = TypeVar("_T")

PATIENCE = 5.0  # seconds until a test that waits for an event gives up
DOWNLOAD = 32 << 20  # bytes; more than kernels keep for a reader that does not read
GENEROUS = Limits(per_second=1_000_000, bytes_per_second=1 << 30, burst_bytes=1 << 30, close_timeout=0.2)


class Echo:
    """Answers each message with itself, and keeps what happened for the test to wait for."""

    def __init__(self, diary: "Diary") -> None:
        self.diary = diary
        self.connection: Connection | None = None

    def open(self, connection: Connection) -> None:
        self.connection = connection
        self.diary.write("open", (connection.path, connection.query, dict(connection.headers), connection.peer))
        self.diary.connections.append(connection)

    def text(self, payload: bytes) -> None:
        self.diary.write("text", payload)
        if payload == b"raise":
            raise RuntimeError("secret of a visitor")
        assert self.connection is not None
        if payload == b"bye":
            self.connection.close(4001, "as asked")
        elif payload != b"quiet":
            self.connection.send(text_frame(payload))

    def closed(self) -> None:
        self.diary.write("closed", None)


class Diary:
    """What handlers saw, in order."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self._entries: queue.Queue[tuple[str, Any]] = queue.Queue()

    def write(self, what: str, detail: Any) -> None:
        self._entries.put((what, detail))

    def next(self) -> tuple[str, Any]:
        return self._entries.get(timeout=PATIENCE)

    def until(self, what: str) -> Any:
        while True:
            seen, detail = self.next()
            if seen == what:
                return detail


class Door:
    """A route that admits by what a test says."""

    def __init__(self, admit: Callable[[Upgrade], Any], rate: int | None = None) -> None:
        self._admit = admit
        self.rate = rate

    def admit(self, request: Upgrade) -> Any:
        return self._admit(request)


async def _ordinary_socket(websocket: WebSocket) -> None:
    await websocket.accept()
    while True:
        message = await websocket.receive()
        if message["type"] != "websocket.receive":
            return
        await websocket.send_text("starlette: " + message["text"])


async def _upload(request: HttpRequest) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def _slow_upload(request: HttpRequest) -> Response:
    await asyncio.sleep(0.7)
    return PlainTextResponse(str(len(await request.body())))


async def _download(request: HttpRequest) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(DOWNLOAD >> 16):
            yield bytes(1 << 16)

    return StreamingResponse(parts(), headers={"content-length": str(DOWNLOAD)})


async def _page(request: HttpRequest) -> Response:
    return PlainTextResponse("page")


class LiveServer:
    """uvicorn on a loopback port of its choice: the wire at the given paths, Starlette for the rest."""

    def __init__(
        self,
        routes: Mapping[str, Route] | None = None,
        *,
        limits: Limits = GENEROUS,
        http: HttpLimits | None = None,
        loop: Literal["uvloop", "asyncio"] = "uvloop",
        keep_alive: int = 5,
    ) -> None:
        self.diary = Diary()
        self.stats = Stats()
        self.routes: dict[str, Route] = {"/echo": Door(lambda request: Echo(self.diary)), **(routes or {})}
        app = Starlette(
            routes=[
                WebSocketRoute("/ordinary", _ordinary_socket),
                HttpRoute("/upload", _upload, methods=["POST"]),
                HttpRoute("/slow-upload", _slow_upload, methods=["POST"]),
                HttpRoute("/download", _download),
                HttpRoute("/page", _page),
            ]
        )
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.port: int = self._listener.getsockname()[1]
        config = uvicorn.Config(
            app,
            ws=make_protocol(self.routes.get, limits, self.stats),
            http=make_http_protocol(http),
            loop=loop,
            lifespan="off",
            log_level="critical",
            timeout_graceful_shutdown=3,
            timeout_keep_alive=keep_alive,
        )
        self._server = _Announcing(config)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        self._server.run(sockets=[self._listener])

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._server.announced.wait(PATIENCE), "the server did not start"
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        self.wait_stopped()

    def stop(self) -> None:
        self._server.should_exit = True

    def wait_stopped(self) -> None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the server did not stop"
        self._listener.close()

    def run(self, action: Callable[[], _T]) -> _T:
        """Runs `action` on the server's event loop and gives what it returns."""
        answer: concurrent.futures.Future[_T] = concurrent.futures.Future()

        def act() -> None:
            try:
                answer.set_result(action())
            except BaseException as error:
                answer.set_exception(error)

        assert self._server.loop is not None
        self._server.loop.call_soon_threadsafe(act)
        return answer.result(PATIENCE)

    def dial(self) -> socket.socket:
        """A bare TCP connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def connect(self, path: str = "/echo", **more: str) -> "Client":
        """An upgraded connection."""
        client = Client(self.dial())
        client.send_raw(handshake(path, **more))
        status, _ = client.read_response()
        assert status == 101, status
        return client


class _Announcing(uvicorn.Server):
    """Says when it is up, so that nobody has to look again and again."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.announced = threading.Event()
        self.loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.loop = asyncio.get_running_loop()
        self.announced.set()


KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # the example of RFC 6455 section 1.3


def handshake(path: str = "/echo", *, without: str = "", **more: str) -> bytes:
    """An upgrade request; `more` adds or replaces headers (underscores become hyphens)."""
    headers = {
        "host": "rapport.test",
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-key": KEY,
        "sec-websocket-version": "13",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    headers.pop(without, None)
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def masked(
    opcode: int,
    payload: bytes = b"",
    *,
    final: bool = True,
    reserved: int = 0,
    mask: bytes = b"\x37\xfa\x21\x3d",
) -> bytes:
    """A frame as a client sends it; an empty `mask` leaves the mask out, which is an error."""
    first = (0x80 if final else 0) | reserved << 4 | opcode
    marked = 0x80 if mask else 0
    size = len(payload)
    if size < 126:
        head = bytes((first, marked | size))
    elif size < 65536:
        head = bytes((first, marked | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, marked | 127)) + size.to_bytes(8, "big")
    if not mask:
        return head + payload
    long_mask = (mask * (size // 4 + 1))[:size]
    return head + mask + (int.from_bytes(payload, "big") ^ int.from_bytes(long_mask, "big")).to_bytes(size, "big")


class Client:
    """One end of a connection, reading what a server may send: unmasked frames, none of them fragmented."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._stream = sock.makefile("rb")

    def send_raw(self, data: bytes) -> None:
        self.sock.sendall(data)

    def send(self, text: bytes) -> None:
        self.send_raw(masked(1, text))

    def read_response(self) -> tuple[int, dict[str, str]]:
        """Status and headers; the body under the name "body"."""
        status = int(self._stream.readline().split(b" ")[1])
        headers: dict[str, str] = {}
        while (line := self._stream.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        headers["body"] = self._stream.read(int(headers.get("content-length", "0"))).decode()
        return status, headers

    def read(self) -> tuple[int, bytes]:
        """The next frame as (opcode, payload); EOFError once the server has closed."""
        head = self._exactly(2)
        assert head[0] & 0x80 and not head[1] & 0x80, "a server sends whole frames without a mask"
        size = head[1] & 0x7F
        if size == 126:
            size = int.from_bytes(self._exactly(2), "big")
        elif size == 127:
            size = int.from_bytes(self._exactly(8), "big")
        return head[0] & 0x0F, self._exactly(size)

    def read_close(self) -> tuple[int, str]:
        """Code and reason of the close frame that comes next, 1005 if it is empty."""
        opcode, payload = self.read()
        assert opcode == 8, (opcode, payload[:50])
        return (int.from_bytes(payload[:2], "big") if payload else 1005), payload[2:].decode()

    def is_over(self) -> bool:
        """Whether the server closes its side now, or the whole connection."""
        try:
            return self._stream.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self._stream.close()
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _exactly(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) < size:
            raise EOFError("the server has closed")
        return data


class Bare:
    """Answers each message with itself and remembers nothing, so that only the connection has weight."""

    __slots__ = ("_connection",)

    def open(self, connection: Connection) -> None:
        self._connection = connection

    def text(self, payload: bytes) -> None:
        self._connection.send(text_frame(payload))

    def closed(self) -> None:
        del self._connection


if __name__ == "__main__":  # a server in a process of its own, for tests that weigh it
    with LiveServer({"/echo": Door(lambda request: Bare())}, limits=Limits(per_ip=100_000)) as alone:
        print(alone.port, flush=True)
        sys.stdin.read()
