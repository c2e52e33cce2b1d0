"""Hostile footage: every file ends with an outcome and a reason, none takes the ingest down, none leads out."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from footage import make_movie
from hostile_footage import make_hostile_footage

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.ingest import ingest
from interpositive.dailies.opening import open_take
from interpositive.dailies.report import printable
from interpositive.media.probing import probe_media
from interpositive.records.digests import sha256_of_file


def test_every_hostile_file_ends_as_it_should(tmp_path: Path) -> None:
    folder = tmp_path / "dailies"
    verdicts = make_hostile_footage(folder)
    began = time.monotonic()
    report = ingest(folder, tmp_path / "work" / "catalogue.sqlite", num_workers=2, progress=False)
    assert time.monotonic() - began < 60
    rows = {row.path: row for row in report.rows}
    names = {printable(os.fsencode(name).decode("utf-8", "backslashreplace")): name for name in verdicts}
    assert rows.keys() == names.keys()
    for shown, name in names.items():
        outcome, words = verdicts[name]
        row = rows[shown]
        assert row.outcome == outcome and re.search(words, row.reason), (shown, row)
        assert "crashed" not in row.reason and row.reason.isprintable()
    secret = sha256_of_file(tmp_path / "dailies_outside" / "secret.mov")
    with Catalogue(tmp_path / "work" / "catalogue.sqlite") as catalogue:
        for take in catalogue.takes():
            assert take.sha256 != secret
            reader = open_take(take)
            assert len(reader.window(0, len(reader))) == take.num_frames
            reader.close()


def test_damage_in_the_middle_of_a_long_take_is_found_by_all_or_by_the_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    movie = make_movie(tmp_path / "dailies" / "1_T1_A.mov", num_frames=9)
    content = bytearray(movie.read_bytes())
    first = content.index(b"mdat")
    middle = first + (len(content) - first) * 2 // 5
    content[middle : middle + 200] = bytes(200)
    movie.write_bytes(content)
    movie.with_name("2_T1_A.mov").write_bytes(content)
    monkeypatch.setattr("interpositive.media.probing._QUICK_PIXELS", 0)
    assert probe_media(movie).num_frames == 9
    outcomes = {}
    for name, choices in {"ends": {}, "all": {"check": "all"}, "proxy": {"proxy_height": 16}}.items():
        path = tmp_path / name / "catalogue.sqlite"
        report = ingest(tmp_path / "dailies", path, num_workers=0, progress=False, **choices)  # type: ignore[arg-type]
        outcomes[name] = [(row.outcome, "cannot be decoded" in row.reason) for row in report.rows]
        assert report.num_takes == (name == "ends") and not report.proxy_failures
    assert outcomes == {
        "ends": [("accepted", False), ("duplicate", False)],
        "all": [("quarantined", True), ("quarantined", True)],
        "proxy": [("quarantined", True), ("duplicate", False)],
    }


def test_a_take_without_a_proxy_for_its_light_values_stays(tmp_path: Path) -> None:
    for number in range(2):
        path = tmp_path / "dailies" / "plate" / f"plate.{number:04d}.exr"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert oiio.ImageBuf(np.full((32, 32, 3), 4.0 + number, np.float32)).write(str(path), "half")
    report = ingest(tmp_path / "dailies", tmp_path / "c.sqlite", num_workers=0, proxy_height=16, progress=False)
    assert report.accepted == ["plate"] and "encoding is not known" in report.proxy_failures["plate"]


def test_the_wild_corpus_ends_in_time_and_without_a_crash(material: Path, tmp_path: Path) -> None:
    """Damaged EXR is tried as frames too: by itself it is only a file without an extension."""
    folder = tmp_path / "dailies"
    for number, path in enumerate(sorted((material / "hostile" / "exr_damaged").iterdir())):
        if path.suffix != ".rst":
            (folder / str(number)).mkdir(parents=True)
            for frame in (1, 2):
                (folder / str(number) / f"f.{frame:04d}.exr").write_bytes(path.read_bytes())
    report = ingest(folder, tmp_path / "c.sqlite", num_workers=2, progress=False)
    assert {row.outcome for row in report.rows} == {"quarantined"}
