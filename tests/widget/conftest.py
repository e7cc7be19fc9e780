"""One stage and one browser for all; each test has a fresh play and a fresh profile."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Frame, Page, expect, sync_playwright

from tests import parts
from tests.widget.stage import KEY, Play, Stage

CALM = ["--force-prefers-reduced-motion"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=parts.chromium(), args=parts.CHROMIUM_FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def theatre() -> Iterator[Stage]:
    built = Stage()
    yield built
    built.close()


@pytest.fixture
def stage(theatre: Stage) -> Stage:
    theatre.play = Play()
    theatre.play.page = shop(theatre)
    return theatre


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    fresh = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce", locale="en-GB")
    fresh.set_default_timeout(5000)
    yield fresh
    fresh.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def shop(stage: Stage, *, before: str = "", after: str = "", attributes: str = 'data-accent="#21783b"') -> str:
    """The customer's page, with the one tag in its head."""
    tag = f'<script src="{stage.desk}/widget.js" data-inbox="{KEY}" {attributes} async></script>'
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Glowmoth</title>{before}{tag}</head>'
        f'<body><main><h1>Glowmoth</h1><a href="/next">Next</a></main>{after}</body></html>'
    )


LAUNCHER = (1440 - 48, 900 - 48)  # its shadow root is closed: a test reaches it as a person does, by place


def open_chat(page: Page, stage: Stage, path: str = "/glowmoth", *, start: bool = True) -> Frame:
    """Go to the shop, press the launcher, and step past the greeting where it stands."""
    page.goto(stage.shop + path)
    page.wait_for_function("() => !!window.rapport")
    page.mouse.click(*LAUNCHER)
    frame = chat(page)
    if start:
        frame.locator("[data-start], [data-text]").locator("visible=true").first.wait_for()
        if frame.locator("[data-start]").is_visible():
            frame.locator("[data-start]").click()
        expect(frame.locator("[data-text]")).to_be_visible()
    return frame


def chat(page: Page) -> Frame:
    """The frame inside the closed shadow root."""
    for _ in range(100):
        found = [frame for frame in page.frames if "/widget/" in frame.url]
        if found:
            found[-1].wait_for_load_state()
            return found[-1]
        page.wait_for_timeout(20)
    raise AssertionError("the frame did not come")


def write(frame: Frame, text: str) -> None:
    frame.locator("[data-text]").fill(text)
    frame.locator("[data-text]").press("Enter")
