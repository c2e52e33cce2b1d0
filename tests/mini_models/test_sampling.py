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

from interpositive.backbones.pretrained.contract import Told, VideoDiffusion, Words
from interpositive.errors import ConfigError
from interpositive.functional.seeds import generator_from
from interpositive.mini_models.sampling import Guidance, LatentWindows, sample_latents

FRAMES, HEIGHT, WIDTH, STEPS = 9, 32, 64, 5
STRENGTHS = pytest.mark.parametrize("strength", [1.0, 4.0])


def noise_for(backbone: VideoDiffusion) -> Tensor:
    shape = backbone.layout.shape(FRAMES, HEIGHT, WIDTH)
    return torch.randn(1, *shape, generator=torch.Generator().manual_seed(7))


def piped(
    name: str, backbone: VideoDiffusion, scheduler: Any, more: dict[str, Any] | None = None, **asked: Any
) -> Tensor:
    """What a pipeline of diffusers makes of the same parts."""
    import diffusers

    parts = {"vae": backbone.autoencoder, "scheduler": scheduler} | backbone.networks
    pipeline = getattr(diffusers, name)(tokenizer=None, text_encoder=None, **parts, **(more or {}))
    pipeline.set_progress_bar_config(disable=True)
    made: Tensor = pipeline(height=HEIGHT, width=WIDTH, num_frames=FRAMES, num_inference_steps=STEPS, **asked).frames
    return made


def told(guidance: Guidance) -> dict[str, Any]:
    assert guidance.words is not None and guidance.away_from is not None
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
    found = sample_latents(backbone, noise, scheduler.sigmas, guidance, backbone.condition(frames, mask).within)
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
    towards, away = words(1, backbone), words(2, backbone)
    assert towards is not None and away is not None
    guidance = Guidance(Words(towards.embeddings, mask), Words(away.embeddings, mask), strength)
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


@STRENGTHS
def test_wan_asks_each_expert_at_its_levels(tiny_folders: dict[str, Path], strength: float) -> None:
    import diffusers

    backbone = load("wan_2_2", tiny_folders["wan_2_2"])
    scheduler, noise = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0), noise_for(backbone)
    guidance = Guidance(words(1, backbone), words(2, backbone), strength)
    asked = {"output_type": "latent", "latents": rearrange(noise, "b t c h w -> b c t h w")} | told(guidance)
    expected = piped("WanPipeline", backbone, scheduler, {"boundary_ratio": 0.875}, **asked)
    assert any(level < 0.875 for level in scheduler.sigmas[:-1]) and (scheduler.sigmas > 0.875).sum() > 1
    found = sample_latents(backbone, noise, scheduler.sigmas, guidance)
    torch.testing.assert_close(found, rearrange(expected, "b c t h w -> b t c h w"), rtol=0, atol=1e-5)


def plate() -> Tensor:
    """Frames of 8 bits: pipelines take images."""
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (1, FRAMES, 3, HEIGHT, WIDTH), generator=generator) / 255.0


def image_of(frame: Tensor) -> Any:
    from PIL import Image

    return Image.fromarray((frame * 255).round().byte().permute(1, 2, 0).numpy())


@STRENGTHS
@pytest.mark.parametrize(
    ("name", "frames"),
    [("wan_i2v", "first"), ("wan_i2v_ends", "ends"), ("wan_2_2_i2v", "first"), ("wan_2_2_i2v", "ends")],
)
def test_wan_begins_from_images_as_its_pipeline_does(
    tiny_folders: dict[str, Path], strength: float, name: str, frames: str
) -> None:
    import diffusers
    import transformers

    backbone = load(name, tiny_folders[name], frames=frames)
    given, noise = plate(), noise_for(backbone)
    told_of = backbone.condition(given, torch.zeros(1, FRAMES, 1, HEIGHT, WIDTH))
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    guidance = Guidance(words(1, backbone), words(2, backbone), strength)
    more: dict[str, Any] = {"boundary_ratio": 0.9} if name.startswith("wan_2_2") else {}
    if backbone.look_width is not None:
        processor = transformers.CLIPImageProcessor.from_pretrained(tiny_folders[name] / "image_processor")
        more |= {"image_encoder": backbone.image_encoder, "image_processor": processor}
    asked = {"image": image_of(given[0, 0])} | ({"last_image": image_of(given[0, -1])} if frames == "ends" else {})
    asked |= {"output_type": "latent", "latents": rearrange(noise, "b t c h w -> b c t h w")} | told(guidance)
    expected = piped("WanImageToVideoPipeline", backbone, scheduler, more, **asked)
    found = sample_latents(backbone, noise, scheduler.sigmas, guidance, told_of.within)
    torch.testing.assert_close(found, rearrange(expected, "b c t h w -> b t c h w"), rtol=0, atol=1e-5)
    # It makes a difference what it is told.
    other = backbone.condition(given.flip(-1), torch.zeros(1, FRAMES, 1, HEIGHT, WIDTH))
    assert (sample_latents(backbone, noise, scheduler.sigmas, guidance, other.within) - found).abs().max() > 1e-3


@pytest.mark.parametrize("strength", [1.0, 3.0])
def test_svd_goes_as_its_pipeline_does(tiny_folders: dict[str, Path], strength: float) -> None:
    import diffusers
    import transformers

    folder = tiny_folders["svd"]
    told_numbers = {"frames_per_second": 24.0, "motion_bucket": 90.0, "noise_augmentation": 0.05}
    backbone = load("svd", folder, **told_numbers)
    given, noise = plate(), noise_for(backbone)
    scheduler = diffusers.EulerDiscreteScheduler.from_pretrained(folder, subfolder="scheduler")
    pipeline = diffusers.StableVideoDiffusionPipeline(
        vae=backbone.autoencoder,
        image_encoder=backbone.image_encoder,
        unet=backbone.network,
        scheduler=scheduler,
        feature_extractor=transformers.CLIPImageProcessor.from_pretrained(folder / "feature_extractor"),
    )
    pipeline.set_progress_bar_config(disable=True)
    asked = {"height": HEIGHT, "width": WIDTH, "num_frames": FRAMES, "num_inference_steps": STEPS, "fps": 24}
    asked |= {"motion_bucket_id": 90, "noise_aug_strength": 0.05, "max_guidance_scale": strength, "latents": noise}
    # The noise on the image is the first thing that it draws.
    shape = (3, HEIGHT, WIDTH)
    expected, frames = (
        pipeline(
            image=image_of(given[0, 0]),
            output_type=kind,
            generator=generator_from("noise_augmentation", *shape),
            **asked,
        ).frames
        for kind in ("latent", "pt")
    )
    guidance = Guidance(None, strength=strength, first_strength=1.0)
    tell = backbone.condition(given, torch.zeros(1, FRAMES, 1, HEIGHT, WIDTH)).within
    found = sample_latents(backbone, noise, backbone.schedule(STEPS, 0), guidance, tell)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(backbone.decode(found).clamp(0, 1)[0], frames[0], rtol=0, atol=1e-4)


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

    def velocity(self, noisy: Tensor, level: Tensor, words: Words, told: Told) -> Tensor:
        assert told.latents is not None and told.latents.shape[1] == noisy.shape[1]
        self.asked.append(noisy.shape[1])
        return noisy.sin() * (1 + level) + told.latents


def test_windows_change_nothing_for_a_network_that_looks_at_one_latent_at_a_time() -> None:
    generator = torch.Generator().manual_seed(0)
    noise, latents = (torch.randn(1, 11, 4, 2, 3, generator=generator) for _ in range(2))
    tell = Told(latents).within
    levels, guidance = torch.linspace(1, 0, 5), Guidance(Words(torch.zeros(1, 1, 1)))
    network: Any = FrameByFrame()
    whole = sample_latents(network, noise, levels, guidance, tell)
    network.asked.clear()
    cut = sample_latents(network, noise, levels, guidance, tell, windows=LatentWindows(4, 2))
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
