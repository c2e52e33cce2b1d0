"""The whole road of a user on the real command line: dailies in, a repaired shot and two pages out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import OpenImageIO as oiio
import pytest
from productions import TinyProduction

sys.path.insert(0, str(Path(__file__).parent))

from commands import Commands

from interpositive.media.opening import open_reader
from interpositive.records.delivery_manifest import read_and_verify
from interpositive.records.measures import Measures
from interpositive.records.run_record import RunRecord

pytestmark = pytest.mark.walk

PRODUCTION = """
defaults: [default, _self_]
name: tiny
workspace: {folder}/production
training_height: 64
split:
  explicit: {{"10A_*": train, "11B_*": val, "12C_*": test}}
"""
SMALL = [
    "dailies.window_frames=8",
    "dailies.num_windows=3",
    "dailies.num_val_windows=1",
    "dailies.batch_size=2",
    "dailies.num_prepare_workers=1",
    "trainer.max_steps=3",
    "trainer.warmup_steps=1",
    "trainer.validate_every=3",
    "trainer.checkpoint_every=3",
    "trainer.held_out_windows=1",
    "trainer.held_out_frames=2",
    "mini_model.scorer_width=4",
    "mini_model.residual_widths=[4,4,4]",
    "mini_model.crop_px=32",
    "mini_model.flow_offsets=[1,2]",
    "mini_model.camera_offsets=[2]",
    "wandb=disabled",
]
GATE = ["gate.num_trials=1", "gate.num_frames=2", "gate.reach=2"]
CHATTER = [
    "GPU available",
    "TPU available",
    "Tip:",
    "does not have many workers",
    "LeafSpec",
    "Experiment logs directory",
    "`Trainer.fit` stopped",
]


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "INTERPOSITIVE_CONFIG": str(tmp_path / "own")}
    with Commands(environment) as running:
        yield running


def test_from_dailies_to_pages(tiny_production: TinyProduction, commands: Commands, tmp_path: Path) -> None:
    own = tmp_path / "own" / "production"
    own.mkdir(parents=True)
    (own / "tiny.yaml").write_text(PRODUCTION.format(folder=tmp_path))
    printed: list[str] = []

    def interpositive(*arguments: str, code: int = 0) -> str:
        found, out, err = commands.run(*arguments, folder=tmp_path)
        assert found == code, f"{arguments}\n{out}\n{err}"
        assert "Traceback" not in err
        printed.append(out + err)
        return out + err

    quiet = "progress=false"
    assert "train 2, val 1, test 1" in interpositive(
        "ingest", "production=tiny", f"source={tiny_production.source}", "engine.num_workers=1", quiet
    )
    interpositive("train", "production=tiny", "run_folder=run", *SMALL, quiet)
    run = RunRecord.read(tmp_path / "run")
    assert run.finished and run.steps == 3 and run.production == "tiny"

    take = tiny_production.takes_of("test")[0]
    interpositive("rehearse", f"take={take.path}", "output=shot", "num_frames=8")
    assert len(list((tmp_path / "shot" / "mask").iterdir())) == 8

    shot = ["run=run", "shot=shot/shot.mkv", "mask=shot/mask", quiet]
    windows = ["delivery.windows.size=6", "delivery.windows.overlap=2"]
    told = interpositive("apply", *shot, "deliver_to=png", *windows, *(f"delivery.{key}" for key in GATE))
    assert "altered outside the mask: 0" in told
    exr = ["deliver_to=exr", "delivery.frame_format=exr", "delivery.method=trained", "delivery.compare=0"]
    interpositive("apply", *shot, *exr, "delivery.first_frame=1001")
    _check_deliveries(tmp_path)
    assert "never overwritten" in interpositive("apply", *shot, "deliver_to=png", code=5)

    assert "chosen minus telea" in interpositive("evaluate", "run=run", "max_frames=6", *GATE, quiet)
    assert {s.role for s in Measures.read(tmp_path / "run" / "evaluation" / "measures.json").shots} == {"val", "test"}
    interpositive("review", "path=run")
    interpositive("review", "path=png")
    for page in ("run/review.html", "png.review.html"):
        assert "<video" in (tmp_path / page).read_text() or "<!doctype html" in (tmp_path / page).read_text().lower()
    read_and_verify(tmp_path / "png")

    judged = ["result=png", "reference=shot/truth.mkv", "plate=shot/shot.mkv", "mask=shot/mask", "output=judged"]
    told = interpositive("evaluate", *judged, "metric=[psnr,untouched]", quiet)
    assert "untouched_changed" in told and "psnr_hole" in told
    values = Measures.read(tmp_path / "judged" / "measures.json").shots[0].values["result"]
    assert values["untouched_changed"] == 0 and (values["psnr_hole"] or 0.0) > 20
    interpositive("review", "path=judged")

    _spoil_the_run(
        tmp_path / "run", lambda **expected: interpositive("evaluate", "run=run", "output=again", **expected)
    )
    assert [word for word in CHATTER if any(word in text for text in printed)] == []


def _check_deliveries(folder: Path) -> None:
    reader = open_reader(folder / "shot" / "shot.mkv")
    plate = reader.window(0, 8)
    reader.close()
    assert plate.dtype == np.uint16
    for name, first, suffix, kind in (("png", 0, "png", oiio.UINT16), ("exr", 1001, "exr", oiio.FLOAT)):
        manifest = read_and_verify(folder / name)
        assert manifest.first_frame == first and manifest.num_frames == 8
        assert sum(frame.altered_pixels for frame in manifest.frames) > 100
        for n in range(8):
            opened = oiio.ImageInput.open(str(folder / name / "frames" / f"shot.{first + n:07d}.{suffix}"))
            found = np.asarray(opened.read_image(0, 0, 0, 3, kind)).reshape(plate.shape[1:])
            opened.close()
            expected = plate[n] if kind == oiio.UINT16 else plate[n] / np.float32(65535)
            outside = cv2.imread(str(folder / "shot" / "mask" / f"mask.{n:07d}.png"), cv2.IMREAD_GRAYSCALE) == 0
            assert outside.any() and found[outside].tobytes() == expected[outside].tobytes()
            matte = cv2.imread(str(folder / name / "matte" / f"shot.{first + n:07d}.png"), cv2.IMREAD_GRAYSCALE) > 0
            np.testing.assert_array_equal(matte, (found != expected).any(-1))


def _spoil_the_run(run: Path, evaluate: Callable[..., str]) -> None:
    config = run / "config.yaml"
    honest = config.read_text()
    config.write_text(honest.replace("interpositive.tasks.wire_removal.WireRemoval", "os.system"))
    assert "config.yaml is not what this run wrote" in evaluate(code=4)
    config.write_text(honest)
