"""Latents are made once for frames, mask recipe, autoencoder and size, and never served for others."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from productions import SPLIT_OF_SCENE, make_production, panning_shot, write_shot
from safetensors.torch import load_file, save_file
from torch import Tensor

from interpositive.backbones.pretrained.contract import VideoDiffusion
from interpositive.cli.hydra_app import config_folder
from interpositive.cli.training import assemble_training
from interpositive.dailies.ingest import ingest
from interpositive.dailies.splitting import SplitRule

SMALL = (
    *("backbone=wan", "mini_model.rank=2", "mini_model.precision=float32", "mini_model.window_frames=5"),
    *("dailies.window_frames=8", "dailies.num_windows=2", "dailies.num_val_windows=1", "metric=[psnr]"),
    *(
        "wandb=disabled",
        "progress=false",
        "production=default",
        "production.name=tiny",
        "production.training_height=64",
    ),
)


def composed(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        plain: Any = OmegaConf.to_container(compose("train", list(overrides)), resolve=True)
    return dict(plain)


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """An entry for each batch of frames that went through an autoencoder."""
    found: list[int] = []
    original = VideoDiffusion.encode

    def counted(self: VideoDiffusion, frames: Tensor) -> Tensor:
        found.append(frames.shape[1])
        return original(self, frames)

    monkeypatch.setattr(VideoDiffusion, "encode", counted)
    return found


def test_latents_are_made_once_and_never_served_for_other_frames_masks_or_autoencoders(
    tiny_folders: dict[str, Path], tmp_path: Path, encoded: list[int]
) -> None:
    production, weights = make_production(tmp_path), tmp_path / "weights"
    shutil.copytree(tiny_folders["wan"], weights)

    def prepare(*overrides: str, workspace: Path = production.folder) -> int:
        """How many windows were encoded for a run of these choices."""
        given = (*SMALL, f"mini_model.weights={weights}", f"production.workspace={workspace}", *overrides)
        encoded.clear()
        assemble_training(composed(*given)).dailies.prepare_data()
        return len(encoded)

    assert prepare() == 3
    # Another epoch, run or trial of a sweep.
    assert prepare() == 0
    assert prepare("mini_model.rank=4", "mini_model.adapter=norms", "trainer.learning_rate=0.1") == 0
    assert prepare("mini_model.prompt=water", "mini_model.num_steps=7") == 0
    # Another mask recipe, size or seed of the windows.
    assert prepare("task.width_px_at_1080=[50,60]") == 3
    assert prepare("production.training_height=48") == 3
    assert prepare("seed=5") == 3
    # Another autoencoder; and the first one again.
    path = weights / "vae" / "diffusion_pytorch_model.safetensors"
    before, tensors = path.read_bytes(), load_file(path)
    name = sorted(tensors)[0]
    save_file(tensors | {name: tensors[name] + 1e-3}, path, {"format": "pt"})
    assert prepare() == 3
    path.write_bytes(before)
    assert prepare() == 0
    # Other frames of the same name and length, ingested again.
    take = next(take for take in production.takes if take.split == "train")
    write_shot(production.source / f"{take.name}.mov", panning_shot(77, speed_px=(1.0, 0.0)))
    rule = SplitRule(val_fraction=0.2, test_fraction=0.2, explicit=SPLIT_OF_SCENE)
    ingest(production.source, production.catalogue_path, split_rule=rule, num_workers=0, progress=False)
    assert prepare() >= 2
    # Another production of the very same dailies has none of it.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(production.catalogue_path, elsewhere)
    assert prepare(workspace=elsewhere) == 3
    assert (elsewhere / "prepared").is_dir()
