"""A real Chromium on the real demo."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Frame, Page, async_playwright

from tests.parts import CHROMIUM_FLAGS, chromium

AXE = Path(__file__).parent.parent / "vendor" / "axe.min.js"
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=str(chromium()), args=list(CHROMIUM_FLAGS))
        yield found
        await found.close()


async def page(opened: Browser, complaints: list[str], **context: Any) -> Page:
    """A page of its own profile whose complaints (errors, broken policies) are collected."""
    made = await (await opened.new_context(**{"viewport": WIDE, **context})).new_page()
    made.on("pageerror", lambda error: complaints.append(f"{made.url}: {error}"))

    def heard(line: Any) -> None:
        expected = (
            "Failed to load resource" in line.text or "WebSocket" in line.text
        )  # a killed server is part of the test
        if line.type == "error" and not expected:
            complaints.append(f"{made.url}: {line.text}")

    made.on("console", heard)
    return made


async def open_chat(shop: Page) -> Frame:
    """Press the launcher (its shadow root is closed to tests too, so by its place) and find the frame."""
    size = shop.viewport_size or WIDE
    # Not wait_for_function: the shop's own policy forbids eval, and it stays on in the tests.
    while not await shop.evaluate("typeof window.rapport === 'function'"):
        await asyncio.sleep(0.05)
    await shop.mouse.click(size["width"] - 48, size["height"] - 48)
    async with asyncio.timeout(10):
        while True:
            for frame in shop.frames:
                if "/frame" in frame.url:
                    await frame.wait_for_selector("[data-start]:visible, textarea:visible")
                    if await frame.locator("[data-start]").is_visible():
                        await frame.locator("[data-start]").click()
                    await frame.wait_for_selector("textarea")
                    return frame
            await shop.wait_for_timeout(30)


async def serious(found: Page | Frame) -> list[str]:
    """What axe calls serious or critical."""
    await found.evaluate(AXE.read_text())
    result = await found.evaluate("axe.run(document, {resultTypes: ['violations']})")
    bad = [v for v in result["violations"] if v["impact"] in ("serious", "critical")]
    return [f"{v['id']}: {v['nodes'][0]['html'][:120]}" for v in bad]
