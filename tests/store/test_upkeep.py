"""The question asked each second must stay cheap however much is stored."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event

from inbox.store.transaction import Reading
from inbox.store.upkeep import due_workspaces_across_workspaces
from tests.world import World


async def test_the_question_of_each_second_reads_no_whole_table_of_conversations(sqlite_world: World) -> None:
    def explain(rx: Reading) -> list[str]:
        asked: list[Any] = []

        def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
            asked.append((statement, parameters))

        event.listen(rx.connection, "before_cursor_execute", note)
        due_workspaces_across_workspaces(rx)
        event.remove(rx.connection, "before_cursor_execute", note)
        statement, parameters = next(pair for pair in asked if pair[0].startswith("SELECT"))
        return [row[3] for row in rx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]

    plan = await sqlite_world.store.read(explain)
    assert any("conversation" in step for step in plan), plan
    assert not [step for step in plan if step.startswith("SCAN conversation")], plan
