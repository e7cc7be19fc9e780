"""Both sockets as docs/protocol.md says: resume, reset, gapless numbers, refusals by name, access that ends."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from inbox.actions import people, sign_in
from inbox.domain.access import Role
from inbox.domain.ids import new_id
from inbox.domain.transit import Who
from inbox.store import log
from inbox.store.transaction import Reading
from tests.running import Running, greet, hear, running, say, write


async def numbers(socket: Any, upto: int) -> list[int]:
    """The numbers of events until `upto` came."""
    found: list[int] = []
    while not found or found[-1] < upto:
        found.append((await hear(socket, "event"))["n"])
    return found


def count(rx: Reading, table: str) -> int:
    return int(rx.connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


async def conversation_of(served: Running) -> str:
    return str(
        await served.house.store.read(
            lambda rx: rx.connection.execute(text("SELECT id FROM conversation")).scalar_one()
        )
    )


async def test_nothing_is_stored_before_the_first_message(served: Running) -> None:
    async with served.visitor() as socket:
        welcome = await greet(socket)
        assert not welcome["known"]
        assert [await served.house.store.read(count, t) for t in ("contact", "thread", "message")] == [0, 0, 0]
        ack = await write(socket, "hello")
        assert ack["n"] == 1
        assert (await hear(socket, "event"))["text"] == "hello"


async def test_a_visitor_resumes_without_a_gap_and_never_counts_a_note(served: Running) -> None:
    home = served.world.home
    async with await served.client(home.user_ana) as ana, served.visitor() as socket:
        welcome = await greet(socket)
        await write(socket, "one")
        url = f"/w/home/conversations/{await conversation_of(served)}/messages"
        await socket.close()
        for n in range(3):
            await ana.post(url, data={"paper": "note", "client_id": f"n{n}", "body": "canary between us"})
            await ana.post(url, data={"paper": "reply", "client_id": f"r{n}", "body": f"answer {n}"})
        async with served.visitor() as again:
            await greet(again, welcome["token"], welcome["epoch"], since=1)
            frames = [await hear(again, "event") for _ in range(3)]
            assert [f["n"] for f in frames] == [2, 3, 4]
            assert [f["text"] for f in frames] == ["answer 0", "answer 1", "answer 2"]
            assert "canary" not in json.dumps(frames)


async def test_another_epoch_gives_the_whole_transcript(served: Running) -> None:
    async with served.visitor() as socket:
        welcome = await greet(socket)
        for n in range(3):
            await write(socket, f"message {n}")
    async with served.visitor() as again:
        await greet(again, welcome["token"], "another life", since=3)
        snapshot = await hear(again, "snapshot")
        assert [m["text"] for m in snapshot["messages"]] == ["message 0", "message 1", "message 2"]
        assert snapshot["head"] == 3


async def test_a_token_of_another_inbox_or_a_forged_one_is_nobody(served: Running) -> None:
    async with served.visitor() as socket:
        welcome = await greet(socket)
        await write(socket, "mine")
    forged = welcome["token"][:-2] + ("AA" if not welcome["token"].endswith("AA") else "BB")
    for key, token in (("other-key", welcome["token"]), ("home-key", forged), ("home-key", "v1.x"), ("home-key", "")):
        async with served.visitor(key) as stranger:
            assert not (await greet(stranger, token))["known"]
            assert (await hear(stranger, "snapshot"))["messages"] == []


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("not json", "bad_json"),
        ("[]", "bad_frame"),
        ('{"t":"base"}', "unknown_type"),
        ('{"t":"__class__"}', "unknown_type"),
        ('{"t":{"$ne":1}}', "bad_frame"),
        ('{"t":"send","client_id":"x","text":{"$ne":1}}', "bad_frame"),
        ('{"t":"send","client_id":"x"}', "bad_frame"),
    ],
)
async def test_a_bad_frame_is_refused_by_name_and_the_line_stays(served: Running, frame: str, code: str) -> None:
    async with served.visitor() as socket:
        await greet(socket)
        await socket.send(frame)
        error = await hear(socket, "error")
        assert error["code"] in (code, "bad_frame", "unknown_type", "bad_json")
        assert "object at" not in error["message"] and "Traceback" not in error["message"]
        assert (await write(socket, "still here"))["n"] == 1


async def test_an_empty_or_too_long_text_is_refused_with_the_reason(served: Running) -> None:
    async with served.visitor() as socket:
        await greet(socket)
        for words in ("   ", "x" * 8001):
            await say(socket, t="send", client_id=new_id(), text=words)
            assert (await hear(socket, "refused"))["code"] == "bad_input"


@pytest.mark.parametrize("path", ["/w/home/live", "/widget/home-key/live"])
@pytest.mark.parametrize("origin", [None, "https://evil.example", "null", "http://127.0.0.1"])
async def test_a_foreign_origin_is_refused_before_the_upgrade(served: Running, path: str, origin: str | None) -> None:
    wanted = Origin(origin) if origin else None
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"{served.sockets}{path}", origin=wanted, compression=None):
            pass
    assert refused.value.response.status_code == 403


async def test_no_session_is_401_and_no_seat_is_404(served: Running) -> None:
    world = served.world
    async with await served.client(world.other.user_ana) as stranger:
        with pytest.raises(InvalidStatus) as refused:
            async with served.agent(stranger, "home"):
                pass
        assert refused.value.response.status_code == 404
        stranger.cookies.clear()
        with pytest.raises(InvalidStatus) as refused:
            async with served.agent(stranger, "home"):
                pass
        assert refused.value.response.status_code == 401


async def test_an_agent_resumes_and_resets(served: Running) -> None:
    home = served.world.home
    async with await served.client(home.user_ana) as ana, served.visitor() as visitor:
        async with served.agent(ana) as socket:
            hello = await hear(socket, "hello")
        await greet(visitor)
        await write(visitor, "while you were away")
        head = await served.house.store.read(log.head, home.id)
        for epoch, since, answer in (
            (hello["epoch"], hello["head"], "head"),
            ("old", hello["head"], "reset"),
            (hello["epoch"], head + 50, "reset"),
        ):
            async with served.agent(ana) as socket:
                await say(socket, t="resume", epoch=epoch, since=since)
                frame = await hear(socket, answer)
                assert frame.get("to", head) == head or frame["t"] == "reset"


async def test_a_truncated_log_resets(served: Running) -> None:
    home = served.world.home

    def cut(tx: Any) -> None:
        from datetime import timedelta

        log.forget_old(tx.connection, tx.workspace_id, tx.now + timedelta(seconds=1), keep_days=0)

    async with await served.client(home.user_ana) as ana, served.visitor() as visitor:
        async with served.agent(ana) as socket:
            hello = await hear(socket, "hello")
        await greet(visitor)
        await write(visitor, "one")
        await served.house.store.write(cut, who=Who(home.id))
        async with served.agent(ana) as socket:
            await say(socket, t="resume", epoch=hello["epoch"], since=hello["head"])
            assert (await hear(socket, "reset"))["reason"] == "too_old"


@pytest.mark.parametrize("how", ["sign out", "disable", "narrow"])
async def test_access_that_ends_ends_on_an_open_socket(served: Running, how: str) -> None:
    home = served.world.home
    async with await served.client(home.user_ana) as ana, served.agent(ana) as socket, served.visitor() as visitor:
        hello = await hear(socket, "hello")
        await say(socket, t="resume", epoch=hello["epoch"], since=hello["head"])
        await hear(socket, "head")
        await say(socket, t="watch", n=1, views=["open.all.due"], conversations=[], at=hello["head"])
        await hear(socket, "watching")
        if how == "sign out":
            await served.house.store.write(sign_in.end_sessions, home.user_ana, who=Who(""))
        else:
            await served.house.store.write(
                people.change_seat,
                home.cy,
                home.ana.agent_id,
                role=Role.AGENT if how == "disable" else Role.EXPERT,
                inbox_ids=None,
                is_senior=False,
                is_trainee=False,
                is_enabled=how != "disable",
                who=home.who_cy,
            )
        await greet(visitor)
        await write(visitor, "secret after the end")
        seen = ""
        try:
            async with asyncio.timeout(1.0):
                while True:
                    seen += str(await socket.recv())
        except (TimeoutError, ConnectionClosed) as end:
            if how != "narrow":
                assert isinstance(end, ConnectionClosed) and end.rcvd and end.rcvd.code in (4001, 4003)
        assert "secret" not in seen


async def test_typing_reaches_the_other_side_and_is_never_stored(served: Running) -> None:
    home = served.world.home
    async with await served.client(home.user_ana) as ana, served.agent(ana) as socket, served.visitor() as visitor:
        await greet(visitor)
        await write(visitor, "hello")
        conversation_id = await conversation_of(served)
        hello = await hear(socket, "hello")
        await say(socket, t="resume", epoch=hello["epoch"], since=hello["head"])
        await hear(socket, "head")
        await say(socket, t="watch", n=1, views=[], conversations=[conversation_id], at=hello["head"])
        await hear(socket, "watching")
        before = await served.house.store.read(log.head, home.id)
        await say(visitor, t="typing")
        assert (await hear(socket, "signal", kind="typing"))["paper"] == "customer"
        await say(socket, t="typing", conversation=conversation_id, paper="reply")
        assert (await hear(visitor, "typing"))["name"] == "Ana"
        assert await served.house.store.read(log.head, home.id) == before


async def test_two_processes_and_redis_show_each_other_what_they_commit(
    postgres_server: str, postgres_template: str, redis_url: str, tmp_path: Path
) -> None:
    from tests import parts

    url = parts.create_database(postgres_server, template=postgres_template)
    async with running(url, tmp_path / "a", redis_url=redis_url) as first:
        from inbox.main import House, server_of
        from inbox.settings import Settings
        from tests.running import Running as Another
        from tests.running import _serve, free_port

        house = House(
            Settings(
                data_dir=tmp_path / "b",
                database_url=url,
                port=free_port(),
                redis_url=redis_url,
                secret=first.house.settings.secret_bytes().decode(),
            )
        )
        server = server_of(house)
        task = asyncio.create_task(_serve(server))
        while not server.started:
            await asyncio.sleep(0.01)
        second = Another(house, first.world)
        async with await second.client(first.world.home.user_ana) as ana, second.agent(ana) as socket:
            hello = await hear(socket, "hello")
            await say(socket, t="resume", epoch=hello["epoch"], since=hello["head"])
            await hear(socket, "head")
            await say(socket, t="watch", n=1, views=["open.all.due"], conversations=[], at=hello["head"])
            await hear(socket, "watching")
            async with first.visitor() as visitor:
                await greet(visitor)
                begun = asyncio.get_running_loop().time()
                await write(visitor, "from the first process")
                assert "from the first process" in (await hear(socket, "draw", topic="view:open.all.due"))["html"]
                assert asyncio.get_running_loop().time() - begun < 0.9, "the bell did not ring; the poll found it"
        server.should_exit = True
        await task
