"""Prompts are encoded as the pipelines of diffusers do, once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_backbones import FAMILY_OF

from interpositive.backbones.pretrained import words as module
from interpositive.backbones.pretrained.families import find_family
from interpositive.backbones.pretrained.words import encode_words
from interpositive.errors import MissingWeightsError

TEXT = "slow pan of the water, leaves"
EACH_FAMILY = pytest.mark.parametrize("family", ["wan", "wan_vace", "ltx_video", "cogvideox", "wan_i2v"])


@EACH_FAMILY
@torch.no_grad()
def test_a_prompt_is_encoded_as_the_pipeline_does(family: str, tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    import diffusers
    import transformers

    folder, kind = tiny_folders[family], find_family(FAMILY_OF[family])
    assert kind.words is not None
    found = encode_words(kind, str(folder), TEXT, tmp_path)
    encoder = getattr(transformers, kind.words.encoder).from_pretrained(folder / "text_encoder", dtype=torch.bfloat16)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "tokenizer")
    empty = dict.fromkeys(("transformer", "vae", "scheduler"))
    pipeline = getattr(diffusers, kind.words.pipeline)(tokenizer=tokenizer, text_encoder=encoder, **empty)
    embeddings, *others = pipeline.encode_prompt(
        TEXT, do_classifier_free_guidance=False, max_sequence_length=kind.words.length
    )
    assert torch.equal(found.embeddings, embeddings)
    assert tuple(embeddings.shape) == (1, kind.words.length, 32)
    if family == "ltx_video":
        assert found.mask is not None and torch.equal(found.mask, others[0].float())
        assert 0 < found.mask.sum() < kind.words.length
    else:
        assert found.mask is None
    assert not torch.equal(found.embeddings, encode_words(kind, str(folder), "dark stage", tmp_path).embeddings)


def test_a_prompt_is_encoded_once_for_a_text_and_an_encoder(
    tiny_folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, folder = find_family("wan"), tmp_path / "weights"
    shutil.copytree(tiny_folders["wan"], folder)
    calls: list[str] = []
    original = module._encoded

    def counted(family: Any, weights: Any, text: str, device: Any) -> dict[str, torch.Tensor]:
        calls.append(text)
        return original(family, weights, text, device)

    monkeypatch.setattr(module, "_encoded", counted)
    first = encode_words(kind, str(folder), TEXT, tmp_path / "kept")
    assert torch.equal(encode_words(kind, str(folder), TEXT, tmp_path / "kept").embeddings, first.embeddings)
    assert calls == [TEXT]
    (kept,) = (tmp_path / "kept").iterdir()
    kept.write_bytes(kept.read_bytes()[:-5])
    assert torch.equal(encode_words(kind, str(folder), TEXT, tmp_path / "kept").embeddings, first.embeddings)
    assert calls == [TEXT, TEXT]
    # Another production's folder, or another encoder, has none of it.
    encode_words(kind, str(folder), TEXT, tmp_path / "elsewhere")
    (folder / "tokenizer" / "extra.json").write_text("{}")
    encode_words(kind, str(folder), TEXT, tmp_path / "kept")
    assert calls == [TEXT] * 4


def test_an_encoder_that_is_not_there_is_named(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(tiny_folders["wan"], folder)
    shutil.rmtree(folder / "text_encoder")
    shutil.rmtree(folder / "tokenizer")
    with pytest.raises(MissingWeightsError, match=r"(?s)tokenizer/ with tokenizer_config.json and text_encoder/ with"):
        encode_words(find_family("wan"), str(folder), TEXT, tmp_path)
