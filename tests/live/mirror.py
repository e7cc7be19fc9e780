"""A browser's page in miniature: draws a page, applies pushed frames as docs/protocol.md says, and is compared with a fresh one."""

from __future__ import annotations

import re
from typing import Any

import httpx2
from lxml import html as lxml_html
from websockets.asyncio.client import ClientConnection

from tests.running import hear, say

REGIONS = (
    "list",
    "head",
    "feed",
    "card-resolution",
    "count-open",
    "count-unassigned",
    "count-snoozed",
    "count-resolved",
)
MORE_REGIONS = ("count-mine", "count-needs_us", "count-waiting", "count-late", "count-media")


class Mirror:
    """One page and its socket."""

    def __init__(self, client: httpx2.AsyncClient, url: str, locale: str) -> None:
        self.client = client
        self.url = url
        self.locale = locale
        self.page: Any = None
        self.cursor = 0

    async def fetch(self) -> Any:
        answer = await self.client.get(self.url, headers={"Accept-Language": self.locale})
        assert answer.status_code == 200, answer.text
        return lxml_html.document_fromstring(answer.text)

    async def open(self, socket: ClientConnection) -> None:
        """Draw the page and begin to follow."""
        self.page = await self.fetch()
        body = self.page.find("body")
        self.cursor = int(body.get("data-seq"))
        await say(socket, t="resume", epoch=body.get("data-epoch"), since=self.cursor)
        await hear(socket, "head", to=self.cursor)
        pane = self.page.get_element_by_id("thread-pane").get("data-conversation")
        view = self.page.get_element_by_id("list-pane").get("data-view")
        await say(socket, t="watch", n=1, views=[view], conversations=[pane] if pane else [], at=self.cursor)
        await hear(socket, "watching", n=1)

    async def follow(self, socket: ClientConnection, head: int) -> None:
        """Apply frames until the cursor has reached `head`."""
        import json

        while self.cursor < head:
            frame = json.loads(await socket.recv())
            if frame["t"] == "draw":
                self.apply(frame["html"])
                self.apply(frame["html"])  # twice is once
            elif frame["t"] == "head":
                assert frame["after"] == self.cursor
                self.cursor = frame["to"]

    def apply(self, fragment: str) -> None:
        found: Any = lxml_html.fragments_fromstring(fragment)
        for element in found:
            if not isinstance(element, str):
                self._place(element)

    def _place(self, element: Any) -> None:
        old = self._find(element.get("id"))
        if element.get("data-remove") is not None:
            if old is not None:
                old.getparent().remove(old)
            return
        if old is not None and (element.get("data-into") is None or element.get("data-sort") == old.get("data-sort")):
            element.tail = old.tail
            old.getparent().replace(old, element)
            return
        if old is not None:
            old.getparent().remove(old)
        if element.get("data-into") is None:
            return
        container = self._find(element.get("data-into"))
        if container is None or (
            container.get("data-until") and element.get("data-sort") > container.get("data-until")
        ):
            return
        for place, child in enumerate(container):
            if child.get("data-sort") is not None and child.get("data-sort") > element.get("data-sort"):
                container.insert(place, element)
                return
        container.append(element)

    def _find(self, key: str) -> Any:
        return self.page.get_element_by_id(key, None)


def regions(page: Any) -> dict[str, str]:
    """What a person sees of each region, white space folded."""
    pane = page.get_element_by_id("thread-pane").get("data-conversation")
    view = page.get_element_by_id("list-pane").get("data-view")
    ids = [f"list-{view}", *REGIONS[4:], *MORE_REGIONS]
    if pane:
        ids += [f"head-{pane}", f"feed-{pane}", f"card-resolution-{pane}", f"panel-{pane}"]
    found = {}
    for key in ids:
        element = page.get_element_by_id(key, None)
        if element is not None:
            if element.get("data-until") is not None:
                element.set("data-until", "")
            text = lxml_html.tostring(element, encoding="unicode", with_tail=False)
            found[key] = re.sub(r">\s+<", "><", re.sub(r"\s+", " ", text))
    return found
