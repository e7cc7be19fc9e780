"""Wires everything: the only place that knows every part."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from starlette.applications import Starlette

from inbox import logs
from inbox.domain.access import Viewer
from inbox.domain.events import Stamped
from inbox.domain.transit import Who
from inbox.jobs.deliver import Deliver
from inbox.jobs.timers import Timers
from inbox.jobs.worker import Worker
from inbox.realtime.bus import Bus, InProcessBus
from inbox.realtime.http_guard import make_http_protocol
from inbox.realtime.hub import Hub
from inbox.realtime.wire import Stats, make_protocol
from inbox.settings import Settings
from inbox.store import epoch, log
from inbox.store.engine import Database, is_shared
from inbox.store.files import Files
from inbox.store.lock import WriterLock
from inbox.store.migrate import migrate
from inbox.store.seats import viewer_of_user_across_workspaces
from inbox.store.store import Store
from inbox.web import socket
from inbox.web.agent.sign_in import setup_token
from inbox.web.app import create_app
from inbox.web.auth import session_of_cookie
from inbox.web.desk import Desk, Options
from inbox.web.limits import Limits
from inbox.web.live import Live
from inbox.web.static import StaticFiles
from inbox.web.templates import Templates
from inbox.web.widget import socket as widget_socket
from inbox.web.widget.pages import door_across_workspaces
from inbox.web.widget.place import Door
from inbox.web.widget.place import Place as WidgetPlace

PACKAGE = Path(__file__).parent
logger = structlog.get_logger()
Started = Callable[["House"], Any]


def folder(name: str) -> Path:
    """`templates` or `static`: inside the installed package, else beside it in a checkout."""
    inside = PACKAGE / f"_{name}"
    return inside if inside.exists() else PACKAGE.parent / name


class House:
    """One running process: built from settings, started and stopped by the server's lifespan."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self.lock = WriterLock(settings.data_dir)
        if not is_shared(settings.url):
            self.lock.take()
        migrate(settings.url)
        self.store = Store(Database(settings.url))
        self.static = StaticFiles(folder("static"), settings.data_dir / "static-cache")
        self.templates = Templates(folder("templates"), folder("static") / "vendor", self.static.url)
        self.live = Live(self.store, self.templates)
        self.hub = Hub(since=self._since, heads=self._heads, draw=self.live.draw)
        self.bus = self._bus()
        self.worker = Worker(self.store, {"deliver": Deliver(self.store)})
        self.timers = Timers(self.store, Files(settings.data_dir / "files"))
        self.stats = Stats()
        self.epoch = ""
        self.desk = self._desk()
        self.app = create_app(self.desk, lifespan=self.lifespan)
        self.on_started: list[Started] = []
        self.background: list[asyncio.Task[Any]] = []

    def _bus(self) -> Bus:
        if not self.settings.redis_url:
            return InProcessBus()
        from inbox.realtime.redis_bus import RedisBus

        return RedisBus(self.settings.redis_url)

    def _desk(self) -> Desk:
        settings = self.settings
        options = Options(
            app_origin=settings.desk_origin,
            widget_origin=settings.frame_origin,
            is_demo=settings.demo,
            secure_cookies=settings.is_https,
            trusted_proxies=tuple(settings.trusted_proxies),
            build=self.static.build(),
            epoch=lambda: self.epoch,
            demo_shop_origin=f"http://localhost:{settings.port}",
        )
        return Desk(self.store, self.hub, self.templates, self.static, options, Limits(), self.stats)

    def sockets(self) -> Callable[[str], Any]:
        """Which path is whose socket."""
        agent = socket.AgentRoute(
            socket.Place(
                store=self.store,
                hub=self.hub,
                epoch=lambda: self.epoch,
                build=self.desk.options.build,
                app_origin=self.settings.desk_origin,
                authenticate=self._authenticate,
                signal=self._signal,
            )
        )
        visitor = widget_socket.VisitorRoute(
            WidgetPlace(
                store=self.store,
                hub=self.hub,
                epoch=lambda: self.epoch,
                build=self.desk.options.build,
                widget_origin=self.settings.frame_origin,
                secret=self.settings.secret_bytes(),
                clock=self.store.clock,
                door=self._door,
                signal=self._signal,
                frames_per_second=self.settings.visitor_frames_per_second,
            )
        )

        def lookup(path: str) -> Any:
            parts = path.split("/")
            if len(parts) == 4 and parts[3] == "live":
                return {"w": agent, "widget": visitor}.get(parts[1])
            return None

        return lookup

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self.store.start()
        data_dir = None if self.store.database.is_shared else self.settings.data_dir
        self.epoch = await self.store.write(epoch.settle, data_dir, who=Who(""))
        self.store.on_events.append(self.hub.on_events)
        self.store.on_events.append(self._ring)
        await self.bus.start(self.hub.ring, self.hub.signal)
        self.hub.start()
        self.worker.start()
        self.timers.start()
        for started in self.on_started:
            self.background.append(asyncio.create_task(started(self)))
        yield
        app.state.draining = True
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)
        await self.timers.stop()
        await self.worker.stop()
        await self.hub.stop()
        await self.bus.stop()
        await self.store.stop()
        self.lock.release()

    async def _since(self, workspace_id: str, after: int, limit: int) -> list[Stamped]:
        return await self.store.read(log.since, workspace_id, after, limit)

    async def _heads(self, workspace_ids: list[str]) -> dict[str, int]:
        return await self.store.read(log.heads, workspace_ids)

    async def _authenticate(self, cookie: str, slug: str) -> tuple[Viewer, str, str] | None:
        session = await session_of_cookie(self.store, cookie, self.settings.is_https)
        if session is None:
            return None
        viewer, agent, workspace = await self.store.read(
            viewer_of_user_across_workspaces, slug, session.user_id, session.session_id
        )
        return viewer, agent.name, session.locale or workspace.locale

    async def _door(self, key: str) -> Door | None:
        found = await self.store.read(door_across_workspaces, key)
        if found is None:
            return None
        inbox, workspace = found
        brand = str(inbox.config.get("brand") or workspace.name)
        return Door(workspace.id, inbox.id, brand, workspace.is_demo)

    def _signal(self, workspace_id: str, topic: str, frame: bytes, but: object) -> None:
        self.hub.signal(workspace_id, topic, frame, but)
        self.bus.signal(workspace_id, topic, frame)

    def _ring(self, stamped: list[Stamped]) -> None:
        self.bus.ring({event.workspace_id for event in stamped})


def server_of(house: House) -> uvicorn.Server:
    """uvicorn with our sockets and our deadlines."""
    settings = house.settings
    config = uvicorn.Config(
        house.app,
        host=settings.host,
        port=settings.port,
        http=make_http_protocol(None),
        ws=make_protocol(house.sockets(), stats=house.stats),
        loop="uvloop",
        log_level="warning",
        access_log=False,
        backlog=4096,
        timeout_graceful_shutdown=settings.graceful_seconds,
        forwarded_allow_ips=",".join(settings.trusted_proxies) or "",
        server_header=False,
        date_header=True,
    )
    return uvicorn.Server(config)


def serve(settings: Settings, *, on_started: list[Started] | None = None) -> int:
    """Serve until told to stop. Returns the exit code."""
    logs.set_up(settings.log_format, settings.log_level)
    house = House(settings)
    house.on_started.extend(on_started or [])
    house.on_started.append(_announce)
    server_of(house).run()
    return 0


async def _announce(house: House) -> None:
    from inbox.store.users import has_users_across_workspaces

    if not await house.store.read(has_users_across_workspaces):
        link = f"{house.settings.desk_origin}/setup"
        print(f"First run. Open {link} and enter this token: {setup_token(house.desk)}", flush=True)
