"""The same seed gives the same mini-model, from its first weights on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from productions import TinyProduction

from interpositive.records.digests import sha256_of_file

PRODUCTION = "defaults: [default, _self_]\nname: tiny\nworkspace: {folder}\ntraining_height: 64\n"
SMALL = [
    "dailies.window_frames=8",
    "dailies.num_windows=2",
    "dailies.num_val_windows=1",
    "dailies.batch_size=2",
    "dailies.num_prepare_workers=0",
    "trainer.max_steps=2",
    "trainer.warmup_steps=1",
    "trainer.validate_every=2",
    "trainer.checkpoint_every=2",
    "trainer.held_out_windows=1",
    "trainer.held_out_frames=1",
    "mini_model.scorer_width=4",
    "mini_model.residual_widths=[4,4,4]",
    "mini_model.crop_px=32",
    "mini_model.flow_offsets=[1]",
    "mini_model.camera_offsets=[2]",
    "wandb=disabled",
    "progress=false",
]


def test_a_seed_decides_the_weights(
    command: Callable[..., Any], tiny_production: TinyProduction, tmp_path: Path
) -> None:
    conf = tmp_path / "conf" / "production"
    conf.mkdir(parents=True)
    (conf / "tiny.yaml").write_text(PRODUCTION.format(folder=tiny_production.folder))

    def weights(name: str, seed: int) -> str:
        folder = tmp_path / name
        ended = command(
            "train", "--config-dir", str(conf.parent), "production=tiny", *SMALL, f"seed={seed}", f"run_folder={folder}"
        )
        assert ended.code == 0, ended.err
        return sha256_of_file(folder / "archive" / "weights.safetensors")

    assert weights("one", 3) == weights("two", 3) != weights("three", 4)
