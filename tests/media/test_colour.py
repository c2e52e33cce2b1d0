"""The matrix is always named: tagged, by the rule, or by the caller; and the numbers come out right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from av.video.reformatter import Colorspace
from burned_in import numbered_frames, write_raw_movie

from interpositive.errors import ConfigError, MediaError
from interpositive.media.colour import primaries_tag, transfer_tag
from interpositive.media.pyav_reader import PyAVReader
from interpositive.media.still_colour import CHROMATICITIES

LOSSLESS = {"qp": "0"}
BARS = np.array(
    [
        [255, 0, 0],
        [0, 255, 0],
        [0, 0, 255],
        [255, 255, 0],
        [0, 255, 255],
        [255, 0, 255],
        [40, 90, 200],
        [128] * 3,
    ],
    np.uint8,
)


def _bars(height: int) -> np.ndarray:
    return np.broadcast_to(BARS.repeat(16, axis=0), (2, height, 128, 3)).copy()


@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", [Colorspace.ITU709, Colorspace.ITU601], ids=["bt709", "bt601"])
def test_tags_are_honoured(tmp_path: Path, matrix: Colorspace, full_range: bool) -> None:
    path = tmp_path / "bars.mp4"
    bars = _bars(64)
    write_raw_movie(
        path, 2, pixel_format="yuv444p", options=LOSSLESS, matrix=matrix, full_range=full_range, frames=bars
    )
    reader = PyAVReader(path)
    assert reader.info.colour.source == "tagged"
    assert reader.info.colour.matrix == ("bt709" if matrix == Colorspace.ITU709 else "smpte170m")
    assert reader.info.colour.range == ("full" if full_range else "limited")
    assert np.abs(reader.window(0, 2).astype(int) - bars).max() <= 3


@pytest.mark.parametrize(("lines", "rule"), [(720, Colorspace.ITU709), (576, Colorspace.ITU601)])
def test_untagged_media_follow_the_rule(tmp_path: Path, lines: int, rule: Colorspace) -> None:
    path = tmp_path / "bars.mp4"
    # Wide enough that lines are the short side.
    bars = np.tile(_bars(lines), (1, 1, 8, 1))
    write_raw_movie(path, 2, pixel_format="yuv444p", options=LOSSLESS, matrix=rule, tagged=False, frames=bars)
    reader = PyAVReader(path)
    assert reader.info.colour.source == "rule"
    assert np.abs(reader.window(0, 2).astype(int) - bars).max() <= 3
    other = PyAVReader(path, matrix="bt601" if rule == Colorspace.ITU709 else "bt709")
    assert other.info.colour.source == "named"
    assert np.abs(other.window(0, 2).astype(int) - bars).max() > 15


def test_a_matrix_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "take.mp4"
    write_raw_movie(path, 2)
    with pytest.raises(MediaError, match="matrix"):
        _ = PyAVReader(path, matrix="bt1886").info


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_display_rotation_is_applied(tmp_path: Path, turn: int) -> None:
    path = tmp_path / "take.mp4"
    frames = numbered_frames(0, 2)
    write_raw_movie(path, 2, pixel_format="yuv444p", options=LOSSLESS, rotation=turn, frames=frames)
    reader = PyAVReader(path)
    turned = np.rot90(frames, turn // 90, axes=(1, 2))
    assert reader.info.rotation_degrees == turn
    assert (reader.info.height, reader.info.width) == turned.shape[1:3]
    assert np.abs(reader.window(0, 2).astype(int) - turned).max() <= 6


@pytest.mark.parametrize("name", CHROMATICITIES)
def test_primaries_of_stills_have_a_number_or_are_left_open(name: str) -> None:
    assert primaries_tag(name) == {"bt709": 1, "bt2020": 9, "smpte431": 11, "smpte432": 12}.get(name, 2)


def test_density_is_no_curve_of_movies_and_a_wrong_word_is_none_at_all() -> None:
    assert (transfer_tag("printing-density"), transfer_tag("logarithmic"), transfer_tag("smpte2084")) == (2, 2, 16)
    with pytest.raises(ConfigError, match="no such transfer function"):
        transfer_tag("gamma 2.6")
