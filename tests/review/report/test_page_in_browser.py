"""The page as a supervisor meets it: opened from disk in a browser, driven by mouse and keyboard."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interpositive.review.page import write_review

Build = Callable[..., Path]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DIGEST_OF_CANVAS = "canvas => canvas.toDataURL()"


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
def browser(chromium: Any) -> Iterator[Any]:
    """A fresh profile without a network."""
    context = chromium.new_context(offline=True, viewport={"width": 1280, "height": 900})
    yield context
    context.close()


class Seat:
    """One open page, with what it complained of and asked for."""

    def __init__(self, browser: Any, path: Path) -> None:
        self.page = browser.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.player = self.page.locator("[data-player]").first
        self.until("document.querySelector('[data-part=timecode]').textContent !== ''")

    def until(self, expression: str) -> None:
        """Wait until something is true; the page's policy forbids the browser driver's own way of waiting."""
        for _ in range(200):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"never came true: {expression}")

    def part(self, name: str) -> Any:
        return self.player.locator(f'[data-part="{name}"]')

    def shown(self) -> str:
        """The canvas's pixels, once they no longer change."""
        before = ""
        for _ in range(40):
            now = str(self.part("canvas").evaluate(DIGEST_OF_CANVAS))
            if now == before:
                return now
            before = now
            self.page.wait_for_timeout(60)
        raise AssertionError("the picture never came to rest")


@pytest.fixture
def seat(browser: Any, delivery_at_rest: Path) -> Seat:
    return Seat(browser, write_review(delivery_at_rest))


def test_opens_without_complaint_or_request(seat: Seat, tmp_path: Path) -> None:
    assert seat.part("timecode").text_content() == "01:00:00:06"
    assert seat.part("frame").text_content() == "frame 1007"
    seat.until("document.querySelectorAll('.strip canvas').length === 9")
    picture = tmp_path / "page.png"
    seat.page.screenshot(path=picture, full_page=True)
    assert picture.stat().st_size > 50_000
    assert seat.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert seat.complaints == []
    assert [url for url in seat.requests if not url.startswith(("data:", "file:"))] == []
    assert len([url for url in seat.requests if url.startswith("file:")]) == 1


def test_arrow_keys_step_frames(seat: Seat) -> None:
    first = seat.shown()
    seat.player.focus()
    seat.player.press("ArrowRight")
    second = seat.shown()
    assert second != first
    assert seat.part("frame").text_content() == "frame 1008"
    seat.player.press("ArrowLeft")
    assert seat.shown() == first
    seat.player.press("w")
    seat.shown()
    assert seat.part("frame").text_content() == "frame 1004"


def test_dragging_the_wipe_changes_which_picture_is_seen(seat: Seat) -> None:
    box = seat.part("canvas").bounding_box()
    half = seat.shown()

    def drag_to(share: float) -> str:
        y = box["y"] + box["height"] / 2
        seat.page.mouse.move(box["x"] + box["width"] / 2, y)
        seat.page.mouse.down()
        seat.page.mouse.move(box["x"] + box["width"] * share, y, steps=3)
        seat.page.mouse.up()
        return seat.shown()

    left, right = drag_to(0.02), drag_to(0.98)
    assert len({half, left, right}) == 3
    assert float(seat.part("wipe").input_value()) == pytest.approx(980, abs=5)


def test_switches_change_the_picture_and_back(seat: Seat) -> None:
    plain = seat.shown()
    seen = {plain}
    for style in ("tint", "outline"):
        seat.part("overlay").select_option(style)
        seen.add(seat.shown())
    seat.part("overlay").select_option("off")
    seat.part("difference").click()
    seen.add(seat.shown())
    seat.part("difference").click()
    for zoom in ("2", "4"):
        seat.player.locator(f'[data-zoom="{zoom}"]').click()
        seen.add(seat.shown())
    assert len(seen) == 6
    seat.player.locator('[data-zoom="1"]').click()
    assert seat.shown() == plain
    seat.part("left").select_option(label="Result (mini_model)")
    assert seat.shown() != plain


def test_playing_moves_and_pauses(seat: Seat) -> None:
    seat.player.focus()
    seat.player.press("Space")
    seat.until("document.querySelector('[data-part=frame]').textContent !== 'frame 1007'")
    assert seat.part("play").text_content() == "Pause"
    seat.part("play").click()
    rested = seat.shown()
    seat.page.wait_for_timeout(200)
    assert seat.shown() == rested


def test_curves_and_thumbnails_jump_to_their_frame(seat: Seat) -> None:
    curve = seat.page.locator(".curve > svg").first
    curve.scroll_into_view_if_needed()
    box = curve.bounding_box()
    seat.page.mouse.move(box["x"] + box["width"] * 0.95, box["y"] + box["height"] / 2)
    assert "frame 1012" in seat.page.locator(".curve .legend").first.text_content()
    seat.page.mouse.click(box["x"] + box["width"] * 0.95, box["y"] + box["height"] / 2)
    seat.shown()
    assert seat.part("frame").text_content() == "frame 1012"
    seat.page.locator(".strip button").nth(1).click()
    seat.shown()
    assert seat.part("frame").text_content() == "frame 1004"
    seat.page.locator(".jump").first.click()
    seat.shown()
    assert seat.part("frame").text_content() == "frame 1007"


def test_hostile_names_run_nothing(browser: Any, make_run: Build) -> None:
    hostile = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
    folder = make_run(
        6,
        record={"production": hostile},
        shot={
            "name": hostile,
            "chosen_method": hostile,
            "worst_frames": [1003],
            "curves": {hostile: {hostile: [1.0] * 6}},
        },
    )
    seat = Seat(browser, write_review(folder))
    seat.shown()
    assert seat.page.title().startswith(hostile)
    assert seat.page.locator("h1").text_content().startswith(hostile)
    assert seat.complaints == []


def open_curves(seat: Seat) -> list[str]:
    """Names of the curves that are seen."""
    names: list[str] = seat.page.locator(".shot .curve:visible h4").evaluate_all(
        "all => all.map(heading => heading.firstChild.textContent)"
    )
    return names


def test_curves_are_picked_with_the_keyboard_and_mark_the_worst_frames(browser: Any, make_evaluation: Build) -> None:
    seat = Seat(browser, write_review(make_evaluation()))
    assert "psnr" not in open_curves(seat)
    assert "psnr_hole" in open_curves(seat)
    button = seat.page.get_by_role("button", name="psnr", exact=True)
    assert button.get_attribute("aria-pressed") == "false"
    button.focus()
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    assert "psnr" in open_curves(seat)
    assert seat.page.locator(".curve:visible > svg").last.locator("circle.worst").count() == 2
    button.press("Space")
    assert "psnr" not in open_curves(seat)
    assert seat.complaints == []


@pytest.mark.parametrize(
    ("roles", "hidden", "num_pictures"),
    [
        (("result",), True, 1),
        (("result", "target"), False, 3),
        (("against", "result"), False, 3),
        (("matte", "plate", "result"), False, 3),
    ],
)
def test_evaluations_play_with_what_pictures_there_are(
    browser: Any, make_evaluation: Build, roles: tuple[str, ...], hidden: bool, num_pictures: int
) -> None:
    seat = Seat(browser, write_review(make_evaluation(roles)))
    seat.until(f"document.querySelectorAll('.strip canvas').length === {2 * num_pictures}")
    first = seat.shown()
    assert seat.part("frame").text_content() == "frame 1004"
    assert seat.part("swap").is_hidden() == hidden
    assert seat.part("wipe").is_hidden() == hidden
    seat.player.focus()
    seat.player.press("d")
    assert (seat.shown() == first) == hidden, "there is a difference as soon as there are two pictures"
    seat.player.press("d")
    for key in ("x", "x", "m", "m", "m"):
        seat.player.press(key)
    assert seat.shown() == first
    seat.player.press("ArrowRight")
    assert seat.shown() != first
    assert seat.complaints == []


@pytest.mark.parametrize("width", [1280, 480])
def test_a_full_page_fits_its_window_and_complains_of_nothing(browser: Any, make_rich_run: Build, width: int) -> None:
    seat = Seat(browser, write_review(make_rich_run()))
    seat.page.set_viewport_size({"width": width, "height": 900})
    for folded in seat.page.locator("summary").all():
        folded.click()
    assert seat.page.evaluate("document.documentElement.scrollWidth") <= width
    assert seat.page.locator(".learned svg path.doubt").count() > 4
    assert seat.page.locator(".forest svg").count() > 20
    assert seat.complaints == []
    assert [url for url in seat.requests if not url.startswith(("data:", "file:"))] == []
