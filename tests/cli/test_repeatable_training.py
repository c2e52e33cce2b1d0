"""The same seed gives the same mini-model, from its first weights on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from productions import PRODUCTION_YAML, SMALL_TRAINING, TinyProduction

from interpositive.records.digests import sha256_of_file

SMALL = [*SMALL_TRAINING, "mini_model.crop_px=32", "wandb=disabled", "progress=false"]


def test_a_seed_decides_the_weights(
    command: Callable[..., Any], tiny_production: TinyProduction, tmp_path: Path
) -> None:
    conf = tmp_path / "conf" / "production"
    conf.mkdir(parents=True)
    (conf / "tiny.yaml").write_text(PRODUCTION_YAML.format(folder=tiny_production.folder))

    def weights(name: str, seed: int) -> str:
        folder = tmp_path / name
        ended = command(
            "train", "--config-dir", str(conf.parent), "production=tiny", *SMALL, f"seed={seed}", f"run_folder={folder}"
        )
        assert ended.code == 0, ended.err
        return sha256_of_file(folder / "archive" / "weights.safetensors")

    assert weights("one", 3) == weights("two", 3) != weights("three", 4)
