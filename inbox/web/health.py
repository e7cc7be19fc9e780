"""Is it alive, may it be given work, what does it count."""

from __future__ import annotations

import resource
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from inbox.store import log
from inbox.web.desk import Desk, desk_of

PAGE_SIZE_KIB = 4


async def healthz(request: Request) -> Response:
    """The process answers."""
    return PlainTextResponse("ok\n")


async def readyz(request: Request) -> Response:
    """The database answers and takes writes, and the process is not stopping; else 503 with the reason."""
    desk = desk_of(request)
    reason = ""
    if getattr(request.app.state, "draining", False):
        reason = "stopping"
    elif desk.store.is_read_only:
        reason = "read only: the disk is full"
    else:
        try:
            await desk.store.read(log.heads, [""])
        except Exception as error:
            reason = f"database: {type(error).__name__}"
    return PlainTextResponse(f"{reason or 'ready'}\n", status_code=503 if reason else 200)


async def metrics(request: Request) -> Response:
    """Prometheus text: what this process has done and holds."""
    desk = desk_of(request)
    return Response(generate_latest(_collect(desk)), media_type="text/plain; version=0.0.4")


def _collect(desk: Desk) -> CollectorRegistry:
    registry = CollectorRegistry()
    numbers: dict[str, Any] = {
        "rapport_writer_batches_total": desk.store.writer.batches,
        "rapport_writer_actions_total": desk.store.writer.actions,
        "rapport_read_only": int(desk.store.is_read_only),
        "rapport_hub_watchers": desk.hub.watcher_count,
        "rapport_hub_drawn_total": desk.hub.drawn,
        "rapport_peak_rss_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "rapport_rss_kib": rss_kib(),
    }
    if desk.stats is not None:
        numbers |= {f"rapport_socket_{k}": v for k, v in _public(desk.stats).items()}
    for name, value in numbers.items():
        Gauge(name, name, registry=registry).set(value)
    depth = Gauge("rapport_lane_depth", "calls waiting to be written", ["lane"], registry=registry)
    for lane, size in desk.store.lanes.depth().items():
        depth.labels(lane).set(size)
    return registry


def rss_kib() -> int:
    """Resident memory of this process just now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * PAGE_SIZE_KIB


def _public(stats: Any) -> dict[str, int]:
    if isinstance(stats, msgspec.Struct):
        return msgspec.structs.asdict(stats)
    names = getattr(stats, "__slots__", None) or list(vars(stats))
    return {name: getattr(stats, name) for name in names if isinstance(getattr(stats, name), int)}


ROUTES = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
