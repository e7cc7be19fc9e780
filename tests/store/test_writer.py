"""The writer: one commit for many actions, each on its own when it is refused."""

from __future__ import annotations

import asyncio

import pytest

from inbox.actions.workspace import add_team
from inbox.domain.errors import BadInput
from inbox.domain.transit import Who
from inbox.store import log
from inbox.store.transaction import Transaction
from tests.world import World


def refuse(tx: Transaction) -> None:
    add_team(tx, name="never kept")
    tx.flush()
    raise BadInput("no")


async def test_a_refused_action_takes_only_itself_back(world: World) -> None:
    who = Who(world.home.id)
    results = await asyncio.gather(
        *(world.store.write(add_team, name=f"team {n}", who=who) for n in range(5)),
        world.store.write(refuse, who=who),
        *(world.store.write(add_team, name=f"team {n}", who=who) for n in range(5, 10)),
        return_exceptions=True,
    )
    assert isinstance(results[5], BadInput)
    assert sum(isinstance(r, str) for r in results) == 10
    seqs = [e.seq for e in await world.store.read(log.since, world.home.id, 0, 100)]
    assert seqs == list(range(1, len(seqs) + 1))
    assert await world.store.read(log.head, world.home.id) == seqs[-1]


async def test_a_database_error_in_one_action_leaves_the_batch_standing(world: World) -> None:
    who = Who(world.home.id)
    results = await asyncio.gather(
        world.store.write(add_team, name="twin", who=who),
        world.store.write(add_team, name="twin", who=who),
        world.store.write(add_team, name="single", who=who),
        return_exceptions=True,
    )
    assert [isinstance(r, str) for r in results] == [True, False, True]


@pytest.mark.parametrize("words", ["Käse und Brot", "エンバーケトルについて", "KETTLE lid"])
async def test_what_was_indexed_is_found(world: World, words: str) -> None:
    from inbox.domain.ids import new_id
    from inbox.store import search

    ref = new_id()
    entry = search.Entry("message", ref, new_id(), words)
    await world.store.write(lambda tx: search.index(tx.connection, world.home.id, [entry]), who=Who(world.home.id))
    for query in (words, words[:3].lower(), words.upper()):
        hits = await world.store.read(search.find_in_workspace, world.home.id, query)
        assert [h.ref_id for h in hits] == [ref], query
    assert await world.store.read(search.find_in_workspace, world.other.id, words) == []
