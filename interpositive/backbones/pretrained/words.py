"""A prompt becomes what a network hears: encoded once by the text encoder of its weights, and kept."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from interpositive.backbones.pretrained.contract import VideoDiffusion, Words
from interpositive.backbones.pretrained.loading import load_part
from interpositive.backbones.pretrained.weights_folder import WeightsFolder, find_weights
from interpositive.errors import ConfigError, MissingWeightsError
from interpositive.records.digests import sha256_of_value
from interpositive.records.publishing import write_file_whole

_PARTS = ("tokenizer", "text_encoder")


def encode_words(
    family: type[VideoDiffusion], asked: str, text: str, kept_in: Path, device: torch.device | str = "cpu"
) -> Words:
    """The words of a prompt for a family, whose weights are ``asked`` for; those kept before, if text and encoder are.

    ``kept_in`` is a folder of the production: what one production asked for is not looked at by another. The encoder,
    often larger than the network, is gone from memory afterwards. ``MissingWeightsError`` if it is not there.
    """
    if family.words is None:
        raise ConfigError(f"{family.__name__} takes no words", found=text)
    folder = find_weights(asked, _PARTS)
    key = sha256_of_value([family.words.pipeline, family.words.length, folder.sha256, text])
    path = kept_in / f"{key}.safetensors"
    kept = _kept(path)
    if kept is None:
        kept = _encoded(family, folder, text, device)
        kept_in.mkdir(parents=True, exist_ok=True)
        write_file_whole(path, save(kept))
    return Words(kept["embeddings"], kept.get("mask"))


def _kept(path: Path) -> dict[str, torch.Tensor] | None:
    try:
        return load(path.read_bytes())
    except (FileNotFoundError, SafetensorError):
        return None


@torch.no_grad()
def _encoded(
    family: type[VideoDiffusion], folder: WeightsFolder, text: str, device: torch.device | str
) -> dict[str, torch.Tensor]:
    import diffusers
    import transformers

    assert family.words is not None
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder.path / "tokenizer", local_files_only=True)
    except (OSError, ValueError) as error:
        raise MissingWeightsError(f"{folder.path / 'tokenizer'} cannot be loaded", found=str(error)[:300]) from error
    encoder = load_part(getattr(transformers, family.words.encoder), folder, "text_encoder", torch.bfloat16)
    # Its own cleaning, cutting and padding of texts, and nothing else of it.
    empty = dict.fromkeys(("transformer", "vae", "scheduler"))
    pipeline = getattr(diffusers, family.words.pipeline)(tokenizer=tokenizer, text_encoder=encoder.to(device), **empty)
    said = pipeline.encode_prompt(
        text, do_classifier_free_guidance=False, max_sequence_length=family.words.length, device=device
    )
    found = {"embeddings": said[0].cpu().contiguous()}
    # The pipelines give positive and negative, or each with its mask.
    if len(said) == 4:
        found["mask"] = said[1].cpu().float().contiguous()
    return found
