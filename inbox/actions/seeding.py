"""The demo's people and conversations, from the scenario file, through the same verbs as everything else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from inbox.actions import handling, messaging, workspace
from inbox.actions.intake import receive_messages
from inbox.domain.access import Role, Viewer
from inbox.domain.agent import Agent
from inbox.domain.contact import Contact
from inbox.domain.conversation import Conversation, Status
from inbox.domain.exchange import Received, Sender
from inbox.domain.transit import Who
from inbox.store import seats
from inbox.store.transaction import BulkItem, Transaction

Scenario = dict[str, Any]
MEDIA = ("webchat",)  # those whose channel exists; the others follow with theirs
ROBOTS = ("Robin (demo)", "Juno (demo)", "Pip (demo)")
WIDGET_KEY = "demo-shop"
ACCENT = "#21783b"


class Everything(frozenset[str]):
    """Holds every key: nobody else writes into a workspace that is being founded."""

    def __contains__(self, key: object) -> bool:
        return True


def seed(tx: Transaction, scenario: Scenario) -> None:
    """Fill the workspace named by `tx.workspace_id`. Times are relative to this moment."""
    tx.keys = Everything()
    now = tx.now
    brand = scenario["workspace"]["brand"]
    workspace.found(tx, slug=brand.lower(), name=brand, is_demo=True)
    inbox_id = workspace.add_inbox(
        tx,
        channel="webchat",
        medium="webchat",
        name="Website live chat",
        config={
            "brand": brand,
            "accent": ACCENT,
            "welcome": "Ask us anything about our kettles, lights and mugs.",
        },
        key=WIDGET_KEY,
    )
    people = _people(tx, scenario)
    contacts = {c["id"]: c for c in scenario["contacts"]}
    for story in sorted(scenario["conversations"], key=lambda c: int(c["created_offset_min"])):
        if story["threads"][0]["medium"] in MEDIA:
            _Story(tx, now, inbox_id, people, contacts, story).tell()
    tx.now = now


def _people(tx: Transaction, scenario: Scenario) -> dict[str, Viewer]:
    found: dict[str, Viewer] = {}
    members: dict[str, list[str]] = {}
    domain = scenario["workspace"]["domain"]
    for person in scenario["agents"]:
        user_id = workspace.add_user(tx, email=f"{person['id'][2:]}@{domain}", name=person["name"])
        agent_id = workspace.add_seat(
            tx,
            user_id=user_id,
            name=person["name"],
            role=Role(person["role"]),
            is_senior=person["senior"],
            is_trainee=person["trainee"],
            capacity=person["capacity"],
            languages=" ".join(person["languages"]),
        )
        members.setdefault(person["team"], []).append(agent_id)
        found[person["id"]] = _viewer(tx, agent_id)
    for name in ROBOTS:
        user_id = workspace.add_user(tx, email=f"{name.split()[0].lower()}.robot@{domain}", name=name)
        workspace.add_seat(tx, user_id=user_id, name=name, role=Role.AGENT, is_robot=True)
    for team in scenario["teams"]:
        workspace.add_team(
            tx,
            name=team["name"],
            is_expert=team.get("expert", False),
            agent_ids=tuple(members.get(team["id"], ())),
        )
    tx.flush()
    return found


def _viewer(tx: Transaction, agent_id: str) -> Viewer:
    return seats.viewer_of_across_workspaces(tx, tx.get(Agent, agent_id))


class _Story:
    """One conversation of the scenario, told message by message at its own times."""

    def __init__(
        self,
        tx: Transaction,
        now: datetime,
        inbox_id: str,
        people: dict[str, Viewer],
        contacts: dict[str, Any],
        story: dict[str, Any],
    ) -> None:
        self.tx = tx
        self.start = now
        self.inbox_id = inbox_id
        self.people = people
        self.contact = contacts[story["contact"]]
        self.story = story
        self.conversation_id = ""

    def tell(self) -> None:
        for message in self.story["messages"]:
            self._at(message["offset_min"])
            if message["direction"] == "inbound":
                self._hear(message)
            elif message["direction"] in ("outbound", "note") and message["author"] in self.people:
                self._write(message)
        if not self.conversation_id:
            return
        self._give_to(self.story["assignee"])
        if self.story["status"] == Status.RESOLVED:
            resolution = self.story["resolution"]
            self._at(resolution["offset_min"])
            by = self.people.get(resolution["by"]) or next(iter(self.people.values()))
            handling.resolve(self.tx, by, self.conversation_id)

    def _at(self, offset_min: float) -> None:
        self.tx.now = self.start + timedelta(minutes=offset_min)

    def _hear(self, message: dict[str, Any]) -> None:
        thread = next(t for t in self.story["threads"] if t["id"] == message["thread"])
        address = thread["external_key"]
        received = Received(
            external_id=f"{address}:{message['id']}",
            client_id=message["id"],
            thread_key=address,
            sender=Sender(address=address, name=self.contact["name"] or "", language=self.contact["language"]),
            text=message["text"] or "",
            said_at=self.tx.now,
            conversation_kind="chat",
            subject=self.story["subject"] or "",
        )
        who = Who(self.tx.workspace_id, "contact")
        item = BulkItem((self.inbox_id, received), who, self.tx.now, Everything())
        result = receive_messages(self.tx, [item])[0]
        if isinstance(result, BaseException):
            raise result
        self.tx.session.expire_all()
        self.conversation_id = result.conversation_id

    def _write(self, message: dict[str, Any]) -> None:
        viewer = self.people[message["author"]]
        self.tx.who = Who(self.tx.workspace_id, "agent", viewer.agent_id)
        messaging.write(
            self.tx,
            viewer,
            self.conversation_id,
            paper="note" if message["direction"] == "note" else "reply",
            client_id=message["id"],
            body=message["text"],
        )

    def _give_to(self, author: str | None) -> None:
        conversation = self.tx.get(Conversation, self.conversation_id)
        if author is not None and conversation.assignee_id != self.people[author].agent_id:
            handling.assign(
                self.tx, self.people[author], self.conversation_id, self.people[author].agent_id, expect=None
            )
        person = self.tx.get(Contact, conversation.contact_id)
        person.city = self.contact.get("city") or ""
        self.tx.flush()
