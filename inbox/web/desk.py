"""What every page of this process is given: the store, the templates, and a few facts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from inbox.realtime.hub import Hub
from inbox.store.store import Store
from inbox.web.limits import Limits
from inbox.web.static import StaticFiles
from inbox.web.templates import Templates


class Options(msgspec.Struct, frozen=True):
    """Facts about this installation. `epoch` is asked each time: a restore changes it."""

    app_origin: str
    widget_origin: str
    is_demo: bool
    secure_cookies: bool
    trusted_proxies: tuple[str, ...]
    build: str
    epoch: Callable[[], str]
    demo_shop_origin: str = ""


class Desk(msgspec.Struct, frozen=True):
    """Stands in `request.app.state.desk`."""

    store: Store
    hub: Hub
    templates: Templates
    static: StaticFiles
    options: Options
    limits: Limits
    stats: Any = None


def desk_of(request: Any) -> Desk:
    desk: Desk = request.app.state.desk
    return desk
