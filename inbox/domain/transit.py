"""How an edge names itself when it hands an action to the store."""

from __future__ import annotations

from enum import IntEnum

import msgspec


class Who(msgspec.Struct, frozen=True):
    """In which workspace, and who acts. `actor_kind` is agent, contact, system, api or robot; `network` a cut-off address."""

    workspace_id: str
    actor_kind: str = "system"
    actor_id: str = ""
    network: str = ""


class Lane(IntEnum):
    """Which line an action waits in; a lower number goes first. Outcomes of sends are never refused."""

    OUTCOME = 0
    INTERACTIVE = 1
    INTAKE = 2
    BACKGROUND = 3
