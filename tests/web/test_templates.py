"""Pages and fragments: the same words by the same partials, safe whatever people write, in every language spoken."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from jinja2 import UndefinedError
from lxml import html as lxml_html

from inbox.domain.access import GRANTS, Role
from inbox.domain.cards import ContactCard, CountsCard, ListCard, MessageCard, RowCard, ThreadCard, face
from inbox.domain.events import TYPE_NAMES, ConversationEvent
from inbox.domain.message import DeliveryState
from inbox.domain.views import Filter, Name, View
from inbox.web.templates import LOCALES, Templates, as_json, catalogue, language, linked, words_to_translate

TOP = Path(__file__).resolve().parent.parent.parent
FOLDER, STATIC = TOP / "templates", TOP / "static"
CID, SEAT = "c" * 32, "a" * 32
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
EVIL = '<script>alert(1)</script> <b hx-get="/x">"\'&</b> </textarea>'
EVENTS = [name for kind, name in TYPE_NAMES.items() if issubclass(kind, ConversationEvent) and kind.drawn]

BO, ANA = face("b" * 32, "Bo Bearing"), face(SEAT, "Ana Alder")
ROW = RowCard(
    id=CID,
    contact=BO,
    medium="webchat",
    kind="chat",
    is_public=False,
    inbox_id="i" * 32,
    inbox_name="Website",
    subject="A kettle",
    snippet="Is it on?",
    snippet_by="contact",
    last_at=NOON,
    status="open",
    owed_since=NOON,
    due_at=NOON + timedelta(minutes=5),
    target_seconds=300,
    snoozed_until=None,
    assignee=ANA,
    team_name="",
    inbound_count=2,
    reopen_count=1,
    resolved_at=None,
    resolved_by="",
    sort="0-1",
    last_message_id="1" * 32,
)
SAID = MessageCard(
    id="1" * 32,
    conversation_id=CID,
    direction="inbound",
    author=BO,
    author_kind="contact",
    body="Is it on?",
    at=NOON,
    state="",
    reason="",
    client_id="",
    event="",
    about=None,
    sort="1" * 32,
)
CHANGED = msgspec.structs.replace
REPLY = CHANGED(SAID, id="2" * 32, direction="outbound", author=ANA, author_kind="agent", state="sent", client_id="k")
NOTE = CHANGED(SAID, id="3" * 32, direction="note", author=ANA, author_kind="agent")
TOLD = CHANGED(SAID, id="4" * 32, direction="system", author=None, event="assigned", about=ANA)
COUNTS = CountsCard(
    open=4,
    unassigned=2,
    snoozed=1,
    resolved=9,
    needs_us=3,
    waiting=1,
    late=2,
    unassigned_late=1,
    media=(("webchat", 4),),
)


def document(page: str) -> Any:
    return lxml_html.document_fromstring(page)


def fragments(pushed: str) -> list[Any]:
    found: list[Any] = list(lxml_html.fragments_fromstring(pushed, no_leading_text=True))
    return found


def source(element: Any) -> str:
    return str(lxml_html.tostring(element, encoding="unicode", with_tail=False))


def static(name: str) -> str:
    assert (STATIC / name).is_file(), f"{name} is not there"
    return f"/static/{name}"


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates(FOLDER, STATIC / "vendor", static)


def desk(**changed: Any) -> dict[str, Any]:
    contact = ContactCard(
        BO, "de", "Bath", NOON, (("email", "bo@example.com", "says"),), (("d" * 32, "email", "Lid", NOON),)
    )
    return {
        "workspace": SimpleNamespace(name="Brindlewick", slug="brindlewick"),
        "seat": ANA,
        "role": "admin",
        "may": GRANTS[Role.ADMIN],
        "csrf": "the-token",
        "nonce": "the-nonce",
        "theme": "",
        "epoch": "e",
        "seq": 7,
        "build": "b",
        "is_demo": True,
        "view": View(Name.OPEN, Filter.ALL),
        "shown": ListCard("open.all.due", (ROW,), ""),
        "thread": ThreadCard(ROW, contact, (SAID, REPLY, NOTE, TOLD), "0", can_reply=True),
        "counts": COUNTS,
        "mine": 1,
        "marks": {CID: 1},
        "agents": [ANA],
    } | changed


def pages() -> dict[str, tuple[str, dict[str, Any]]]:
    plain = {"nonce": "n", "theme": "dark", "error": "No."}
    brindlewick = SimpleNamespace(name="Brindlewick", slug="brindlewick")
    hit = SimpleNamespace(row=ROW, parts=(("Is ", False), ("it", True)))
    return {
        "desk": ("agent/inbox/show.html", desk()),
        "nothing open": ("agent/inbox/show.html", desk(thread=None)),
        "an empty list": ("agent/inbox/show.html", desk(shown=ListCard("open.all.due", (), ""), thread=None)),
        "put away": (
            "agent/inbox/show.html",
            desk(view=View(Name.SNOOZED), shown=ListCard("snoozed.all.due", (ROW,), "")),
        ),
        "an expert": ("agent/inbox/show.html", desk(may=GRANTS[Role.EXPERT], is_demo=False)),
        "found": ("agent/search/show.html", desk(view=None, query="it", hits=[hit])),
        "not found": ("agent/search/show.html", desk(view=None, query=EVIL, hits=[])),
        "sign in": ("agent/sign_in.html", plain | {"next": "/", "email": ""}),
        "setup": ("agent/setup.html", plain),
        "invite": ("agent/invite.html", plain | {"email": "bo@example.com", "invited": "Bo", "role": "agent"}),
        "reset": ("agent/reset.html", plain),
        "error": ("errors/error.html", plain | {"status": 404, "message": "Nothing here."}),
        "demo": (
            "demo/start.html",
            plain | {"workspace": brindlewick, "seats": [(ANA, "agent")], "shop": "http://shop/"},
        ),
        "shop": ("demo/shop.html", {"loader": "http://w/widget.js", "key": "k", "accent": "#123456"}),
    }


PAGES = pages()


# --- Words --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", [locale for locale in LOCALES if locale != "en"])
def test_every_text_is_translated_and_no_other(locale: str) -> None:
    said, known = set(words_to_translate(FOLDER)), catalogue(FOLDER, locale)
    assert len(said) > 100
    assert said - set(known) == set(), "not translated"
    assert set(known) - said == set(), "said nowhere any more"


@pytest.mark.parametrize("locale", [locale for locale in LOCALES if locale != "en"])
def test_a_translation_keeps_its_blanks(locale: str) -> None:
    for text, translated in catalogue(FOLDER, locale).items():
        assert Counter(re.findall(r"\{\w+\}", text)) == Counter(re.findall(r"\{\w+\}", translated)), text


def test_a_fuzzy_translation_is_none(tmp_path: Path) -> None:
    (tmp_path / "locales").mkdir()
    (tmp_path / "locales" / "de.po").write_text('msgid "a"\nmsgstr "A"\n\n#, fuzzy\nmsgid "b"\nmsgstr "B"\n')
    assert catalogue(tmp_path, "de") == {"a": "A"}


def test_words_put_together_at_run_time_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("{{ _(title) }}")
    with pytest.raises(TypeError, match="a.html:1"):
        words_to_translate(tmp_path)


def test_a_language_is_called_by_its_name() -> None:
    assert language("de", "en") == "German"
    assert language("en-GB", "de") == "Englisch (Vereinigtes Königreich)"
    assert language("??", "en") == "??"


# --- Pages --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_sound(templates: Templates, page: str, locale: str) -> None:
    name, context = PAGES[page]
    drawn = templates.render(name, locale, **context)
    tree = document(drawn)
    assert page == "shop" or (tree.get("lang"), tree.get("dir")) == (locale, "rtl" if locale == "ar" else "ltr")
    ids = Counter(str(element.get("id")) for element in tree.xpath("//*[@id]"))
    assert [key for key, times in ids.items() if times > 1] == []
    assert len(tree.xpath("//h1")) == 1
    assert not tree.xpath("//*[@style] | //*[@*[starts-with(name(), 'on')]]")
    for script in tree.xpath("//script[not(@type='application/json')]"):
        assert script.get("src") and (page == "shop" or script.get("nonce")), "a script without a nonce is not run"
    for control in tree.xpath("//button | //a[@href] | //input[not(@type='hidden')] | //textarea"):
        assert _name_of(tree, control), source(control)


def _name_of(tree: Any, control: Any) -> str:
    labels = tree.xpath(f"//label[@for='{control.get('id')}']") if control.get("id") else []
    around = control.xpath("ancestor::label")
    words = [control.get("aria-label"), control.get("title"), control.text_content()]
    if control.get("data-held") is not None:
        return "said by the browser"
    return "".join(str(w) for w in [*words, *(e.text_content() for e in [*labels, *around])] if w).strip()


def test_a_page_says_what_its_reader_may_do(templates: Templates) -> None:
    page = document(templates.render("agent/inbox/show.html", "en", **desk(may=GRANTS[Role.EXPERT])))
    held = {key.removeprefix("data-may-") for key in page.find("body").attrib if key.startswith("data-may-")}
    assert held == {permission.value for permission in GRANTS[Role.EXPERT]}


def test_one_who_may_not_reply_has_only_the_yellow_paper(templates: Templates) -> None:
    thread = CHANGED(desk()["thread"], can_reply=False)
    page = document(templates.render("agent/inbox/show.html", "en", **desk(thread=thread)))
    papers = page.xpath("//input[@name='paper']")
    assert [(p.get("value"), p.get("checked") is not None) for p in papers] == [("note", True)]


@pytest.mark.parametrize("pane", ["list", "thread"])
def test_a_pane_alone_is_the_pane_of_the_page(templates: Templates, pane: str) -> None:
    page = templates.render("agent/inbox/show.html", "en", **desk())
    assert templates.render(f"agent/inbox/{pane}.html", "en", **desk()).strip() in page


# --- Fragments ----------------------------------------------------------------------------------------------


def drawn(templates: Templates, event: str, locale: str, **context: Any) -> str:
    """What a watcher of the conversation gets of one event: its entries, then head, person and ending."""
    template = f"agent/live/{event}.html"
    return "".join(templates.render_block(template, block, locale, **context) for block in ("entries", "about"))


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("event", EVENTS)
def test_what_is_pushed_is_what_a_page_shows(templates: Templates, event: str, locale: str) -> None:
    page = document(templates.render("agent/inbox/show.html", locale, **desk()))
    for message in (None, SAID, REPLY, NOTE, TOLD):
        pushed = drawn(templates, event, locale, row=ROW, message=message, messages=(), slug="brindlewick")
        for part in fragments(pushed):
            assert source(part) == source(page.get_element_by_id(part.get("id")))
    (row,) = fragments(
        templates.render_block(
            f"agent/live/{event}.html", "row", locale, row=ROW, gone=None, key="open.all.due", slug="brindlewick"
        )
    )
    assert source(row) == source(page.get_element_by_id(f"row-{CID}"))


def test_the_numbers_pushed_are_the_numbers_shown(templates: Templates) -> None:
    page = document(templates.render("agent/inbox/show.html", "en", **desk()))
    pushed = templates.render("agent/inbox/_counts.html", "en", counts=COUNTS)
    pushed += templates.render("agent/inbox/_mine.html", "en", mine=1)
    numbers = fragments(pushed)
    assert len(numbers) == 10
    for number in numbers:
        assert source(number) == source(page.get_element_by_id(number.get("id")))


def test_a_fragment_is_the_same_for_everybody(templates: Templates) -> None:
    pushed = "".join(
        templates.render_block(
            "agent/live/reply_written.html",
            block,
            "en",
            row=ROW,
            message=REPLY,
            messages=(),
            gone=None,
            key="open.all.due",
            slug="b",
        )
        for block in ("entries", "about", "row")
    )
    assert "csrf" not in pushed and "may-" not in pushed and "mine" not in pushed
    assert not re.search(r"\d+ (m|min|hours?) ", document(f"<div>{pushed}</div>").text_content())


def test_a_row_that_left_is_taken_out(templates: Templates) -> None:
    pushed = templates.render_block(
        "agent/live/conversation_resolved.html", "row", "en", row=None, gone=CID, key="k", slug="b"
    )
    assert pushed.strip() == f'<li id="row-{CID}" data-remove></li>'


def test_a_read_mark_names_its_conversation(templates: Templates) -> None:
    mark = SimpleNamespace(conversation_id=CID, inbound=3)
    pushed = templates.render_block("agent/live/read_mark_moved.html", "seat", "en", mark=mark)
    assert f'id="mark-{CID}" data-mark="3" data-into="marks-live"' in pushed


@pytest.mark.parametrize("state", [state.value for state in DeliveryState if state.value])
def test_every_delivery_state_has_words_and_a_sign(templates: Templates, state: str) -> None:
    message = CHANGED(REPLY, state=state)
    pushed = drawn(templates, "delivery_changed", "en", row=ROW, message=message, messages=(), slug="b")
    meta = document(f"<div>{pushed}</div>").xpath("//*[@data-state]")[0]
    assert meta.text_content().strip() and meta.getnext().tag == "svg"


@pytest.mark.parametrize("status", ["open", "snoozed", "resolved"])
def test_the_head_offers_what_can_be_done(templates: Templates, status: str) -> None:
    row = CHANGED(ROW, status=status, due_at=None, snoozed_until=NOON, resolved_at=NOON, resolved_by="agent")
    pushed = drawn(templates, "conversation_snoozed", "en", row=row, message=None, messages=(), slug="b")
    tree = document(f"<div>{pushed}</div>")
    offered = {
        (verb, str(control.get(f"hx-{verb}")).rpartition("/")[2])
        for verb in ("put", "delete")
        for control in tree.xpath(f"//*[@hx-{verb}]")
    }
    snooze = bool(tree.xpath("//*[@data-menu][contains(@data-menu, 'snooze')]"))
    assert (offered, snooze) == {
        "open": ({("put", "resolution")}, True),
        "snoozed": ({("put", "resolution"), ("delete", "snooze")}, False),
        "resolved": ({("delete", "resolution")}, False),
    }[status]


# --- Whatever people write ----------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["inbound", "outbound", "note"])
def test_words_stay_words(templates: Templates, direction: str) -> None:
    evil = face("b" * 32, EVIL)
    message = CHANGED(SAID, body=EVIL, author=evil, direction=direction)
    row = CHANGED(ROW, contact=evil, subject=EVIL, snippet=EVIL, inbox_name=EVIL)
    given = desk()["thread"]
    thread = CHANGED(given, row=row, contact=CHANGED(given.contact, person=evil, city=EVIL), messages=(message,))
    page = document(
        templates.render(
            "agent/inbox/show.html", "en", **desk(thread=thread, shown=ListCard("open.all.due", (row,), ""))
        )
    )
    assert EVIL in page.get_element_by_id(f"msg-{message.id}").text_content()
    assert not [s for s in page.xpath("//script") if "alert" in (s.text or "")]
    assert not page.xpath("//*[@hx-get='/x']")
    for bold in page.xpath(
        "//*[contains(@class, 'bubble') or contains(@class, 'said') or contains(@class, 'snippet')]"
    ):
        assert bold.get("hx-ignore") is not None and bold.get("dir") == "auto"


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see https://example.com/a?b=1&c=2.", ["https://example.com/a?b=1&c=2"]),
        ("(http://example.com)", ["http://example.com"]),
        ('https://example.com/"onmouseover="x', ["https://example.com/"]),
        ("https://example.com/<b>", ["https://example.com/"]),
        ("javascript:alert(1) data:text/html,x //example.com ftp://example.com", []),
        ("", []),
    ],
)
def test_only_web_addresses_become_links(text: str, links: list[str]) -> None:
    drawn = document(f"<div>{linked(text)}</div>")
    assert drawn.text_content() == text
    assert [a.get("href") for a in drawn.iter("a")] == links
    assert {(a.get("rel"), a.get("target")) for a in drawn.iter("a")} <= {("noopener noreferrer nofollow", "_blank")}


def test_json_cannot_end_its_script() -> None:
    value = {"a": "</script><!-- & "}
    assert not set("<>&") & set(as_json(value))
    assert json.loads(as_json(value)) == value


# --- The engine ---------------------------------------------------------------------------------------------


def test_what_is_missing_is_an_error(templates: Templates) -> None:
    with pytest.raises(UndefinedError):
        templates.render("errors/error.html", "en", nonce="n", theme="")


def test_an_icon_is_for_eyes_only(templates: Templates) -> None:
    drawn = templates.icon("chevron-left", 22)
    assert 'aria-hidden="true"' in drawn and 'width="22"' in drawn and "mirrored" in drawn
    assert "mirrored" not in templates.icon("check")
    with pytest.raises(FileNotFoundError):
        templates.icon("no-such-icon")


def test_a_medium_without_a_mark_has_two_letters(templates: Templates) -> None:
    assert templates.glyph("mastodon") == '<b aria-hidden="true">Ma</b>'
    assert templates.glyph("messenger").startswith("<svg")


def test_an_unknown_language_is_answered_in_english(templates: Templates) -> None:
    assert 'lang="en"' in templates.render("errors/error.html", "xx", nonce="n", theme="", status=404, message="Gone.")
