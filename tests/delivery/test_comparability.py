"""What belongs together and what can be compared; all else is refused with both values, before anything is measured."""

from __future__ import annotations

import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from judged_footage import NUM_FRAMES, SETTINGS, only, picture
from stand_ins import HEIGHT, WIDTH, bar_mask, noise_codes, write_mask, write_movie, write_png8, write_sequence

from interpositive.delivery.comparability import look_at, open_pictures, refuse_mismatch
from interpositive.delivery.judged_shots import find_shots
from interpositive.delivery.masks import open_mask
from interpositive.delivery.plates import plate_at
from interpositive.delivery.result_evaluation import default_output, evaluate_results
from interpositive.errors import IntegrityError, InterpositiveError, MaskError, MediaError, StorageError
from interpositive.records.delivery_manifest import DeliveredFile, DeliveryManifest
from interpositive.records.digests import sha256_of_file
from interpositive.records.evaluation_record import EvaluationRecord


class TestPartners:
    def test_by_name_whether_movie_or_folder(self, shots: dict[str, Path], tmp_path: Path) -> None:
        (tmp_path / "movies").mkdir()
        for number in range(3):
            write_movie(tmp_path / "movies" / f"sh{number:02d}0.mkv", picture(number))
        measures = evaluate_results(
            {"result": tmp_path / "movies", "reference": shots["reference"]}, tmp_path / "evaluation", SETTINGS
        )
        assert [shot.values["result"]["psnr"] > 45 for shot in measures.shots] == [True] * 3  # type: ignore[operator]

    def test_missing_ones_are_listed_in_one_error_and_extra_ones_noted(
        self, shots: dict[str, Path], tmp_path: Path
    ) -> None:
        shutil.rmtree(shots["reference"] / "sh010")
        shutil.rmtree(shots["mask"] / "sh020")
        write_png8(shots["plate"] / "sh990", picture(9))
        with pytest.raises(MediaError, match="no partner") as caught:
            find_shots(shots)
        assert caught.value.found == "no reference for sh010; no mask for sh020"
        found, notes = find_shots(only(shots, "result", "plate"))
        assert len(found) == 3 and notes == ["not judged, since the result has no such shot: plate sh990"]

    def test_one_name_twice_is_refused(self, shots: dict[str, Path]) -> None:
        write_movie(shots["result"] / "sh010.mov", picture(1), codec="prores")
        with pytest.raises(MediaError, match="two shots of one name") as caught:
            find_shots(only(shots, "result", "reference"))
        assert caught.value.found == "sh010 and sh010.mov"

    def test_a_copy_under_another_name_is_counted_once(self, shots: dict[str, Path], tmp_path: Path) -> None:
        for role in ("result", "reference"):
            shutil.copytree(shots[role] / "sh010", shots[role] / "sh015")
            for path in (shots[role] / "sh015").iterdir():
                path.rename(path.with_name(path.name.replace("frame", "copied")))
        given = only(shots, "result", "reference")
        measures = evaluate_results(given, tmp_path / "evaluation", SETTINGS)
        assert [shot.name for shot in measures.shots] == ["sh000", "sh010", "sh020"]
        assert "counted once: sh015 is the same pictures as sh010" in measures.notes
        shutil.rmtree(shots["reference"] / "sh015")
        write_png8(shots["reference"] / "sh015", picture(7))
        with pytest.raises(MediaError, match="the same pictures under two names"):
            evaluate_results(given, tmp_path / "other", SETTINGS)

    def test_one_shot_and_many_are_not_mixed(self, shots: dict[str, Path]) -> None:
        with pytest.raises(MediaError, match="no single shot"):
            find_shots({"result": shots["result"] / "sh000", "reference": shots["reference"]})
        with pytest.raises(MediaError, match="is a single shot"):
            find_shots({"result": shots["result"], "reference": shots["reference"] / "sh000"})
        with pytest.raises(MediaError, match="no plate at"):
            find_shots({"result": shots["result"], "plate": shots["plate"] / "nowhere"})

    def test_a_delivery_stands_for_its_frames_and_is_verified(self, shots: dict[str, Path], tmp_path: Path) -> None:
        delivery = sealed(tmp_path / "delivered", shots["result"] / "sh000")
        given = {"result": delivery, "reference": shots["reference"] / "sh000"}
        measures = evaluate_results(given, tmp_path / "evaluation", SETTINGS)
        assert measures.shots[0].name == "delivered" and measures.shots[0].first_frame == 1001
        with pytest.raises(StorageError, match="inside a sealed delivery") as caught:
            evaluate_results({**given, "result": delivery / "frames"}, default_output(delivery / "frames"), SETTINGS)
        assert "delivered.evaluation" in caught.value.remedy
        frame = next((delivery / "frames").iterdir())
        frame.write_bytes(frame.read_bytes() + b"x")
        with pytest.raises(IntegrityError, match="not the file that was delivered"):
            evaluate_results(given, tmp_path / "other", SETTINGS)


def sealed(folder: Path, frames: Path) -> Path:
    """A delivery with its manifest, as far as evaluating asks for one."""
    shutil.copytree(frames, folder / "frames")
    files = [
        DeliveredFile(path=f"frames/{p.name}", role="frame", sha256=sha256_of_file(p), num_bytes=p.stat().st_size)
        for p in sorted((folder / "frames").iterdir())
    ]
    manifest = DeliveryManifest(
        production="tiny", task="wire_removal", shot="sh", method="trained", created="2026-01-01", rate="24",
        width=WIDTH, height=HEIGHT, num_frames=NUM_FRAMES, first_frame=1001, start_timecode=None,
        frame_format="png16", encoding="bt709", sources=[], config_sha256="c" * 64, seed=0, versions={},
        training_takes=[], frames=[], files=files,
    )  # fmt: skip
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return folder


class TestRefused:
    """Both values are shown, the result's as found and the other's as expected."""

    @pytest.fixture
    def result(self, tmp_path: Path) -> Path:
        return write_sequence(tmp_path / "result", picture(0), first_frame=1001)

    def refused(self, result: Path, reference: Path, tmp_path: Path) -> InterpositiveError:
        with pytest.raises(MediaError) as caught:
            evaluate_results({"result": result, "reference": reference}, tmp_path / "evaluation", SETTINGS)
        assert not (tmp_path / "evaluation").exists() and caught.value.remedy
        assert str(result) in caught.value.what and str(reference) in caught.value.what
        return caught.value

    def test_length(self, result: Path, tmp_path: Path) -> None:
        other = write_sequence(tmp_path / "other", picture(0, NUM_FRAMES + 1), first_frame=1001)
        error = self.refused(result, other, tmp_path)
        assert (error.found, error.expected) == ("6 frames (result)", "7 frames (reference)")

    def test_size(self, result: Path, tmp_path: Path) -> None:
        other = write_sequence(tmp_path / "other", noise_codes(NUM_FRAMES, width=WIDTH * 2), first_frame=1001)
        error = self.refused(result, other, tmp_path)
        assert (error.found, error.expected) == ("40x32 (result)", "80x32 (reference)")

    def test_rate(self, result: Path, tmp_path: Path) -> None:
        other = write_sequence(tmp_path / "other", picture(0), first_frame=1001, rate=Fraction(24000, 1001))
        error = self.refused(result, other, tmp_path)
        assert "24 frames per second (result)" in str(error.found) and "24000/1001" in str(error.expected)

    def test_a_rate_that_frames_do_not_carry_may_be_told(self, tmp_path: Path) -> None:
        frames, movie = write_png8(tmp_path / "result", picture(0)), tmp_path / "movie.mkv"
        write_movie(movie, picture(0), rate=Fraction(25))
        error = self.refused(frames, movie, tmp_path)
        assert "rate=" in error.remedy
        told = replace(SETTINGS, rate=Fraction(25))
        (shot,) = evaluate_results({"result": frames, "reference": movie}, tmp_path / "evaluation", told).shots
        assert shot.rate == "25"
        # What a sequence does carry is not overruled.
        carried = write_sequence(tmp_path / "carried", picture(0), rate=Fraction(30))
        assert look_at("result", carried, Fraction(25)).info.rate == 30

    def test_frame_numbers_that_overlap_and_disagree(self, result: Path, tmp_path: Path) -> None:
        other = write_sequence(tmp_path / "other", picture(0), first_frame=1003)
        error = self.refused(result, other, tmp_path)
        assert error.found == "frames 1001 to 1006 (result)" and error.expected == "frames 1003 to 1008 (reference)"

    @pytest.mark.parametrize("first_frame", [0, 1, 2001])
    def test_other_numbers_are_compared_by_position_and_said(
        self, result: Path, tmp_path: Path, first_frame: int
    ) -> None:
        other = write_sequence(tmp_path / "other", picture(0), first_frame=first_frame)
        evaluate_results({"result": result, "reference": other}, tmp_path / "evaluation", SETTINGS)
        notes = EvaluationRecord.read(tmp_path / "evaluation").notes
        assert any(f"by position: frames {first_frame} to" in note and "1001 to 1006" in note for note in notes)

    def test_all_that_differs_is_told_at_once(self, result: Path, tmp_path: Path) -> None:
        codes = noise_codes(4, width=WIDTH * 2)
        error = self.refused(result, write_sequence(tmp_path / "other", codes, first_frame=1001), tmp_path)
        assert error.found == "6 frames; 40x32 (result)" and "length and size" in error.what

    @pytest.mark.parametrize(
        ("mine", "theirs", "agree"),
        [
            ("bt709", "bt709", True),
            ("bt709", "smpte170m", True),
            ("bt709", "unknown", True),
            ("iec61966-2-1", "unknown", True),
            ("unknown", "unknown", True),
            ("iec61966-2-1", "bt709", False),
            ("linear", "bt709", False),
            ("linear", "unknown", False),
            ("log", "unknown", False),
            ("linear", "linear", True),
        ],
    )
    def test_transfer_functions(self, tmp_path: Path, mine: str, theirs: str, agree: bool) -> None:
        judged = look_at("result", write_png8(tmp_path / "result", picture(0)))
        first, second = (
            replace(judged, info=replace(judged.info, colour=replace(judged.info.colour, transfer=transfer)))
            for transfer in (mine, theirs)
        )
        if agree:
            refuse_mismatch(first, replace(second, role="reference"))
            return
        with pytest.raises(MediaError) as caught:
            refuse_mismatch(first, replace(second, role="reference"))
        assert f"{mine} transfer" in str(caught.value.found) and f"{theirs} transfer" in str(caught.value.expected)

    @pytest.mark.parametrize(
        ("what", "values"),
        [("matrix", ("bt709", "smpte170m")), ("range", ("full", "limited")), ("primaries", ("bt709", "bt2020"))],
    )
    def test_movies_coded_differently(self, tmp_path: Path, what: str, values: tuple[str, str]) -> None:
        judged = look_at("result", write_movie(tmp_path / "result.mkv", picture(0)))
        first, second = (
            replace(judged, info=replace(judged.info, colour=replace(judged.info.colour, **{what: value})))  # type: ignore[arg-type]
            for value in values
        )
        with pytest.raises(MediaError) as caught:
            refuse_mismatch(first, replace(second, role="plate"))
        assert values[0] in str(caught.value.found) and values[1] in str(caught.value.expected)
        frames = look_at("plate", write_png8(tmp_path / "frames", picture(0)))
        if what != "primaries":
            refuse_mismatch(first, frames)
            refuse_mismatch(second, frames)

    def test_grey_against_colour(self, tmp_path: Path) -> None:
        judged = look_at("result", write_movie(tmp_path / "result.mkv", picture(0)))
        grey = replace(judged, role="reference", info=replace(judged.info, pixel_format="gray10le"))
        with pytest.raises(MediaError, match="number of channels") as caught:
            refuse_mismatch(judged, grey)
        assert caught.value.found == "3 (yuv444p10le) (result)" and caught.value.expected == "1 (gray10le) (reference)"

    def test_a_mask_that_does_not_fit(self, result: Path, tmp_path: Path) -> None:
        for name, mask in {
            "short": bar_mask(NUM_FRAMES - 1),
            "wide": bar_mask(NUM_FRAMES, width=WIDTH + 2),
        }.items():
            path = write_mask(tmp_path / name, mask)
            with pytest.raises(MaskError) as caught:
                evaluate_results({"result": result, "mask": path}, tmp_path / "evaluation", SETTINGS)
            assert caught.value.found in ("5 frames", "42x32") and str(caught.value.expected)[:5] in ("6 fra", "40x32")

    def test_all_shots_are_checked_before_any_is_measured(self, shots: dict[str, Path], tmp_path: Path) -> None:
        for name in ("sh010", "sh020"):
            shutil.rmtree(shots["reference"] / name)
            write_png8(shots["reference"] / name, picture(1, 4), first_frame=1001)
        with pytest.raises(MediaError, match=r"2 of 3 shots cannot be judged: sh010, sh020") as caught:
            evaluate_results(shots, tmp_path / "evaluation", SETTINGS)
        assert "sh020: 6 frames (result)" in str(caught.value.found) and not (tmp_path / "evaluation").exists()


def test_the_named_layer_is_plate_mask_and_result(tmp_path: Path) -> None:
    spec = oiio.ImageSpec(16, 8, 6, oiio.HALF)
    spec.channelnames = tuple(f"{layer}.{letter}" for layer in ("beauty", "matte") for letter in "RGB")
    codes = np.repeat(np.array([0.25, 1.0], np.float16), 3) * np.ones((8, 16, 1), np.float16)
    output = oiio.ImageOutput.create("a.exr")
    assert output.open(str(tmp_path / "a.1.exr"), spec) and output.write_image(codes) and output.close()
    with pytest.raises(MediaError, match="more than one picture"):
        plate_at(tmp_path).open().info  # noqa: B018
    plate = plate_at(tmp_path, layer="beauty", rate=Fraction(25)).open()
    assert float(plate.window(0, 1).max()) == 0.25 and plate.info.rate == 25
    assert float(open_mask(tmp_path, plate.info, layer="matte").window(0, 1).min()) == 1.0
    judged = look_at("result", tmp_path, Fraction(30), layer="beauty")
    assert (judged.info.rate, open_pictures(tmp_path, layer="matte").window(0, 1).min()) == (30, 1.0)
