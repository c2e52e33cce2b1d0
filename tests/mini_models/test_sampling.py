"""Our sampler beside the pipelines of diffusers: the same weights, noise and levels give the same frames."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from einops import rearrange
from tiny_backbones import load, words
from torch import Tensor

from interpositive.backbones.pretrained.contract import VideoDiffusion, Words
from interpositive.errors import ConfigError
from interpositive.mini_models.sampling import Guidance, LatentWindows, sample_latents

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


@pytest.mark.parametrize(
    ("num", "size", "overlap"), [(1, 4, 1), (4, 4, 2), (5, 4, 3), (21, 6, 2), (40, 13, 4), (9, 8, 0)]
)
def test_stretches_cover_all_latents_and_share_as_many_as_asked(num: int, size: int, overlap: int) -> None:
    stretches = LatentWindows(size, overlap).over(num)
    assert stretches[0].start == 0 and stretches[-1].stop == num
    assert {stretch.stop - stretch.start for stretch in stretches} == {min(num, size)}
    for before, after in pairwise(stretches):
        assert before.start < after.start and before.stop - after.start >= overlap


@pytest.mark.parametrize("given", [(0, 0), (4, 4), (4, -1)])
def test_windows_that_cover_nothing_are_refused(given: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="cannot cover"):
        LatentWindows(*given)


class FrameByFrame:
    """A network that looks at one latent at a time: windows must not change what it says."""

    path = "straight"

    def __init__(self) -> None:
        self.asked: list[int] = []

    def velocity(self, noisy: Tensor, level: Tensor, words: Words, condition: Tensor | None) -> Tensor:
        assert condition is not None and condition.shape[1] == noisy.shape[1]
        self.asked.append(noisy.shape[1])
        return noisy.sin() * (1 + level) + condition


def test_windows_change_nothing_for_a_network_that_looks_at_one_latent_at_a_time() -> None:
    generator = torch.Generator().manual_seed(0)
    noise, told = (torch.randn(1, 11, 4, 2, 3, generator=generator) for _ in range(2))
    levels, guidance = torch.linspace(1, 0, 5), Guidance(Words(torch.zeros(1, 1, 1)))
    network: Any = FrameByFrame()
    whole = sample_latents(network, noise, levels, guidance, told)
    network.asked.clear()
    cut = sample_latents(network, noise, levels, guidance, told, windows=LatentWindows(4, 2))
    assert set(network.asked) == {4} and len(network.asked) == 4 * 5
    torch.testing.assert_close(cut, whole)


def test_one_window_over_all_is_no_window(tiny_folders: dict[str, Path]) -> None:
    backbone = load("wan", tiny_folders["wan"])
    noise = torch.randn(1, 6, 16, 4, 4, generator=torch.Generator().manual_seed(0))
    levels, guidance = backbone.schedule(4, 0), Guidance(words(1, backbone))
    whole = sample_latents(backbone, noise, levels, guidance)
    torch.testing.assert_close(sample_latents(backbone, noise, levels, guidance, windows=LatentWindows(6, 2)), whole)
    joint = sample_latents(backbone, noise, levels, guidance, windows=LatentWindows(4, 2))
    apart = sample_latents(backbone, noise[:, :4], levels, guidance)
    # What two windows share moves by both: neither window alone would have come there.
    assert (joint[:, 2:4] - apart[:, 2:]).abs().max() > 1e-3
