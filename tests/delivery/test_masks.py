"""A mask is read as it was drawn, and refused when it does not fit its shot."""

from __future__ import annotations

import json
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from stand_ins import HEIGHT, WIDTH, bar_mask, noise_codes, write_drawing, write_mask, write_movie, write_png8

from interpositive.delivery.masks import open_mask
from interpositive.errors import MaskError
from interpositive.media.contract import MASK_BLACK, ColourTags, MediaInfo
from interpositive.media.opening import open_reader

TAGS = ColourTags("bt709", "limited", "bt709", "bt709", "tagged")


def plate(num_frames: int = 5, width: int = WIDTH, height: int = HEIGHT) -> MediaInfo:
    return MediaInfo(
        Path("plate.mov"), "movie", num_frames, Fraction(24), width, height, "prores", "yuv422p10le", 10, TAGS
    )


def as_rgb(mask: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.repeat(mask[..., None], 3, -1)


@pytest.mark.parametrize("codec", ["h264", "prores", "ffv1"])
def test_a_movie_mask_has_its_edges_where_they_were_and_true_black(tmp_path: Path, codec: str) -> None:
    drawn = np.zeros((5, HEIGHT, WIDTH), np.uint8)
    drawn[:, :, 16:32] = 255
    suffix = {"h264": ".mp4", "prores": ".mov", "ffv1": ".mkv"}[codec]
    mask = open_mask(write_movie(tmp_path / f"mask{suffix}", as_rgb(drawn), codec), plate())
    values = mask.window(1, 4)
    mask.close()
    assert values.shape == (3, HEIGHT, WIDTH) and values.dtype == np.float32
    assert values[:, :, 20:28].min() > 0.97 and values.max() <= 1.0
    assert np.all(values[:, :, :12] == 0.0), "what a lossy movie leaves of black is no mask"
    assert np.all(values[:, :, 36:] == 0.0)


def test_almost_black_counts_as_black_and_dark_grey_does_not(tmp_path: Path) -> None:
    drawn = np.zeros((5, HEIGHT, WIDTH), np.uint8)
    drawn[:, 0], drawn[:, 1], drawn[:, 2] = 7, 8, 128
    values = open_mask(write_mask(tmp_path / "mask", drawn), plate()).window(0, 5)
    assert pytest.approx(8 / 255) == MASK_BLACK
    assert np.all(values[:, 0] == 0.0)
    np.testing.assert_allclose(values[:, 1], 8 / 255, rtol=1e-6)
    np.testing.assert_allclose(values[:, 2], 128 / 255, rtol=1e-6)


def test_8_and_16_bit_frames_say_the_same(tmp_path: Path) -> None:
    drawn = bar_mask(5)
    (tmp_path / "deep").mkdir()
    for n, frame in enumerate(drawn):
        cv2.imwrite(str(tmp_path / "deep" / f"mask.{n:04d}.png"), frame.astype(np.uint16) * 257)
    shallow = open_mask(write_mask(tmp_path / "mask", drawn), plate()).window(0, 5)
    deep = open_mask(tmp_path / "deep", plate()).window(0, 5)
    np.testing.assert_array_equal(shallow, drawn / np.float32(255))
    np.testing.assert_array_equal(deep, shallow)


def test_the_brightest_channel_counts(tmp_path: Path) -> None:
    codes = np.zeros((5, HEIGHT, WIDTH, 3), np.uint8)
    codes[:, 4, 4] = (0, 0, 255)
    (tmp_path / "red").mkdir()
    for n, frame in enumerate(codes):
        cv2.imwrite(str(tmp_path / "red" / f"mask.{n:04d}.png"), frame)
    values = open_mask(tmp_path / "red", plate()).window(0, 1)[0]
    assert values[4, 4] == 1.0 and values.sum() == 1.0


class TestDrawn:
    def test_a_line_lies_where_it_was_asked_for(self, tmp_path: Path) -> None:
        line = {"points": [[10, 4], [10, 27]], "width_px": 3}
        values = open_mask(write_drawing(tmp_path / "m.json", {"2": [line]}), plate()).window(2, 3)[0]
        columns = np.flatnonzero(values[8:24].all(0))
        assert 10 in columns and abs(columns.mean() - 10) <= 0.5
        assert np.all(values[:1] == 0) and np.all(values[31:] == 0)
        assert set(np.unique(values)) == {0.0, 1.0}

    @pytest.mark.parametrize("width_px", [1, 2, 3, 5, 8])
    def test_its_width_is_right(self, tmp_path: Path, width_px: int) -> None:
        lines = {"0": [{"points": [[20, -5], [20, 40]], "width_px": width_px}]}
        values = open_mask(write_drawing(tmp_path / "m.json", lines), plate()).window(0, 1)[0]
        covered = values.sum(1)
        # Every pixel touched belongs to the mask: an edge inside a pixel takes the whole pixel.
        assert np.all(covered >= width_px) and np.all(covered <= width_px + 2), covered

    def test_a_wire_at_a_slant_is_covered_whole(self, tmp_path: Path) -> None:
        start, end = np.array([3.0, 2.0]), np.array([35.0, 29.0])
        lines = {"0": [{"points": [start.tolist(), end.tolist()], "width_px": 2}]}
        values = open_mask(write_drawing(tmp_path / "m.json", lines), plate()).window(0, 1)[0]
        ys, xs = np.mgrid[:HEIGHT, :WIDTH]
        along = end - start
        places = np.stack((xs, ys), -1) - start
        share = np.clip((places @ along) / (along @ along), 0, 1)
        distance = np.hypot(*np.moveaxis(places - share[..., None] * along, -1, 0))
        assert values[distance <= 0.75].min() == 1.0
        assert values[distance >= 2.5].max() == 0.0

    def test_frames_that_are_not_named_are_empty_and_a_closed_line_closes(self, tmp_path: Path) -> None:
        corners = [[5, 5], [30, 5], [30, 25]]
        open_line, closed_line = ({"points": corners, "width_px": 1, "closed": c} for c in (False, True))
        path = write_drawing(tmp_path / "m.json", {"0": [open_line], "4": [closed_line]})
        values = open_mask(path, plate()).window(0, 5)
        assert [bool(frame.any()) for frame in values] == [True, False, False, False, True]
        assert values[4, 15, 17] == 1.0 and values[0, 15, 17] == 0.0, "the third side"

    def test_one_point_is_a_dot(self, tmp_path: Path) -> None:
        path = write_drawing(tmp_path / "m.json", {"0": [{"points": [[12, 9]], "width_px": 4}]})
        values = open_mask(path, plate()).window(0, 1)[0]
        assert values[9, 12] == 1.0 and 4 <= values.sum() <= 49


class TestRefused:
    """Every refusal is a MaskError that says what was found and what was expected."""

    def refusal(self, path: Path, **shape: int) -> MaskError:
        with pytest.raises(MaskError) as caught:
            open_mask(path, plate(**shape))
        return caught.value

    def test_another_size(self, tmp_path: Path) -> None:
        error = self.refusal(write_mask(tmp_path / "mask", bar_mask(5)), width=80, height=64)
        assert error.found == f"{WIDTH}x{HEIGHT}" and "80x64" in str(error.expected)

    def test_another_length(self, tmp_path: Path) -> None:
        error = self.refusal(write_mask(tmp_path / "mask", bar_mask(5)), num_frames=7)
        assert error.found == "5 frames" and "7 frames" in str(error.expected)

    @pytest.mark.parametrize(("first", "fits"), [(1001, True), (1003, False), (1, True), (5001, True)])
    def test_frames_numbered_beside_the_plates(self, tmp_path: Path, first: int, fits: bool) -> None:
        shot = write_png8(tmp_path / "plate", noise_codes(5), first_frame=1001)
        mask = write_png8(tmp_path / "mask", noise_codes(5), first_frame=first)
        with closing(open_reader(shot)) as reader:
            if fits:
                open_mask(mask, reader.info, reader).close()
            else:
                with pytest.raises(MaskError, match="overlap") as caught:
                    open_mask(mask, reader.info, reader)
                assert caught.value.found == "frames 1003 to 1007" and "1001 to 1005" in str(caught.value.expected)

    def test_nothing_there(self, tmp_path: Path) -> None:
        error = self.refusal(tmp_path / "nowhere.mov")
        assert "nowhere.mov" in error.what and "JSON" in str(error.expected)

    def test_a_text_file_that_calls_itself_a_movie(self, tmp_path: Path) -> None:
        (tmp_path / "mask.mov").write_text("the mask is on the other disk\n")
        error = self.refusal(tmp_path / "mask.mov")
        assert "mask.mov" in error.what and "the mask is" in str(error.found)

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        (tmp_path / "mask").mkdir()
        assert "no numbered pictures" in str(self.refusal(tmp_path / "mask").found)

    def test_a_drawing_of_another_size(self, tmp_path: Path) -> None:
        error = self.refusal(write_drawing(tmp_path / "m.json", {}, width=41))
        assert error.found == f"41x{HEIGHT}"

    @pytest.mark.parametrize("frame", ["5", "-1", "900"])
    def test_frames_beyond_the_shot(self, tmp_path: Path, frame: str) -> None:
        line = {"points": [[1, 1], [2, 2]], "width_px": 1}
        error = self.refusal(write_drawing(tmp_path / "m.json", {"0": [line], frame: [line]}))
        assert error.found == f"frame {frame}" and error.expected == "frames 0 to 4"

    @pytest.mark.parametrize(
        "content",
        [
            "[]",
            "{",
            '{"width": 40, "height": 32}',
            '{"width": 40, "height": 32, "frames": {"0": [{"points": [[1, 1]], "thickness": 2}]}}',
            '{"width": 40, "height": 32, "frames": {"0": [{"points": [], "width_px": 2}]}}',
            '{"width": 40, "height": 32, "frames": {"0": [{"points": [[1, 1, 1]], "width_px": 2}]}}',
            '{"width": 40, "height": 32, "frames": {"0": [{"points": [[1, 1]], "width_px": 0}]}}',
            '{"width": 40, "height": 32, "frames": {"0": [{"points": [[1, NaN]], "width_px": 2}]}}',
            '{"width": 40, "height": 32, "frames": {"0": [{"points": [[1, 1e12]], "width_px": 2}]}}',
            '{"width": 40, "height": 32, "frames": {"first": []}}',
        ],
    )
    def test_json_that_is_no_drawing(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "m.json").write_text(content)
        error = self.refusal(tmp_path / "m.json")
        assert error.found and "points" in str(error.expected)

    def test_bytes_that_are_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "m.json").write_bytes(b"\xff\xfe\x00{")
        assert "not a polyline mask" in self.refusal(tmp_path / "m.json").what

    def test_points_far_outside_the_frame_are_clipped_not_wrapped(self, tmp_path: Path) -> None:
        far = {"points": [[-1e6, 16], [1e6, 16]], "width_px": 2}
        values = open_mask(write_drawing(tmp_path / "m.json", {"0": [far]}), plate()).window(0, 1)[0]
        assert values[16].all() and not values[:10].any() and not values[24:].any()

    def test_a_drawing_survives_json_with_whole_numbers_only(self, tmp_path: Path) -> None:
        text = json.dumps({"width": WIDTH, "height": HEIGHT, "frames": {"0": [{"points": [[3, 3]], "width_px": 1}]}})
        (tmp_path / "m.json").write_text(text)
        assert open_mask(tmp_path / "m.json", plate()).window(0, 1)[0, 3, 3] == 1.0
