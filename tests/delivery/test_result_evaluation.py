"""Any result against anything: what is measured, what is refused, and that no shot is lost or counted twice."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from judged_footage import NUM_FRAMES, SETTINGS, lifted, make_production, only, picture
from stand_ins import HEIGHT, RATE, WIDTH, bar_mask, write_mask, write_movie, write_png8, write_sequence

from interpositive.delivery.evaluation_folder import open_evaluation
from interpositive.delivery.evaluation_tables import format_notes, format_table, timecode_of
from interpositive.delivery.result_evaluation import evaluate_results
from interpositive.errors import ConfigError, StorageError
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.opening import open_reader
from interpositive.metrics.dtssd import Dtssd
from interpositive.metrics.luma_flicker import LumaFlicker
from interpositive.metrics.matte_error import MatteError
from interpositive.metrics.psnr import Psnr
from interpositive.metrics.untouched import UntouchedChanged
from interpositive.records.evaluation_record import EvaluationRecord
from interpositive.records.measures import Measures, ShotMeasures


def contents(folder: Path) -> dict[str, Any]:
    """Everything an evaluation says, the date of it left out."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".mp4":
            told: Any = path.read_text()
            if path.name == "evaluation.json":
                told = {k: v for k, v in json.loads(told).items() if k != "created"}
            found[path.relative_to(folder).as_posix()] = told
    return found


class TestMeasured:
    def test_a_folder_of_shots_against_everything(self, shots: dict[str, Path], tmp_path: Path) -> None:
        folder = tmp_path / "evaluation"
        measures = evaluate_results(shots, folder, replace(SETTINGS, review_movies=True))
        assert [shot.name for shot in measures.shots] == ["sh000", "sh010", "sh020"]
        for shot, error in zip(measures.shots, (2, 4, 8), strict=True):
            assert shot.values["result"]["psnr_hole"] == pytest.approx(20 * np.log10(255 / error), abs=1e-4)
            assert shot.values["against"]["psnr_hole"] == pytest.approx(20 * np.log10(255 / (error + 3)), abs=1e-4)
            assert shot.values["result"]["untouched_changed"] == 0
            assert shot.first_frame == 1001 and set(shot.worst_frames) <= set(range(1001, 1007))
            assert set(shot.pictures) == {"result", "against", "target", "plate", "matte"}
            assert all(open_reader(folder / p).info.num_frames == NUM_FRAMES for p in shot.pictures.values())
        difference = next(d for d in measures.differences if d.metric == "psnr_hole")
        gaps = [20 * np.log10((error + 3) / error) for error in (2, 4, 8)]
        assert (difference.method, difference.other) == ("result", "against") and difference.num_shots == 3
        assert difference.mean == pytest.approx(np.mean(gaps), abs=1e-4)
        assert difference.low is not None and 0 < difference.low <= difference.mean
        assert any("rough: 3 shots" in note for note in measures.notes)
        assert Measures.read(folder / "measures.json") == measures

    def test_the_folder_holds_record_tables_and_plots(self, shots: dict[str, Path], tmp_path: Path) -> None:
        folder = tmp_path / "evaluation"
        measures = evaluate_results(shots, folder, replace(SETTINGS, versions={"interpositive": "1"}))
        record = EvaluationRecord.read(folder)
        assert (
            record.title == "result" and record.versions == {"interpositive": "1"} and len(record.config_sha256) == 64
        )
        assert [(f.role, Path(f.path).name) for f in record.shots[1].files] == [(role, "sh010") for role in shots]
        rows = list(csv.DictReader((folder / "frames.csv").open()))
        assert len(rows) == 3 * NUM_FRAMES * 2
        assert rows[1] | {"shot": "sh000", "frame": "1002", "timecode": "", "method": "result"} == rows[1]
        assert float(rows[1]["psnr_hole"]) == measures.shots[0].curves["result"]["psnr_hole"][1]
        (row,) = [r for r in csv.DictReader((folder / "shots.csv").open()) if (r["shot"], r["method"]) == ("sh020", "against")]  # fmt: skip # noqa: E501
        assert float(row["psnr"]) == measures.shots[2].values["against"]["psnr"]
        plots = {path.name for path in (folder / "plots").iterdir()}
        assert {"shot-sh000.svg", "metric-psnr_hole.svg", "difference-result-against.svg"} <= plots
        assert all(b"<svg" in (folder / "plots" / name).read_bytes() for name in plots)

    def test_an_undefined_number_is_an_empty_cell(self, shots: dict[str, Path], tmp_path: Path) -> None:
        write_mask(tmp_path / "empty_mask", np.zeros((NUM_FRAMES, HEIGHT, WIDTH), np.uint8))
        given = {"result": shots["result"] / "sh000", "reference": shots["reference"] / "sh000"}
        measures = evaluate_results({**given, "mask": tmp_path / "empty_mask"}, tmp_path / "evaluation", SETTINGS)
        rows = list(csv.DictReader((tmp_path / "evaluation" / "frames.csv").open()))
        assert {row["psnr_hole"] for row in rows} == {""} and float(rows[0]["psnr"]) > 20
        assert any("mask is empty" in note for note in measures.notes)

    def test_a_result_alone_is_measured_by_what_needs_nothing(self, shots: dict[str, Path], tmp_path: Path) -> None:
        measures = evaluate_results({"result": shots["result"] / "sh000"}, tmp_path / "evaluation", SETTINGS)
        (shot,) = measures.shots
        assert shot.values["result"]["luma_flicker"] is not None and shot.values["result"]["psnr"] is None
        assert any("psnr" in note and "no clean reference" in note for note in measures.notes)
        assert any("one shot" in note for note in measures.notes) and not measures.differences
        with pytest.raises(ConfigError, match="nothing can be measured") as caught:
            evaluate_results(
                {"result": shots["result"]}, tmp_path / "other", replace(SETTINGS, metrics=(Psnr, UntouchedChanged))
            )
        assert "psnr lacks a clean reference" in str(caught.value.found)

    def test_a_movie_can_be_judged_against_frames_of_more_bits(self, tmp_path: Path) -> None:
        clean = picture(0)
        plate = write_sequence(tmp_path / "plate", clean.astype(np.uint16) * 257, first_frame=1001)
        movie = write_movie(tmp_path / "review.mp4", clean, codec="h264")
        (shot,) = evaluate_results({"result": movie, "reference": plate}, tmp_path / "evaluation", SETTINGS).shots
        psnr = shot.values["result"]["psnr"]
        assert psnr is not None and 25 < psnr < 60 and shot.first_frame == 1001

    def test_the_worst_frame_is_named_with_its_timecode(self, tmp_path: Path) -> None:
        clean = picture(0)
        bad = write_movie(tmp_path / "sh010.mkv", lifted(clean, 30, frame=4), timecode="10:00:00:00")
        good = write_movie(tmp_path / "clean.mkv", clean)
        measures = evaluate_results({"result": bad, "reference": good}, tmp_path / "evaluation", SETTINGS)
        assert measures.shots[0].worst_frames[0] == 4
        assert "4 (10:00:00:04), " in format_table(measures, ["psnr"])
        rows = list(csv.DictReader((tmp_path / "evaluation" / "frames.csv").open()))
        assert [row["timecode"] for row in rows][:2] == ["10:00:00:00", "10:00:00:01"]

    def test_mattes_are_measured_as_opacity(self, tmp_path: Path) -> None:
        true = bar_mask(NUM_FRAMES)
        soft = np.where(true > 0, np.uint8(255), np.uint8(5))
        soft[3] = np.where(true[3] > 0, np.uint8(155), np.uint8(0))
        given = {
            "result": write_mask(tmp_path / "result", soft.astype(np.uint8)),
            "reference": write_movie(tmp_path / "true.mkv", np.repeat(true[..., None], 3, axis=-1)),
        }
        settings = replace(SETTINGS, metrics=(MatteError, Dtssd))
        (shot,) = evaluate_results(given, tmp_path / "evaluation", settings).shots
        missed = np.abs(soft.astype(float) - true).mean() / 255 * 1000
        assert shot.values["result"]["matte_mad"] == pytest.approx(missed, rel=5e-3)
        assert shot.worst_frames[0] == 3
        assert shot.values["result"]["dtssd"] is not None

    def test_windows_do_not_matter(
        self, shots: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = evaluate_results(shots, tmp_path / "whole", SETTINGS)
        monkeypatch.setattr("interpositive.delivery.result_measuring._MOST_FRAMES", 1)
        assert evaluate_results(shots, tmp_path / "single", SETTINGS) == whole


class TestResumed:
    def test_finished_shots_are_not_measured_again(
        self, shots: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "evaluation"
        measures = evaluate_results(shots, folder, SETTINGS)
        before = contents(folder)
        created = EvaluationRecord.read(folder).created
        monkeypatch.setattr("interpositive.delivery.result_evaluation.measure_shot", None)
        assert evaluate_results(shots, folder, SETTINGS) == measures
        assert contents(folder) == before and EvaluationRecord.read(folder).created == created

    def test_new_shots_are_added(self, shots: dict[str, Path], tmp_path: Path) -> None:
        later = tmp_path / "later"
        shutil.move(shots["result"] / "sh010", later)
        folder = tmp_path / "evaluation"
        assert len(evaluate_results(shots, folder, SETTINGS).shots) == 2
        shutil.move(later, shots["result"] / "sh010")
        evaluate_results(shots, folder, SETTINGS)
        evaluate_results(shots, tmp_path / "at_once", SETTINGS)
        differing = {n for n, told in contents(folder).items() if told != contents(tmp_path / "at_once")[n]}
        assert differing == set()

    def test_other_settings_files_or_shots_are_refused_with_what_differs(
        self, shots: dict[str, Path], tmp_path: Path
    ) -> None:
        folder = tmp_path / "evaluation"
        told = replace(SETTINGS, told={"metric.psnr": '{"ceiling_db": 150.0}'})
        evaluate_results(shots, folder, told)
        before = contents(folder)
        with pytest.raises(StorageError, match="other settings") as caught:
            evaluate_results(shots, folder, replace(told, told={"metric.psnr": '{"ceiling_db": 100.0}'}))
        assert caught.value.found == 'metric.psnr={"ceiling_db": 100.0}'
        assert caught.value.expected == 'metric.psnr={"ceiling_db": 150.0} (as begun)'
        with pytest.raises(StorageError, match="other settings") as caught:
            evaluate_results(only(shots, "result", "reference"), folder, told)
        assert "roles=result, reference" in str(caught.value.found)
        moved = tmp_path / "moved"
        shutil.move(shots["result"] / "sh010", moved)
        with pytest.raises(StorageError, match="other files") as caught:
            evaluate_results(shots, folder, told)
        assert caught.value.found == "sh010: no longer among the shots"
        write_png8(shots["result"] / "sh010", picture(5), first_frame=1001)
        with pytest.raises(StorageError, match="other files") as caught:
            evaluate_results(shots, folder, told)
        assert str(caught.value.found).startswith("sh010 result: sha256 ") and "output=" in caught.value.remedy
        assert contents(folder) == before

    def test_what_is_no_evaluation_is_left_alone(self, shots: dict[str, Path], tmp_path: Path) -> None:
        (tmp_path / "mine" / "shots").mkdir(parents=True)
        with pytest.raises(StorageError, match="already holds something else"):
            evaluate_results(shots, tmp_path / "mine", SETTINGS)
        assert [p.name for p in (tmp_path / "mine").rglob("*")] == ["shots"]

    def test_one_at_a_time(self, tmp_path: Path) -> None:
        with (
            open_evaluation(tmp_path / "evaluation", {}),
            pytest.raises(StorageError, match="another evaluation is writing"),
            open_evaluation(tmp_path / "evaluation", {}),
        ):
            pass

    def test_a_killed_evaluation_resumes_to_the_same_numbers(self, tmp_path: Path) -> None:
        make_production(tmp_path, errors=(2, 4, 6, 8))
        code = (
            "import sys\n"
            "from pathlib import Path\n"
            f"sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[1])]!r}\n"
            "import test_result_evaluation as t\n"
            "from interpositive.delivery import result_evaluation\n"
            "result_evaluation.write_plots = lambda *given: None\n"
            f"root = Path({str(tmp_path)!r})\n"
            "given = {role: root / role for role in ('result', 'against', 'reference', 'plate', 'mask')}\n"
            "settings = t.replace(t.SETTINGS, review_movies=True)\n"
            "result_evaluation.evaluate_results(given, root / 'evaluation', settings)\n"
        )
        folder = tmp_path / "evaluation"
        process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "OMP_NUM_THREADS": "1"})
        try:
            while not (folder / "shots" / "sh000").exists():
                assert process.poll() is None, "it ended before it could be killed"
                time.sleep(0.005)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        left = {path.name for path in (folder / "shots").iterdir() if not path.name.startswith(".")}
        assert "sh000" in left and left < {"sh000", "sh010", "sh020", "sh030"}
        assert not (folder / "evaluation.json").exists() and not (folder / "measures.json").exists()
        for name in left:
            assert (folder / "shots" / name / "shot.json").is_file()
        made = (folder / "shots" / "sh000" / "shot.json").stat().st_mtime_ns
        given = {role: tmp_path / role for role in ("result", "against", "reference", "plate", "mask")}
        settings = replace(SETTINGS, review_movies=True)
        evaluate_results(given, folder, settings)
        evaluate_results(given, tmp_path / "undisturbed", settings)
        assert (folder / "shots" / "sh000" / "shot.json").stat().st_mtime_ns == made
        resumed, undisturbed = contents(folder), contents(tmp_path / "undisturbed")
        assert set(resumed) == set(undisturbed)
        for name, told in resumed.items():
            assert told == undisturbed[name], name
        assert not list(folder.rglob(".*.part"))


class TestTold:
    def test_timecodes_count_as_the_standard_does(self) -> None:
        shot = ShotMeasures(
            name="a", role="result", num_frames=4, first_frame=1001, rate="30000/1001", start_timecode="00:00:59;28"
        )
        assert [timecode_of(shot, 1001 + n) for n in range(4)] == ["00:00:59;28", "00:00:59;29", "00:01:00;02", "00:01:00;03"]  # fmt: skip # noqa: E501
        late = shot.model_copy(update={"rate": "24", "start_timecode": "23:59:59:23"})
        assert timecode_of(late, 1002) == "00:00:00:00"
        assert (
            timecode_of(shot.model_copy(update={"rate": "45000/1499", "start_timecode": "01:00:00:00"}), 1001) is None
        )

    def test_the_table_says_means_and_what_is_settled(self, shots: dict[str, Path], tmp_path: Path) -> None:
        measures = evaluate_results(shots, tmp_path / "evaluation", SETTINGS)
        table = format_table(measures, ["psnr_hole", "no_such_number", "untouched_changed"])
        lines = {line.split()[0]: line for line in reversed(table.splitlines()) if line.strip()}
        assert f"not settled: {len(measures.shots)} shots, 6 are needed" in table and "the same in every shot" in table
        assert "sh010" in lines and "36.09" in lines["sh010"] and "no_such_number" not in table
        assert "psnr_frames" in format_table(measures)

    def test_details_that_notes_share_are_told_once(self) -> None:
        measures = Measures(notes=["a: no weights\n  to mend: get them", "b: no weights\n  to mend: get them"])
        assert format_notes(measures) == ["note: a: no weights", "    to mend: get them", "note: b: no weights"]

    def test_plots_are_the_same_bytes_every_time(self, shots: dict[str, Path], tmp_path: Path) -> None:
        given = only(shots, "result", "against")
        settings = replace(SETTINGS, metrics=(LumaFlicker,))
        for name in ("first", "second"):
            evaluate_results(given, tmp_path / name, settings)
        assert contents(tmp_path / "first") == contents(tmp_path / "second")

    def test_dollar_signs_and_umlauts_in_a_name_are_drawn_in_plots(self, tmp_path: Path) -> None:
        name = "sh$1_$2_ö"
        write_png8(tmp_path / name, picture(0))
        evaluate_results({"result": tmp_path / name}, tmp_path / "evaluation", SETTINGS)
        assert name in (tmp_path / "evaluation" / "plots" / f"shot-{name}.svg").read_text()

    def test_real_footage_from_end_to_end(self, material: Path, tmp_path: Path) -> None:
        clip = material / "clips" / "void_bigben.mp4"
        codes = open_reader(clip).window(0, 12)
        blurred = np.stack([cv2.GaussianBlur(frame, (0, 0), 4.0 if n == 7 else 1.0) for n, frame in enumerate(codes)])
        for name, frames in {"clean": codes, "blurred": blurred}.items():
            with MovieWriter(tmp_path / f"{name}.mkv", RATE, codes.shape[2], codes.shape[1], codec="ffv1") as movie:
                movie.write(frames)
        given = {"result": tmp_path / "blurred.mkv", "reference": tmp_path / "clean.mkv"}
        (shot,) = evaluate_results(given, tmp_path / "evaluation", SETTINGS).shots
        assert shot.worst_frames[0] == 7
