"""Our sampler beside the pipelines of diffusers: the same weights, noise and levels give the same frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from einops import rearrange
from tiny_backbones import load, words
from torch import Tensor

from interpositive.backbones.pretrained.contract import VideoDiffusion, Words
from interpositive.mini_models.sampling import Guidance, sample_latents

FRAMES, HEIGHT, WIDTH, STEPS = 9, 32, 64, 5
STRENGTHS = pytest.mark.parametrize("strength", [1.0, 4.0])


def noise_for(backbone: VideoDiffusion) -> Tensor:
    shape = backbone.layout.shape(FRAMES, HEIGHT, WIDTH)
    return torch.randn(1, *shape, generator=torch.Generator().manual_seed(7))


def piped(name: str, backbone: VideoDiffusion, scheduler: Any, **asked: Any) -> Tensor:
    """What a pipeline of diffusers makes of the same parts."""
    import diffusers

    parts = {"vae": backbone.autoencoder, "transformer": backbone.network, "scheduler": scheduler}
    pipeline = getattr(diffusers, name)(tokenizer=None, text_encoder=None, **parts)
    pipeline.set_progress_bar_config(disable=True)
    made: Tensor = pipeline(height=HEIGHT, width=WIDTH, num_frames=FRAMES, num_inference_steps=STEPS, **asked).frames
    return made


def told(guidance: Guidance) -> dict[str, Any]:
    assert guidance.away_from is not None
    return {
        "prompt_embeds": guidance.words.embeddings,
        "negative_prompt_embeds": guidance.away_from.embeddings,
        "guidance_scale": guidance.strength,
    }


@STRENGTHS
def test_wan_vace_paints_a_hole_as_its_pipeline_does(tiny_folders: dict[str, Path], strength: float) -> None:
    import diffusers

    backbone = load("wan_vace", tiny_folders["wan_vace"])
    generator = torch.Generator().manual_seed(3)
    frames = torch.rand(1, FRAMES, 3, HEIGHT, WIDTH, generator=generator)
    mask = (torch.rand(1, FRAMES, 1, HEIGHT, WIDTH, generator=generator) > 0.6).float()
    scheduler, noise = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0), noise_for(backbone)
    guidance = Guidance(words(1, backbone), words(2, backbone), strength)
    asked = {"video": frames, "mask": mask.expand(-1, -1, 3, -1, -1)} | told(guidance)
    asked["latents"] = rearrange(noise, "b t c h w -> b c t h w")
    expected = piped("WanVACEPipeline", backbone, scheduler, output_type="latent", **asked)
    found = sample_latents(backbone, noise, scheduler.sigmas, guidance, backbone.condition(frames, mask))
    torch.testing.assert_close(found, rearrange(expected, "b c t h w -> b t c h w"), rtol=0, atol=1e-5)
    pixels = piped("WanVACEPipeline", backbone, scheduler, output_type="pt", **asked)
    torch.testing.assert_close(backbone.decode(found).clamp(0, 1), pixels, rtol=0, atol=1e-5)


@STRENGTHS
def test_wan_goes_through_its_own_levels(tiny_folders: dict[str, Path], strength: float) -> None:
    import diffusers

    backbone = load("wan", tiny_folders["wan"])
    own = diffusers.UniPCMultistepScheduler.from_pretrained(tiny_folders["wan"], subfolder="scheduler")
    own.set_timesteps(STEPS)
    torch.testing.assert_close(backbone.schedule(STEPS, 0), own.sigmas.double(), rtol=0, atol=1e-5)
    scheduler, noise = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0), noise_for(backbone)
    guidance = Guidance(words(1, backbone), words(2, backbone), strength)
    start = rearrange(noise, "b t c h w -> b c t h w")
    expected = piped("WanPipeline", backbone, scheduler, output_type="latent", latents=start, **told(guidance))
    found = sample_latents(backbone, noise, scheduler.sigmas, guidance)
    torch.testing.assert_close(found, rearrange(expected, "b c t h w -> b t c h w"), rtol=0, atol=1e-5)


@STRENGTHS
def test_ltx_video_goes_as_its_pipeline_does(tiny_folders: dict[str, Path], strength: float) -> None:
    import diffusers

    folder = tiny_folders["ltx_video"]
    backbone = load("ltx_video", folder)
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler.from_pretrained(folder, subfolder="scheduler")
    mask = torch.ones(1, 16)
    mask[:, 11:] = 0
    guidance = Guidance(
        Words(words(1, backbone).embeddings, mask), Words(words(2, backbone).embeddings, mask), strength
    )
    noise = noise_for(backbone)
    asked = told(guidance) | {"prompt_attention_mask": mask, "negative_prompt_attention_mask": mask}
    asked["latents"] = rearrange(noise, "b t c h w -> b (t h w) c")
    expected = piped("LTXPipeline", backbone, scheduler, output_type="latent", **asked)
    times, _, height, width = noise.shape[1:]
    levels = backbone.schedule(STEPS, times * height * width)
    found = sample_latents(backbone, noise, levels, guidance)
    torch.testing.assert_close(rearrange(found, "b t c h w -> b (t h w) c"), expected, rtol=0, atol=1e-5)
    pixels = piped("LTXPipeline", backbone, scheduler, output_type="pt", **asked)
    torch.testing.assert_close(backbone.decode(found).clamp(0, 1), pixels, rtol=0, atol=1e-5)


@STRENGTHS
def test_cogvideox_goes_as_its_pipeline_does(tiny_folders: dict[str, Path], strength: float) -> None:
    import diffusers

    folder = tiny_folders["cogvideox"]
    backbone = load("cogvideox", folder)
    scheduler = diffusers.CogVideoXDDIMScheduler.from_pretrained(folder, subfolder="scheduler")
    guidance, noise = Guidance(words(1, backbone), words(2, backbone), strength), noise_for(backbone)
    asked = told(guidance) | {"latents": noise}
    expected = piped("CogVideoXPipeline", backbone, scheduler, output_type="latent", **asked)
    found = sample_latents(backbone, noise, backbone.schedule(STEPS, 0), guidance)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    pixels = piped("CogVideoXPipeline", backbone, scheduler, output_type="pt", **asked)
    torch.testing.assert_close(backbone.decode(found).clamp(0, 1), pixels, rtol=0, atol=1e-5)
