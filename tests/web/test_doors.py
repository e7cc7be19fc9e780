"""Signing in, and what every route asks of a change: session, origin, token, seat."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from starlette.routing import Route

from inbox.actions import people, workspace
from inbox.domain.access import Role
from inbox.domain.errors import InboxError
from inbox.domain.ids import new_id
from inbox.domain.transit import Who
from inbox.web.agent.sign_in import local_path
from inbox.web.app import ROUTES
from inbox.web.auth import hash_password
from tests.running import Running, greet, write

PASSWORD = "correct horse battery"
OPEN_TO_ALL = {"/healthz", "/readyz", "/metrics", "/widget.js", "/sign-in", "/setup"}


async def with_password(served: Running, email: str = "ana@home.example") -> None:
    hashed = await hash_password(PASSWORD)

    def give(tx: Any) -> None:
        tx.connection.execute(text('UPDATE "user" SET password_hash = :h WHERE email = :e'), {"h": hashed, "e": email})

    await served.house.store.write(give, who=Who(""))


async def test_a_person_signs_in_and_the_cookie_is_safe(served: Running) -> None:
    await with_password(served)
    async with httpx2.AsyncClient(base_url=served.origin, headers={"Origin": served.origin}) as browser:
        answer = await browser.post("/sign-in", data={"email": " ANA@home.example", "password": PASSWORD, "next": "/"})
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=lax" in cookie and "path=/" in cookie
        assert (await browser.get("/w/home/inbox/open")).status_code == 200
        assert (await browser.get("/w/other/inbox/open", headers={"Accept": "text/html"})).status_code == 404


async def test_wrong_passwords_pause_the_account_and_no_header_resets_it(served: Running) -> None:
    await with_password(served)
    async with httpx2.AsyncClient(base_url=served.origin, headers={"Origin": served.origin}) as browser:
        for n in range(5):
            answer = await browser.post("/sign-in", data={"email": "ana@home.example", "password": f"wrong {n}"})
            assert answer.status_code == 401
        for n in range(3):
            answer = await browser.post(
                "/sign-in",
                data={"email": "ana@home.example", "password": PASSWORD},
                headers={"X-Forwarded-For": f"10.0.0.{n}", "X-Real-IP": f"10.0.1.{n}"},
            )
            assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 0
        unknown = await browser.post("/sign-in", data={"email": "nobody@home.example", "password": "x"})
        assert "Wrong email or password" in unknown.text


@pytest.mark.parametrize(
    "hostile",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/\t/evil",
        "\\\\evil",
        "evil",
        "",
        "/http://x",
    ],
)
def test_after_signing_in_only_a_path_of_ours_is_next(hostile: str) -> None:
    found = local_path(hostile)
    assert found.startswith("/") and not found.startswith(("//", "/\\")) and ":" not in found


def changes() -> list[tuple[str, str]]:
    found = []
    for route in ROUTES:
        assert isinstance(route, Route)
        found += [(m, route.path) for m in sorted((route.methods or set()) - {"GET", "HEAD"})]
    return found


def filled(path: str, slug: str = "home", key: str = "0" * 32) -> str:
    parts = {"{slug}": slug, "{id}": key, "{token}": "x" * 40, "{view}": "open", "{key}": "home-key"}
    for name, value in parts.items():
        path = path.replace(name, value)
    return path


async def digest(served: Running) -> dict[str, int]:
    """Rows per table: a refused change must leave all as it was."""

    def count(rx: Any) -> dict[str, int]:
        from inbox.domain.everything import METADATA

        tables = [t for t in METADATA.tables if t not in ("session", "job")]
        return {t: int(rx.connection.execute(text(f'SELECT count(*) FROM "{t}"')).scalar_one()) for t in tables}

    return await served.house.store.read(count)


async def test_no_change_is_made_from_another_site_or_without_the_token(served: Running) -> None:
    before = await digest(served)
    async with await served.client(served.world.home.user_cy) as cy:
        for method, path in changes():
            for headers in (
                {"Origin": "https://evil.example"},
                {"Sec-Fetch-Site": "cross-site"},
                {"X-CSRF-Token": "forged"},
            ):
                if "X-CSRF-Token" in headers and ("{token}" in path or path in ("/sign-in", "/setup")):
                    continue  # these doors have no session yet: origin and one-time token guard them
                answer = await cy.request(method, filled(path), headers=headers, data={"x": "1"})
                assert answer.status_code in (403, 404), (method, path, headers, answer.status_code)
    assert await digest(served) == before


async def test_every_page_carries_its_guards(served: Running) -> None:
    async with await served.client(served.world.home.user_cy) as cy:
        for route in ROUTES:
            assert isinstance(route, Route)
            if "GET" not in (route.methods or set()):
                continue
            answer = await cy.get(filled(route.path))
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy and "unsafe-eval" not in policy, route.path
            assert "unsafe-inline" not in policy and "frame-ancestors" in policy, route.path
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.status_code < 500, (route.path, answer.text)


def ids_of(rx: Any, workspace_id: str) -> list[str]:
    """One id of each kind that stands in a URL."""
    found = []
    for table in ("conversation", "team", "agent", "inbox"):
        query = text(f"SELECT id FROM {table} WHERE workspace_id = :w")
        found += [str(row[0]) for row in rx.connection.execute(query, {"w": workspace_id})]
    return found


async def test_every_route_of_a_workspace_is_404_to_everybody_else(served: Running) -> None:
    """Generated: each route, as a stranger with a seat elsewhere, with real ids of the home workspace."""
    world = served.world
    async with served.visitor() as visitor:
        await greet(visitor)
        await write(visitor, "a secret canary")
    ids = await served.house.store.read(ids_of, world.home.id)
    before = await digest(served)
    async with await served.client(world.other.user_cy) as stranger:
        for route in ROUTES:
            assert isinstance(route, Route)
            if "{slug}" not in route.path:
                continue
            for key in ids if "{id}" in route.path else ids[:1]:
                for method in sorted((route.methods or set()) - {"HEAD"}):
                    for slug in ("home", "other") if "{id}" in route.path else ("home",):
                        fields = {
                            "paper": "reply",
                            "client_id": "x",
                            "body": "x",
                            "inbound": "1",
                            "agent_id": "me",
                            "name": "x",
                        }
                        answer = await stranger.request(
                            method, filled(route.path, slug, key), data=fields if method != "GET" else None
                        )
                        refused = answer.status_code in (
                            404,
                            422,
                        )  # 422: the form was refused before anything was looked up
                        page_of_their_own = slug == "other" and method == "GET" and route.path.endswith("/people")
                        assert refused or page_of_their_own, (method, route.path, slug, answer.status_code)
                        assert "canary" not in answer.text
    after = await digest(served)
    assert {t: after[t] for t in ("message", "conversation", "contact", "agent", "inbox", "team")} == {
        t: before[t] for t in ("message", "conversation", "contact", "agent", "inbox", "team")
    }


async def test_a_seat_scoped_to_another_inbox_sees_nothing(served: Running) -> None:
    home, store = served.world.home, served.house.store
    who = Who(home.id)
    second = await store.write(workspace.add_inbox, channel="webchat", medium="webchat", name="Second", who=who)
    user = await store.write(workspace.add_user, email="limited@home.example", name="Lim Ited", who=who)
    await store.write(workspace.add_seat, user_id=user, name="Lim", role=Role.AGENCY, inbox_ids=(second,), who=who)
    async with served.visitor() as visitor:
        await greet(visitor)
        await write(visitor, "a secret canary")
    key = await store.read(lambda rx: str(rx.connection.execute(text("SELECT id FROM conversation")).scalar_one()))
    async with await served.client(user) as limited, await served.client(home.user_ana) as ana:
        assert "canary" in (await ana.get(f"/w/home/inbox/open/{key}")).text, "the precondition: it is there to be seen"
        assert "canary" in (await ana.get("/w/home/search", params={"q": "canary"})).text
        assert (await limited.get(f"/w/home/inbox/open/{key}")).status_code == 404
        found = (await limited.get("/w/home/search", params={"q": "canary"})).text
        assert "secret" not in found
        assert 'id="count-open">0<' in (await limited.get("/w/home/inbox/open")).text


async def test_invites_and_resets_work_once_and_never_empty(served: Running) -> None:
    home, store = served.world.home, served.house.store
    token = await store.write(
        people.invite, home.cy, email="New@home.example", name="New", role=Role.AGENT, inbox_ids=(), who=home.who_cy
    )
    headers = {"Origin": served.origin, "Accept": "text/html"}
    async with httpx2.AsyncClient(base_url=served.origin, headers=headers) as browser:
        for wrong in ("", token.upper(), token[:-1], "null", "None"):
            answer = await browser.get(f"/invite/{wrong}")
            assert answer.status_code in (404, 410), wrong
        fields = {"name": "New Person", "password": PASSWORD}
        assert (await browser.post(f"/invite/{token}", data=fields)).status_code == 303
        assert (await browser.post(f"/invite/{token}", data=fields)).status_code == 410
        assert (await browser.get("/w/home/inbox/open")).status_code == 200
    reset = await store.write(people.offer_reset_to, home.cy, home.ana.agent_id, who=home.who_cy)
    async with httpx2.AsyncClient(base_url=served.origin, headers=headers) as browser:
        assert (await browser.post(f"/reset/{reset}", data={"password": "short"})).status_code == 422
        assert (await browser.post(f"/reset/{reset}", data={"password": PASSWORD})).status_code == 303
        assert (await browser.post(f"/reset/{reset}", data={"password": PASSWORD})).status_code == 410


async def test_nobody_lifts_another_above_themselves_and_the_last_owner_stays(served: Running) -> None:
    home, store = served.world.home, served.house.store
    for role in (Role.OWNER,):
        with pytest.raises(InboxError):
            await store.write(people.invite, home.cy, email="x@y.z", name="", role=role, inbox_ids=(), who=home.who_cy)
    with pytest.raises(InboxError):
        await store.write(
            people.invite, home.ana, email="x@y.z", name="", role=Role.AGENT, inbox_ids=(), who=home.who_ana
        )


async def test_the_first_run_asks_for_the_token_once(database_url: str, tmp_path: Any) -> None:
    import asyncio

    from inbox.main import House, server_of
    from inbox.settings import Settings
    from inbox.web.agent.sign_in import setup_token
    from tests.running import _serve, free_port

    house = House(Settings(data_dir=tmp_path / "d", database_url=database_url, port=free_port()))
    server = server_of(house)
    task = asyncio.create_task(_serve(server))
    while not server.started:
        await asyncio.sleep(0.01)
    origin = house.settings.desk_origin
    fields = {"workspace": "Acme", "slug": "acme", "name": "Olga", "email": "o@acme.example", "password": PASSWORD}
    async with httpx2.AsyncClient(base_url=origin, headers={"Origin": origin}) as browser:
        assert (await browser.post("/setup", data={**fields, "token": "guess"})).status_code == 403
        token = setup_token(house.desk)
        assert (await browser.post("/setup", data={**fields, "token": token})).status_code == 303
        assert (await browser.get("/w/acme/settings/people")).status_code == 200
        assert (await browser.post("/setup", data={**fields, "slug": new_id(), "token": token})).status_code == 404
    server.should_exit = True
    await task
