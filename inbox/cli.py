"""The command `inbox`: everything an operator types."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
user_app = typer.Typer(no_args_is_help=True, help="People who sign in.")
app.add_typer(user_app, name="user")
Port = Annotated[int | None, typer.Option(help="Port to listen on.")]


def _settings(**given: Any) -> Any:
    from inbox.settings import Settings

    try:
        return Settings(**{key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        for problem in error.errors():
            typer.echo(f"{'.'.join(map(str, problem['loc'])) or 'settings'}: {problem['msg']}", err=True)
        raise typer.Exit(2) from None


@app.command()
def serve(host: str | None = None, port: Port = None, data: Path | None = None) -> None:
    """Serve the desk, the widget and the sockets; on SQLite the worker runs inside."""
    from inbox.main import serve as run

    raise typer.Exit(run(_settings(host=host, port=port, data_dir=data)))


@app.command()
def work() -> None:
    """Run jobs beside web processes (PostgreSQL). On SQLite the worker runs inside `serve`."""
    from inbox.operating import work as run

    raise typer.Exit(run(_settings()))


@app.command()
def migrate() -> None:
    """Bring the database to this version's shape."""
    from inbox.operating import migrate as run

    run(_settings())


@app.command()
def seed(what: str = "demo", reset: bool = False) -> None:
    """Fill an empty database with the demo workspace."""
    from inbox.operating import seed as run

    if what != "demo":
        typer.echo("There is one scenario: demo.", err=True)
        raise typer.Exit(2)
    run(_settings(demo=True), reset=reset)


@app.command()
def demo(
    host: str = "127.0.0.1",
    port: int = 8000,
    data: Path = Path(".data/demo"),
    reset: bool = False,
    quiet: bool = False,
) -> None:
    """Serve a seeded workspace with robots that write and answer."""
    from inbox.operating import demo as run

    raise typer.Exit(run(_settings(demo=True, host=host, port=port, data_dir=data), reset=reset, quiet=quiet))


@app.command()
def doctor() -> None:
    """Say what is set, what works and what to mend."""
    from inbox.operating import doctor as run

    raise typer.Exit(run(_settings()))


@app.command()
def backup(target: Path) -> None:
    """Copy the running database and its files to a new folder."""
    from inbox.operating import backup as run

    run(_settings(), target)


@app.command()
def restore(source: Path) -> None:
    """Put a backup in place; clients notice the new epoch and fetch everything anew."""
    from inbox.operating import restore as run

    run(_settings(), source)


@app.command()
def docs(check: bool = False) -> None:
    """Write the generated pages of docs/, or say which are stale."""
    from inbox.operating import docs as run

    raise typer.Exit(run(check=check))


@user_app.command("add")
def user_add(email: str, name: str, workspace: str, role: str = "agent") -> None:
    """Add somebody to a workspace and print the one-time link to choose a password."""
    from inbox.operating import add_user as run

    typer.echo(run(_settings(), email=email, name=name, slug=workspace, role=role))


def main() -> None:
    try:
        app()
    except RuntimeError as error:
        typer.echo(str(error), err=True)
        raise SystemExit(1) from None
