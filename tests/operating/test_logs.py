"""Logs tell what happened and never what somebody wrote."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from inbox import logs
from inbox.domain.ids import new_id, new_token


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:], logging.root.level = handlers, level


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("form", ["json", "console"])
def test_what_people_wrote_and_what_opens_doors_is_never_written(capsys: pytest.CaptureFixture[str], form: str) -> None:
    logs.set_up(form, "info")
    token = new_token()
    structlog.get_logger().info(
        "mail_refused",
        body="my boiler leaks",
        reset_token=token,
        reason="550 bo@shop.example is unknown",
        url="postgresql://rapport:hunter2@db/rapport",
        link=f"/reset/{token}",
    )
    (line,) = lines(capsys)
    for secret in ("boiler", token, "bo@shop", "hunter2"):
        assert secret not in line
    assert "mail_refused" in line


def test_an_exception_tells_its_place_and_not_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json", "info")
    try:
        raise ValueError("my boiler leaks")
    except ValueError as error:
        structlog.get_logger().error("action_failed", exc_info=error)
    (line,) = lines(capsys)
    told = json.loads(line)
    assert "boiler" not in line
    assert told["exception"] == "ValueError"
    assert "test_logs.py" in told["at"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_nobody_can_forge_a_line_or_speak_to_the_terminal(capsys: pytest.CaptureFixture[str], form: str) -> None:
    logs.set_up(form, "info")
    structlog.get_logger().info("hook_came", kind="x\n12:00:00 info owner_added\x1b[2J\u2028")
    (line,) = lines(capsys)
    assert "\x1b" not in line
    assert "\u2028" not in line


def test_ids_may_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json", "info")
    known = new_id()
    structlog.get_logger().info("conversation_opened", conversation_id=known)
    assert known in lines(capsys)[0]


def test_a_librarys_lines_go_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json", "info")
    try:
        raise ValueError("my boiler leaks")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("broken by bo@shop.example")
    (line,) = lines(capsys)
    told = json.loads(line)
    assert told["level"] == "error"
    assert "boiler" not in line
    assert "bo@shop" not in line
