"""Live chat on a website: a visitor's frame is a message, and the log already reaches the widget."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta

import msgspec

from inbox.channels.base import Capability, Malformed, Raw
from inbox.domain.content import clean
from inbox.domain.exchange import Outbound, Outcome, Received, Sender, Sent
from inbox.domain.message import MAX_VISITOR_TEXT

medium = "webchat"
kinds = ("chat",)
capabilities = frozenset({Capability.REPLY, Capability.INSTANT, Capability.TYPING, Capability.READ_MARKS})
max_body = 64 * 1024

TOKEN_DAYS = 180  # sliding: every visit gives a fresh one
MAX_CLIENT_ID = 64
MAX_URL = 500
MAX_NAME = 80  # what a visitor calls themselves: said, never proven


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the widget of one inbox looks and greets. `accent` is a CSS hex colour."""

    accent: str = "#21783b"
    brand: str = ""
    welcome: str = ""


class Page(msgspec.Struct, frozen=True):
    url: str = ""
    title: str = ""


class Frame(msgspec.Struct, frozen=True):
    """A visitor's `send` frame, with who the token says they are."""

    client_id: str
    text: str
    visitor_id: str
    page: Page = Page()
    name: str = ""


class Visitor(msgspec.Struct, frozen=True):
    """What a token says: a visitor of one inbox of one workspace."""

    workspace_id: str
    inbox_id: str
    visitor_id: str
    issued_at: int


def verify(raw: Raw, config: Config) -> bool:
    """Nothing comes by webhook: a visitor is known by the token of the first frame."""
    return False


def parse(raw: Raw, config: Config) -> list[Received]:
    """One `send` frame, with `visitor_id` put in by the socket. Raises: Malformed."""
    try:
        frame = msgspec.json.decode(raw.body, type=Frame)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed("not a send frame") from error
    return [read(frame)]


def read(frame: Frame) -> Received:
    """The message of a frame. Raises: Malformed naming the field."""
    text = clean(frame.text)
    if not text.strip():
        raise Malformed("text: write something first")
    if len(text) > MAX_VISITOR_TEXT:
        raise Malformed(f"text: at most {MAX_VISITOR_TEXT} characters")
    if not 1 <= len(frame.client_id) <= MAX_CLIENT_ID or not frame.client_id.isascii():
        raise Malformed(f"client_id: 1 to {MAX_CLIENT_ID} plain characters")
    return Received(
        # Another visitor's client_id must never answer for this one.
        external_id=f"{frame.visitor_id}:{frame.client_id}",
        client_id=frame.client_id,
        thread_key=frame.visitor_id,
        sender=Sender(address=frame.visitor_id, name=" ".join(clean(frame.name).split())[:MAX_NAME]),
        text=text,
        conversation_kind="chat",
        page_url=frame.page.url[:MAX_URL],
        page_title=clean(frame.page.title)[:MAX_URL],
    )


async def send(outbound: Outbound, config: Config) -> Outcome:
    """Already there: the visitor's socket follows the log."""
    return Sent()


def issue(visitor: Visitor, secret: bytes) -> str:
    """`v1.<key id>.<workspace>.<inbox>.<visitor id>.<issued>.<HMAC>`; the key id lets a secret be changed over."""
    body = f"v1.{_key_id(secret)}.{visitor.workspace_id}.{visitor.inbox_id}.{visitor.visitor_id}.{visitor.issued_at}"
    return f"{body}.{_sign(body, secret)}"


def read_token(token: str, secret: bytes, now: datetime) -> Visitor | None:
    """Whose token this is, or None when it was not made here or is too old. Constant time in the signature."""
    parts = token.split(".")
    if len(parts) != 7 or parts[0] != "v1" or parts[1] != _key_id(secret):
        return None
    body = token.rsplit(".", 1)[0]
    if not hmac.compare_digest(_sign(body, secret).encode(), parts[6].encode()):
        return None
    try:
        issued = int(parts[5])
    except ValueError:
        return None
    age = now.timestamp() - issued
    if not -300 <= age <= timedelta(days=TOKEN_DAYS).total_seconds():
        return None
    return Visitor(parts[2], parts[3], parts[4], issued)


def _key_id(secret: bytes) -> str:
    return hashlib.sha256(b"key id" + secret).hexdigest()[:6]


def _sign(body: str, secret: bytes) -> str:
    digest = hmac.new(secret, body.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
