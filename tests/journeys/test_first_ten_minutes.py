"""What somebody does in their first ten minutes, in a real browser on the real demo."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.journeys.browser import PHONE, browser, open_chat, page, serious
from tests.operating.test_crash import wait_for_port
from tests.running import free_port

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


class Demo:
    """`inbox demo`, which can be killed and started again on the same port."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = free_port()
        self.desk = f"http://127.0.0.1:{self.port}"
        self.shop = f"http://localhost:{self.port}/shop"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *flags: str) -> None:
        command = [sys.executable, "-m", "inbox", "demo", "--data", str(self.data), "--port", str(self.port), *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_port(self.port)

    def kill(self) -> None:
        if self.process is not None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    found = Demo(tmp_path / "data")
    yield found
    found.kill()


@pytest.fixture
async def chromium_open() -> AsyncIterator[Browser]:
    async with browser() as found:
        yield found


async def sign_in(
    demo: Demo, opened: Browser, complaints: list[str], name: str = "Rowan Tickell", **context: Any
) -> Any:
    desk = await page(opened, complaints, **context)
    await desk.goto(f"{demo.desk}/demo")
    await desk.get_by_role("button", name=name).click()
    await desk.wait_for_selector("#list-pane")
    return desk


async def test_a_visitor_and_an_agent_talk(demo: Demo, chromium_open: Browser) -> None:
    demo.start("--quiet")
    complaints: list[str] = []
    desk = await sign_in(demo, chromium_open, complaints)
    shop = await page(chromium_open, complaints)
    requests: list[str] = []
    await shop.goto(demo.shop)
    await shop.wait_for_load_state("networkidle")
    shop.on("request", lambda request: requests.append(request.url))
    await shop.mouse.move(1440 - 48, 900 - 48)
    await shop.wait_for_timeout(200)
    assert requests == [], "hovering is not asking"
    chat = await open_chat(shop)

    await chat.locator("textarea").fill("Hello, is the Glowmoth safe? <b>bold</b>")
    begun = time.monotonic()
    await chat.locator("textarea").press("Enter")
    row = desk.locator(".row", has_text="is the Glowmoth safe")
    await row.wait_for()
    assert time.monotonic() - begun < 1.0, "the row took over a second"
    sorts = await desk.locator(".row").evaluate_all("rows => rows.map(r => r.dataset.sort)")
    assert sorts == sorted(sorts), "the row stands at its sorted place"

    await row.locator("a.name").click()
    box = desk.locator(".composer textarea")
    await box.fill("Yes, it is. Rowan here.")
    begun = time.monotonic()
    await box.press("Control+Enter")
    await chat.locator(".bubble", has_text="Rowan here").wait_for()
    assert time.monotonic() - begun < 0.6, "the reply took too long"
    await expect(chat.locator(".bubble b")).to_have_count(0)
    await expect(desk.locator("[role=log] .bubble b")).to_have_count(0)
    await expect(desk.locator("[role=log]")).to_contain_text("Seen")

    await desk.locator(".composer [value=note]").check(force=True)
    await box.fill("between us: canary")
    await box.press("Control+Enter")
    await desk.locator(".note", has_text="canary").wait_for()
    assert "canary" not in await chat.content()

    await desk.locator("[data-key=E]").click()
    await desk.locator(".thread-head", has_text="Reopen").wait_for()
    await desk.locator("[data-key=E]").click()
    await desk.locator(".thread-head", has_text="Resolve").wait_for()

    await desk.goto(f"{demo.desk}/w/brindlewick/search?q=glowm")
    await expect(desk.locator("mark").first).to_be_visible()
    assert complaints == []


async def test_the_line_is_cut_and_the_server_killed_and_nothing_is_lost(demo: Demo, chromium_open: Browser) -> None:
    demo.start("--quiet")
    complaints: list[str] = []
    desk = await sign_in(demo, chromium_open, complaints)
    shop = await page(chromium_open, complaints)
    await shop.goto(demo.shop)
    chat = await open_chat(shop)
    await chat.locator("textarea").fill("before the cut")
    await chat.locator("textarea").press("Enter")
    await desk.locator(".row", has_text="before the cut").locator("a.name").click()
    box = desk.locator(".composer textarea")
    await box.fill("half a sentence that must st")
    await desk.evaluate("window.sameLife = true")

    demo.kill()
    await expect(desk.locator("#connection")).to_be_visible(timeout=3500)
    await expect(box).to_have_value("half a sentence that must st")
    await box.fill("written while the server was dead")
    await box.press("Control+Enter")
    await chat.locator("textarea").fill("me too, while dead")
    await chat.locator("textarea").press("Enter")
    await box.fill("and the next half")
    await asyncio.sleep(1)
    demo.start("--quiet")

    await chat.locator(".said", has_text="written while the server was dead").wait_for(timeout=30_000)
    await desk.locator("[role=log] .bubble", has_text="me too, while dead").wait_for(timeout=30_000)
    await expect(box).to_have_value("and the next half")
    assert await desk.evaluate("window.sameLife"), "the page was loaded anew"
    await asyncio.sleep(6)
    for words in ("written while the server was dead", "me too, while dead"):
        assert await desk.locator("[role=log] .bubble", has_text=words).count() == 1
        assert await chat.locator(".said", has_text=words).count() == 1
    fresh = await desk.context.new_page()
    await fresh.goto(desk.url)
    ids = "els => els.map(e => e.id).filter(Boolean)"
    live = await desk.locator("[role=log] > [id]").evaluate_all(ids)
    assert live == await fresh.locator("[role=log] > [id]").evaluate_all(ids)
    await expect(desk.locator("#connection")).to_be_hidden()


async def test_something_true_happens_while_one_just_watches(demo: Demo, chromium_open: Browser) -> None:
    demo.start()
    desk = await sign_in(demo, chromium_open, [])
    await desk.evaluate(
        """() => { window.changes = []; new MutationObserver(() => window.changes.push(Date.now()))
            .observe(document.querySelector('#list-pane'), {subtree: true, childList: true}); }"""
    )
    begun = await desk.evaluate("Date.now()")
    await asyncio.sleep(32)
    changes = await desk.evaluate("window.changes")
    gaps = [b - a for a, b in zip([begun, *changes], [*changes, begun + 32_000], strict=True)]
    assert max(gaps) < 10_000, f"nothing happened for {max(gaps) / 1000:.1f} s"
    assert "(demo)" in await desk.locator("#list-pane").inner_text()


@pytest.mark.parametrize("look", ["light", "dark"])
async def test_every_page_is_fit_for_everybody(demo: Demo, chromium_open: Browser, look: Any) -> None:
    demo.start("--quiet")
    found: list[str] = []
    complaints: list[str] = []
    desk = await sign_in(demo, chromium_open, complaints, color_scheme=look)
    await desk.locator(".row a.name").first.click()
    await desk.wait_for_selector(".composer")
    found += await serious(desk)
    for path in ("/demo", "/account", "/w/brindlewick/search?q=kettle", "/sign-in", "/nowhere"):
        await desk.goto(f"{demo.desk}{path}")
        found += [f"{path} {v}" for v in await serious(desk)]
    manager = await sign_in(demo, chromium_open, complaints, "Imke Sandal", color_scheme=look)
    await manager.goto(f"{demo.desk}/w/brindlewick/settings/teams")
    found += await serious(manager)
    shop = await page(chromium_open, complaints, color_scheme=look)
    await shop.goto(demo.shop)
    found += [f"widget {v}" for v in await serious(await open_chat(shop))]
    phone = await sign_in(demo, chromium_open, complaints, viewport=PHONE, has_touch=True, color_scheme=look)
    found += [f"phone {v}" for v in await serious(phone)]
    await phone.locator(".row a.name").first.click()
    await expect(phone.locator(".composer")).to_be_visible()
    assert await phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert found == []
    assert complaints == []
