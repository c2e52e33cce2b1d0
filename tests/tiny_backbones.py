"""Tiny random networks of every pretrained family, by the script and the loaders that users have."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from interpositive.backbones.pretrained.contract import VideoDiffusion, Words
from interpositive.backbones.pretrained.families import find_family
from interpositive.backbones.pretrained.weights_folder import find_weights

SCRIPT = Path(__file__).parents[1] / "scripts" / "make_tiny_backbones.py"
FAMILIES = ["wan", "wan_vace", "ltx_video", "cogvideox"]


def make_all(root: Path) -> dict[str, Path]:
    """The folder of each family; skips where diffusers is not installed."""
    pytest.importorskip("diffusers", reason="diffusers is in the extra 'generative'")
    spec = importlib.util.spec_from_file_location("make_tiny_backbones", SCRIPT)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert set(script.FAMILIES) == set(FAMILIES)
    return {family: script.make(family, root) for family in FAMILIES}


def load(family: str, folder: Path) -> VideoDiffusion:
    """A family's network by the loader that users have, in evaluation mode."""
    kind = find_family(family)
    return kind.load(find_weights(str(folder), kind.parts), torch.float32).eval()


def words(seed: int, backbone: VideoDiffusion) -> Words:
    """Words that mean nothing, sixteen where the network does not mind."""
    length = getattr(backbone.network.config, "max_text_seq_length", 16)
    generator = torch.Generator().manual_seed(seed)
    return Words(torch.randn(1, length, backbone.words_width, generator=generator))
