"""The cast: Ana the agent, Cy the admin, Bo the visitor, and a second workspace that must never leak into the first."""

from __future__ import annotations

from dataclasses import dataclass

from inbox.actions import workspace as workspace_actions
from inbox.domain.access import Role, Viewer
from inbox.domain.ids import new_id
from inbox.domain.transit import Who
from inbox.store.seats import viewer_by_id_across_workspaces
from inbox.store.store import Store


@dataclass
class House:
    """One workspace with its people and one website inbox."""

    id: str
    slug: str
    ana: Viewer
    cy: Viewer
    inbox_id: str
    inbox_key: str
    who_ana: Who
    who_cy: Who
    user_ana: str
    user_cy: str

    @property
    def visitor(self) -> Who:
        return Who(self.id, "contact")


@dataclass
class World:
    store: Store
    home: House
    other: House


async def build_house(store: Store, slug: str, key: str) -> House:
    """Found a workspace with Ana (agent), Cy (admin) and a website inbox."""
    workspace_id = new_id()
    who = Who(workspace_id)
    await store.write(workspace_actions.found, slug=slug, name=slug.title(), who=who)
    inbox_id = await store.write(
        workspace_actions.add_inbox, channel="webchat", medium="webchat", name="Website", key=key, who=who
    )
    seats: dict[str, Viewer] = {}
    users: dict[str, str] = {}
    for name, role in (("Ana Brook", Role.AGENT), ("Cy Denholm", Role.ADMIN)):
        first = name.split()[0].lower()
        users[first] = await store.write(
            workspace_actions.add_user, email=f"{first}@{slug}.example", name=name, who=who
        )
        agent_id = await store.write(workspace_actions.add_seat, user_id=users[first], name=name, role=role, who=who)
        viewer = await store.read(viewer_by_id_across_workspaces, workspace_id, agent_id)
        assert viewer is not None
        seats[first] = viewer
    return House(
        id=workspace_id,
        slug=slug,
        ana=seats["ana"],
        cy=seats["cy"],
        inbox_id=inbox_id,
        inbox_key=key,
        who_ana=Who(workspace_id, "agent", seats["ana"].agent_id),
        who_cy=Who(workspace_id, "agent", seats["cy"].agent_id),
        user_ana=users["ana"],
        user_cy=users["cy"],
    )


async def build_world(store: Store) -> World:
    """Both workspaces, alike but for their ids."""
    home = await build_house(store, "home", "home-key")
    other = await build_house(store, "other", "other-key")
    return World(store, home, other)
