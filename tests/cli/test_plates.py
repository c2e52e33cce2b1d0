"""What ``shot=`` of apply means, and the cut that ingest keeps for it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from productions import TinyProduction, write_shot

from interpositive.cli.verbs.apply import ApplyConfig, find_plate
from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.conforming import read_conformed_cut
from interpositive.delivery.plates import plate_at
from interpositive.errors import ConfigError, MediaError

CUT = "TITLE: R\nFCM: NON-DROP FRAME\n001  A001 V C 01:00:00:02 01:00:00:06 10:00:00:00 10:00:00:04\n"


def asked(shot: str, frames: tuple[int, int] | None = None, **more: object) -> ApplyConfig:
    return ApplyConfig.model_construct(**{"shot": shot, "frames": frames, "layer": None, "rate": None} | more)


def test_a_path_to_a_take_is_the_take_with_all_that_the_production_says(tiny_production: TinyProduction) -> None:
    take = tiny_production.takes[0]
    plate = find_plate(asked(take.path, (2, 5)), tiny_production.catalogue_path)
    assert plate == replace(plate_at(Path(take.path), (2, 5)), take=take)
    assert find_plate(asked(take.name), tiny_production.catalogue_path).take == take
    for shot in (take.path, take.name):
        with pytest.raises(ConfigError, match="layer and rate"):
            find_plate(asked(shot, rate=25), tiny_production.catalogue_path)


def test_other_paths_are_as_they_are(tiny_production: TinyProduction, tmp_path: Path) -> None:
    stranger = tmp_path / "shot.mov"
    stranger.write_bytes(b"")
    for catalogue in (tiny_production.catalogue_path, tmp_path / "no.sqlite"):
        assert find_plate(asked(str(stranger), rate=25), catalogue) == plate_at(stranger, rate=Fraction(25))
    with pytest.raises(MediaError, match="sh010 is not there"):
        find_plate(asked("sh010"), tiny_production.catalogue_path)


def test_the_cut_is_looked_for_again_whenever_dailies_come(command: Any, tmp_path: Path) -> None:
    dailies, cut = tmp_path / "dailies", tmp_path / "cut.edl"
    dailies.mkdir()
    cut.write_text(CUT)
    write_shot(dailies / "one.mov", np.zeros((12, 32, 48, 3), np.float32))
    sheet = dailies / "slates.csv"
    given = (
        "ingest",
        f"source={dailies}",
        f"production.workspace={tmp_path}",
        "engine.num_workers=0",
        "progress=false",
    )
    pulls = []
    for start, more in (
        ("01:00:00:00", (f"cut_list={cut}", "cut_list_rate=24", "handles=1")),
        ("01:00:00:01", ()),
        ("02:00:00:00", ()),
    ):
        sheet.write_text(f"file,scene,take,reel,start_timecode\none.mov,1,1,A001,{start}\n")
        ended = command(*given, *more)
        assert ended.code == 0 and "CMX3600 EDL 'R'" in ended.out, ended.err
        pulls.append(read_conformed_cut(tmp_path).pulls[0])
        shown = command("inspect", "shot=001", f"production.workspace={tmp_path}")
        said = " ".join(shown.out.split())
        assert shown.code == 0 and "source 01:00:00:02 to 01:00:00:06 of reel A001, 4 frames" in said, shown.err
        found = pulls[-1].status == "found"
        assert ("missing" in said, f"frames {pulls[-1].first} to" in said) == (not found, found)
        assert Path("contact_sheet.png").exists() == found
        Path("contact_sheet.png").unlink(missing_ok=True)
    assert [(pull.status, pull.first, pull.end) for pull in pulls] == [
        ("found", 1, 7),
        ("found", 0, 6),
        ("missing", 0, 0),
    ]
    with Catalogue(tmp_path / "catalogue.sqlite") as catalogue:
        assert catalogue.takes()[0].frame_rate == Fraction(24)
