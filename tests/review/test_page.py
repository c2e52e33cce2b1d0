from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from interpositive.errors import IntegrityError, RunFolderError, StorageError
from interpositive.review.elements import Html, element, json_block
from interpositive.review.page import write_review
from interpositive.review.subjects import read_subject

Build = Callable[..., Path]
HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(2)">"\'&'


class Reader(HTMLParser):
    """Collects tags with their attributes, and the text outside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.blocks: dict[str, str] = {}
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = f"{tag} {dict(attrs).get('id', '')}" if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.blocks[self._inside] = self.blocks.get(self._inside, "") + data
        else:
            self.text += data


def test_run_page_says_what_was_measured_and_trained_on(make_run: Build) -> None:
    folder = make_run(12, takes=("SC012_T03_A", "SC014_T01_B"))
    path = write_review(folder)
    assert path == folder / "review.html"
    page = Reader(path.read_text())
    for expected in (
        "The Long Crossing — wire removal",
        "SC012_T03_A",
        "method chosen: mini_model",
        "frame 1007 · 01:00:00:06",
        "behind in psnr (recursive_flow)",
        "lpips was not measured: lpips needs pretrained weights, which are not on this machine",
        "Means over 2 shots",
        "Trained on (train, 2 takes)",
        "Held out: measured once, at the end",
        "residual U-Net",
        "All 12 frames are here.",
    ):
        assert expected in page.text, expected
    record = read_subject(folder).run
    assert record is not None
    assert all(take.sha256 in page.text for take in record.takes)
    assert record.archive_sha256 in page.text


def test_best_value_is_marked_even_when_it_is_a_baseline(make_run: Build) -> None:
    page = write_review(make_run(12)).read_text()
    row = re.search(r"<b>psnr</b>.*?</tr>", page)
    assert row
    cells = re.findall(r"<td(.*?)</td>", row[0])
    assert ["best" in cell for cell in cells] == [False, False, True]


def test_delivery_page_lies_beside_and_accounts_for_every_frame(make_delivery: Build) -> None:
    folder = make_delivery(12)
    before = sorted(folder.rglob("*"))
    path = write_review(folder)
    assert path == folder.parent / "X010_v001.review.html"
    assert sorted(folder.rglob("*")) == before
    page = Reader(path.read_text())
    assert "0 pixels outside the mask differ from the plate, on all 12 frames." in page.text
    manifest = read_subject(folder).delivery
    assert manifest is not None
    for entry in manifest.frames:
        assert f"{entry.frame}{entry.timecode}{entry.mask_pixels:,}{entry.altered_pixels:,}0" in page.text
    assert "SC011_T02_A" in page.text


def test_delivery_with_violations_is_condemned(make_delivery: Build) -> None:
    page = Reader(write_review(make_delivery(12, violations=3)).read_text())
    assert "3 pixels outside the mask were changed, on frames 1005. This delivery must not be used." in page.text


@pytest.mark.parametrize("name", ["frames/X010.0001003.png", "measures.json", "review/result.mp4"])
def test_tampered_delivery_is_refused_and_named(make_delivery: Build, name: str) -> None:
    folder = make_delivery(12)
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(IntegrityError, match=re.escape(name)):
        write_review(folder)
    assert not list(folder.parent.glob("*.html"))


@pytest.mark.parametrize("name", ["measures.json", "review/plate.mp4"])
def test_files_without_a_digest_are_not_shown(make_delivery: Build, name: str) -> None:
    with pytest.raises(IntegrityError, match=f"{re.escape(name)} is not covered"):
        write_review(make_delivery(12, unsealed=(name,)))


def test_page_fetches_nothing(make_run: Build) -> None:
    text = write_review(make_run(12)).read_text()
    page = Reader(text)
    for tag, attributes in page.tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, attributes)
    assert {tag for tag, _ in page.tags} & {
        "a",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
        "video",
    } == set()
    code = "".join(text for name, text in page.blocks.items() if "shot-data" not in name)
    assert not re.search(r"\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|@import|url\(|import\(", code)
    assert set(re.findall(r"https?://[^\s\"']+", code)) == {"http://www.w3.org/2000/svg"}
    policies = [attributes["content"] for tag, attributes in page.tags if attributes.get("http-equiv")]
    assert len(policies) == 1
    assert "default-src 'none'" in (policies[0] or "")
    assert "unsafe" not in (policies[0] or "")


def test_hostile_names_stay_text(make_run: Build) -> None:
    folder = make_run(
        12,
        notes=[HOSTILE],
        record={"production": HOSTILE, "task": HOSTILE, "versions": {HOSTILE: HOSTILE}},
        shot={"name": HOSTILE, "comments": [HOSTILE], "chosen_method": HOSTILE, "role": HOSTILE},
    )
    page = Reader(write_review(folder).read_text())
    plain = Reader(write_review(make_run_again(folder)).read_text())
    assert page.text.count(HOSTILE) >= 10
    scripts = [attributes for tag, attributes in page.tags if tag == "script"]
    assert scripts == [attributes for tag, attributes in plain.tags if tag == "script"]
    assert not any(tag == "img" or "onerror" in attributes for tag, attributes in page.tags)
    assert json.loads(page.blocks["script shot-data-0"])["name"] == HOSTILE


def make_run_again(folder: Path) -> Path:
    """The same run with harmless names, for comparison."""
    for path in (folder / "run.json", folder / "evaluation" / "measures.json"):
        escaped = json.dumps(HOSTILE, ensure_ascii=False)[1:-1]
        assert escaped in path.read_text()
        path.write_text(path.read_text().replace(escaped, "harmless"))
    return folder


def test_same_folder_gives_the_same_page(make_run: Build) -> None:
    folder = make_run(12)
    first = write_review(folder).read_bytes()
    assert write_review(folder).read_bytes() == first


def test_missing_measures_and_wrong_folders_have_clear_errors(make_run: Build, tmp_path: Path) -> None:
    folder = make_run(12)
    (folder / "evaluation" / "measures.json").unlink()
    with pytest.raises(RunFolderError, match="run interpositive evaluate first"):
        write_review(folder)
    with pytest.raises(RunFolderError, match="there is no folder"):
        write_review(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunFolderError, match="neither a run nor a delivery"):
        write_review(tmp_path / "empty")


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"worst_frames": [1]}, "worst frames"),
        ({"curves": {"telea": {"psnr": [1.0]}}}, "curve of psnr"),
    ],
)
def test_measures_that_contradict_themselves_are_refused(
    make_run: Build, wrong: dict[str, object], complaint: str
) -> None:
    with pytest.raises(RunFolderError, match=complaint):
        write_review(make_run(12, shot=wrong))


def test_output_never_enters_a_delivery_nor_replaces_a_stranger(make_delivery: Build, tmp_path: Path) -> None:
    folder = make_delivery(12)
    with pytest.raises(StorageError, match="sealed"):
        write_review(folder, folder / "page.html")
    stranger = tmp_path / "notes.html"
    stranger.write_text("my notes")
    with pytest.raises(StorageError, match="not a review page"):
        write_review(folder, stranger)
    assert stranger.read_text() == "my notes"
    chosen = tmp_path / "pages" / "x.html"
    assert write_review(folder, chosen) == chosen
    assert write_review(folder, chosen) == chosen


def test_elements_escape_text_and_keep_html() -> None:
    made = element("p", "a<b", element("b", "&"), Html("<br>"), title='"')
    assert made == '<p title="&quot;">a&lt;b<b>&amp;</b><br></p>'
    assert "</" not in json_block("x", "</script>")[:-9]


def test_review_needs_no_torch() -> None:
    code = "import sys, interpositive.review.page; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
