"""One screen on anything, from the command line, and the contact sheet of what has pictures."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
import pytest
from PIL import Image
from productions import TinyProduction

from interpositive.records.hash_lists.sealing import seal_folder
from interpositive.records.sweep_record import Objective, ParameterSpace, SweepRecord

WIDEST = 100


def rows_of(text: str) -> dict[str, str]:
    """The screen's rows by label, a wrapped row in one piece; the first of a label counts."""
    rows: dict[str, str] = {}
    label = ""
    for line in text.splitlines()[1:]:
        said, words = line[2:14].strip(), line[16:]
        if said and said not in rows:
            rows[label := said] = words
        elif not said and words:
            rows[label] += f" {words}"
    return rows


def test_a_take_of_the_production(command: Any, tiny_production: TinyProduction) -> None:
    take = tiny_production.takes_of("val")[0]
    ended = command("inspect", f"take={take.name}", f"production.workspace={tiny_production.folder}")
    assert ended.code == 0, ended.err
    rows = rows_of(ended.out)
    assert ended.out.startswith(f"{take.name} — ")
    assert rows["picture"] == "96x64, 24 frames at 24" and rows["split"] == "val"
    assert rows["digest"] == f"sha256 {take.sha256}, as ingested"
    assert rows["slate"].startswith("scene 11B, take 01, camera A") and rows["whole"].startswith("yes")
    assert max(map(len, ended.out.splitlines()[1:])) <= WIDEST
    assert Image.open("contact_sheet.png").width > 4 * 320 and "contact sheet: contact_sheet.png" in ended.out


def test_nothing_is_written_among_the_dailies_or_over_a_file(
    command: Any, tiny_production: TinyProduction, tmp_path: Path
) -> None:
    footage = Path(tiny_production.takes[0].path)
    sheet = footage.parent / "sheet.png"
    ended = command("inspect", f"path={footage}", f"contact_sheet={sheet}", "check_digest=false")
    assert ended.code == 0 and "no contact sheet" in ended.out and not sheet.exists()
    assert rows_of(ended.out)["catalogue"] == "not in it"
    precious = tmp_path / "precious.png"
    precious.write_bytes(b"words")
    ended = command("inspect", f"path={footage}", f"contact_sheet={precious}")
    assert ended.code == 5 and precious.read_bytes() == b"words"


def test_damaged_footage_is_one_message(command: Any, tiny_production: TinyProduction, tmp_path: Path) -> None:
    damaged = tmp_path / "short.mov"
    content = Path(tiny_production.takes[0].path).read_bytes()
    damaged.write_bytes(content[: len(content) // 2])
    ended = command("inspect", f"path={damaged}")
    assert ended.code == 3 and "short.mov is" in ended.err and "Traceback" not in ended.err and ended.out == ""


def test_a_catalogue(command: Any, tiny_production: TinyProduction) -> None:
    rows = rows_of(command("inspect", f"path={tiny_production.folder}").out)
    assert rows["takes"].startswith("4 of 3 scenes") and rows["splits"] == "train 2, val 1, test 1"
    assert "hash list 4" in rows["without"]
    assert Image.open("contact_sheet.png").width > 4 * 320


def test_a_folder_of_dailies_and_its_hash_lists(command: Any, tiny_production: TinyProduction, tmp_path: Path) -> None:
    card = tmp_path / "card"
    shutil.copytree(tiny_production.source, card)
    assert rows_of(command("inspect", f"path={card}").out)["footage"].startswith("4 movies, 0 frame sequences")
    seal_folder(card, "card")
    assert "; all is as it left" in rows_of(command("inspect", f"path={card}").out)["hash lists"]
    victim = next(path for path in sorted(card.rglob("*")) if path.suffix in (".mov", ".mp4"))
    victim.write_bytes(victim.read_bytes()[:-1] + b"\0")
    changed = rows_of(command("inspect", f"path={card}").out)
    assert "NOT all is as it left" in changed["hash lists"] and victim.name in changed["changed"]


class TestPaperwork:
    def told(self, command: Any, path: Path, content: str, *more: str) -> tuple[str, dict[str, str]]:
        path.write_text(content)
        ended = command("inspect", f"path={path}", *more)
        assert ended.code == 0, ended.err
        return ended.out.splitlines()[0], rows_of(ended.out)

    def test_a_cut_list_is_told_its_rate(self, command: Any, tmp_path: Path) -> None:
        edl = "TITLE: REEL 1\nFCM: NON-DROP FRAME\n\n001  A001 V C 01:00:00:00 01:00:02:00 00:00:00:00 00:00:02:00\n"
        heading, rows = self.told(command, tmp_path / "cut.edl", edl, "cut_list_rate=24")
        assert heading.endswith("cut list, CMX3600 EDL") and rows["shots"] == "1 from 1 reels"
        ended = command("inspect", f"path={tmp_path / 'cut.edl'}")
        assert ended.code == 2 and "cut_list_rate" in ended.err

    def test_a_colour_table(self, command: Any, tmp_path: Path) -> None:
        cube = "LUT_3D_SIZE 2\n" + "".join(f"{r} {g} {b}\n" for b in (0, 1) for g in (0, 1) for r in (0, 1))
        heading, rows = self.told(command, tmp_path / "look.cube", cube)
        assert heading.endswith("colour transform") and "3D table of 2³" in rows["steps"]
        (tmp_path / "broken.cube").write_text("LUT_3D_SIZE 2\n0 0 0\n")
        assert "broken.cube cannot be read" in command("inspect", f"path={tmp_path / 'broken.cube'}").err

    def test_a_package(self, command: Any, tmp_path: Path) -> None:
        xml = (
            '<?xml version="1.0"?><AssetMap xmlns="http://www.smpte-ra.org/schemas/429-9/2007/AM">'
            "<AnnotationText>Reel</AnnotationText><AssetList>"
            "<Asset><ChunkList><Chunk><Path>{}</Path></Chunk></ChunkList></Asset></AssetList></AssetMap>"
        )
        package = tmp_path / "package"
        package.mkdir()
        (package / "ASSETMAP.xml").write_text(xml.format("picture.mxf"))
        rows = rows_of(command("inspect", f"path={package}").out)
        assert rows["title"] == "Reel" and rows["beside it"] == "0 of 1 files" and rows["missing"] == "picture.mxf"
        (package / "ASSETMAP.xml").write_text(xml.format("../../secret.mxf"))
        ended = command("inspect", f"path={package}")
        assert ended.code == 3 and "outside the package" in ended.err

    @pytest.mark.parametrize(
        ("name", "words"),
        [("A001.R3D", "REDCINE-X"), ("clip.braw", "Resolve"), ("list.m3u8", "only points"), ("x.bin", "neither")],
    )
    def test_strangers_are_refused_with_what_to_do(self, command: Any, tmp_path: Path, name: str, words: str) -> None:
        (tmp_path / name).write_bytes(b"\x01\x02\x03\x04nothing")
        ended = command("inspect", f"path={tmp_path / name}")
        assert ended.code == 3 and words in ended.err and len(ended.err.splitlines()) <= 5


def test_it_is_told_one_thing(command: Any, tmp_path: Path) -> None:
    assert "neither path, take nor shot" in command("inspect").err
    assert "path and take" in command("inspect", f"path={tmp_path}", "take=x").err
    assert "nothing to inspect" in command("inspect", f"path={tmp_path / 'no'}").err


def test_layer_and_rate_of_frames_are_given_on_the_command_line(command: Any, tmp_path: Path) -> None:
    folder = tmp_path / "stereo"
    folder.mkdir()
    for number in range(2):
        spec = oiio.ImageSpec(8, 8, 6, oiio.HALF)
        spec.channelnames = tuple(f"{view}.{letter}" for view in ("left", "right") for letter in "RGB")
        output = oiio.ImageOutput.create("stereo.exr")
        assert output.open(str(folder / f"stereo.{number}.exr"), spec)
        assert output.write_image(np.zeros((8, 8, 6), np.float16)) and output.close()
    ended = command("inspect", f"path={folder}", "contact_sheet=null")
    assert ended.code == 3 and "left, right" in ended.err and "layer=left" in ended.err
    ended = command("inspect", f"path={folder}", "contact_sheet=null", "layer=right", "rate=23.976")
    assert ended.code == 0 and rows_of(ended.out)["picture"] == "8x8, 2 frames at 24000/1001 (23.976)"


def test_a_sweep_that_has_just_begun(command: Any, tmp_path: Path) -> None:
    SweepRecord(
        name="rates", created="2026-03-14T10:22:05+00:00", production="tiny", task="wire removal", sampler="grid",
        seed=0, num_trials=4, overrides=[],
        objectives=[Objective(name="held_out/psnr_hole/trained", direction="maximize")],
        space=[ParameterSpace(key="trainer.learning_rate", choices=[0.001, 0.002])],
    ).write(tmp_path / "sweep")  # fmt: skip
    ended = command("inspect", f"path={tmp_path / 'sweep'}")
    assert ended.code == 0, ended.err
    rows = rows_of(ended.out)
    assert rows["what"] == "sweep for wire removal, production tiny, settings chosen by grid"
    assert rows["aims"] == "psnr_hole (maximize)" and "4 of 4 trials are still to come" in rows["not ended"]
