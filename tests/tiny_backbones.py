"""Tiny random networks of every pretrained family, by the script and the loaders that users have."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from interpositive.backbones.pretrained.contract import Told, VideoDiffusion, Words
from interpositive.backbones.pretrained.families import find_family
from interpositive.backbones.pretrained.weights_folder import find_weights

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "make_tiny_backbones.py"
MINI_MODELS = {
    path.stem: mini_model
    for path in sorted((ROOT / "conf" / "backbone").glob("*.yaml"))
    if "family" in (mini_model := yaml.safe_load(path.read_text()).get("mini_model", {}))
}
# Each backbone that can be chosen, and other weights of their families, which go another way through the code.
BACKBONES: dict[str, str] = {name: mini_model["family"] for name, mini_model in MINI_MODELS.items()}
VARIANTS = {"wan_i2v_ends": "wan_i2v", "wan_2_2_i2v": "wan_i2v"}
FAMILY_OF = BACKBONES | VARIANTS
# With an image encoder the network counts on all of them.
WORDS_BESIDE_A_LOOK = 512


def make_all(root: Path) -> dict[str, Path]:
    """The folder of each backbone's weights; skips where diffusers is not installed."""
    pytest.importorskip("diffusers", reason="diffusers is in the extra 'generative'")
    spec = importlib.util.spec_from_file_location("make_tiny_backbones", SCRIPT)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert set(script.FAMILIES) == set(FAMILY_OF)
    return {name: script.make(name, root) for name in FAMILY_OF}


def load(name: str, folder: Path, **settings: Any) -> VideoDiffusion:
    """A backbone by the loader that users have, in evaluation mode."""
    kind = find_family(FAMILY_OF[name])
    return kind.load(find_weights(str(folder), kind.parts, kind.perhaps), torch.float32, **settings).eval()


def words(seed: int, backbone: VideoDiffusion) -> Words | None:
    """Words that mean nothing, sixteen where the network does not mind; None for one that hears none."""
    if backbone.words is None:
        return None
    length = getattr(backbone.network.config, "max_text_seq_length", 16)
    length = length if backbone.look_width is None else WORDS_BESIDE_A_LOOK
    generator = torch.Generator().manual_seed(seed)
    return Words(torch.randn(1, length, backbone.words_width, generator=generator))


def told(backbone: VideoDiffusion, num_frames: int, height: int, width: int, seed: int = 0) -> Told:
    """What a backbone is told of random frames and an empty mask."""
    frames = torch.rand(1, num_frames, 3, height, width, generator=torch.Generator().manual_seed(seed))
    return backbone.condition(frames, torch.zeros(1, num_frames, 1, height, width))
