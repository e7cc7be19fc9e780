"""Alembic's entry: runs on the connection that store/migrate.py opened and locked."""

from __future__ import annotations

from alembic import context

from inbox.domain.everything import METADATA

OURS_ALONE = (
    "search_index",
    "tsv",
)  # made by hand in migrations, one per dialect; the models do not know them


def _is_modelled(_thing: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
    return not (kind in ("table", "column", "index") and name is not None and name.startswith(OURS_ALONE))


def run() -> None:
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        render_as_batch=True,
        include_object=_is_modelled,
        transactional_ddl=False,  # store/migrate.py holds one transaction round all of it
    )
    context.run_migrations()


run()
