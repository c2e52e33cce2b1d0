"""The page of a sweep as somebody meets it: opened from disk in a browser, with a pointer and with keys."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interpositive.review.page import write_review
from interpositive.review.sweeps.subject import read_sweep

Build = Callable[..., Path]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
LEFT = "document.querySelectorAll('tr[data-trial]:not(.away)').length"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not shutil.which(CHROMIUM):
        pytest.skip(f"no Chromium at {CHROMIUM}; install it or set CHROMIUM to its path")
    with api.sync_playwright() as play:
        launched = play.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open a page without a network; it must have complained of nothing and asked for nothing in the end."""
    seen: list[str] = []
    context = chromium.new_context(offline=True, viewport={"width": 1400, "height": 900})

    def opened(path: Path, width: int = 1400) -> Any:
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 900})
        page.on("console", lambda message: seen.append(message.text))
        page.on("pageerror", lambda error: seen.append(str(error)))
        page.on("request", lambda request: request.url.startswith(("file:", "data:")) or seen.append(request.url))
        page.goto(path.as_uri())
        return page

    yield opened
    context.close()
    assert seen == []


def test_a_trial_lights_up_wherever_it_is_shown(make_sweep: Build, open_page: Callable[..., Any]) -> None:
    folder = make_sweep(10, failed=(2,))
    page = open_page(write_review(folder))
    best = read_sweep(folder).figures.front[0]
    page.hover(f"tr[data-trial='{best}']")
    lit = page.evaluate("[...document.querySelectorAll('.lit')].map(part => [part.dataset.trial, part.tagName])")
    assert {number for number, _ in lit} == {str(best)}
    assert {"path", "circle", "TR", "FIGURE"} <= {tag for _, tag in lit}
    assert page.locator(".readout").first.text_content().startswith(f"trial {best}: psnr_hole")
    page.click(f"tr[data-trial='{best}'] td")
    page.mouse.move(5, 5)
    assert page.evaluate("document.querySelectorAll('.lit').length") == len(lit), "a click keeps it lit"


def test_axes_narrow_down_with_keys_and_with_a_pointer(make_sweep: Build, open_page: Callable[..., Any]) -> None:
    folder = make_sweep(12, failed=(2,))
    page, figures = open_page(write_review(folder)), read_sweep(folder).figures
    count = page.locator('[data-part="count"]')
    assert count.text_content() == "All 11 trials"
    axis = page.locator(".wide [data-axis='5']")
    axis.focus()
    page.keyboard.press("Enter")
    psnr = figures.objective_axes[0]
    values = [trial.values[psnr.name] for trial in figures.judged]
    upper = sum(value >= (psnr.low + psnr.high) / 2 for value in values)
    assert 0 < upper < 11
    assert count.text_content() == f"{upper} of 11 trials are left" and page.evaluate(LEFT) == upper
    assert axis.get_attribute("aria-valuetext") == f"{(psnr.low + psnr.high) / 2:.3g} to {psnr.high:.3g}"
    assert page.evaluate("document.querySelectorAll('.route.away').length") == 2 * (11 - upper)
    page.keyboard.press("Shift+ArrowUp")
    fewer = sum(value >= psnr.low + 0.55 * (psnr.high - psnr.low) for value in values)
    assert page.evaluate(LEFT) == fewer
    page.keyboard.press("Escape")
    assert page.evaluate(LEFT) == 11
    grip = page.locator(".wide [data-axis='1'] .grip")
    grip.scroll_into_view_if_needed()
    box = grip.bounding_box()
    page.mouse.move(box["x"] + 18, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 18, box["y"] + box["height"] / 3, steps=4)
    page.mouse.up()
    widest = sum(trial.parameters["mini_model.residual_widths"] == "[32,64,64]" for trial in figures.judged)
    assert page.evaluate(LEFT) == widest
    page.click('[data-part="clear"]')
    assert page.evaluate(LEFT) == 11 and page.locator('[data-part="clear"]').is_hidden()


def test_the_table_is_put_in_order(make_sweep: Build, open_page: Callable[..., Any]) -> None:
    folder = make_sweep(12, failed=(2,), previews=())
    page, figures = open_page(write_review(folder)), read_sweep(folder).figures
    heading = page.locator("table.trials thead th").nth(2)
    order = "[...document.querySelectorAll('table.trials tbody tr')].map(row => Number(row.cells[0].dataset.value))"
    heading.locator("button").press("Enter")
    rising = [trial.number for trial in reversed(figures.ranked(figures.objectives[0]))]
    assert page.evaluate(order) == [*rising, 2], "a trial without a value stays at the end"
    heading.locator("button").press("Enter")
    assert page.evaluate(order) == [*reversed(rising), 2]
    assert heading.get_attribute("aria-sort") == "descending"


def test_pictures_are_magnified_and_compared_together(make_sweep: Build, open_page: Callable[..., Any]) -> None:
    page = open_page(write_review(make_sweep(6)))
    frames = page.locator(".frames").first
    frames.focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    styles = "[...document.querySelectorAll('.frames')[0].querySelectorAll('img')].map(image => image.style.cssText)"
    told = set(page.evaluate(styles))
    assert len(told) == 1 and "scale(2)" in told.pop()
    assert page.locator("[data-zoom='2']").get_attribute("aria-pressed") == "true"
    page.keyboard.press("d")
    assert page.locator(".well .over").count() == page.locator("figure[data-role]:not([data-role='true'])").count()
    page.keyboard.press("d")
    assert page.locator(".well .over").count() == 0


@pytest.mark.parametrize("width", [1400, 480])
def test_pages_fit_their_window(make_sweep: Build, open_page: Callable[..., Any], width: int) -> None:
    page = open_page(write_review(make_sweep(4, failed=(1,), asked=9)), width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator(".wide").is_visible() == (width == 1400)
    unnamed = (
        "[...document.querySelectorAll('svg[role], [role=group], [role=slider]')].filter(e => !e.ariaLabel).length"
    )
    assert page.evaluate(unnamed) == 0
