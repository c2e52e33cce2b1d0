"""Tiny random networks of each pretrained family, saved as diffusers saves pipelines.

    python scripts/make_tiny_backbones.py --output <folder> [--families wan wan_vace ltx_video ...]

They know nothing and weigh some hundred kilobytes: what loads, trains and samples them is the code that real weights go
through. The same seed makes the same weights.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import interpositive.training  # noqa: F401  isort: skip
import diffusers
import tokenizers
import transformers

WAN: dict[str, Any] = {
    "patch_size": (1, 2, 2), "num_attention_heads": 2, "attention_head_dim": 12, "in_channels": 16, "out_channels": 16,
    "text_dim": 32, "freq_dim": 256, "ffn_dim": 32, "num_layers": 2, "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads", "rope_max_seq_len": 32,
}  # fmt: skip


_EXPERTS = ("transformer", "transformer_2")
KNOWN_WORDS = "a the of sky water leaves crowd grain plate wire rig stage light dark slow pan"


def wan_autoencoder() -> Any:
    return diffusers.AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )


def wan() -> dict[str, Any]:
    return {
        "transformer": diffusers.WanTransformer3DModel(**WAN),
        "vae": wan_autoencoder(),
        "scheduler": diffusers.UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
    }


def wan_vace() -> dict[str, Any]:
    settings = WAN | {"num_layers": 3, "vace_layers": [0, 2], "vace_in_channels": 96}
    return wan() | {"transformer": diffusers.WanVACETransformer3DModel(**settings)}


def ltx_video() -> dict[str, Any]:
    return {
        "transformer": diffusers.LTXVideoTransformer3DModel(
            in_channels=8, out_channels=8, patch_size=1, patch_size_t=1, num_attention_heads=4, attention_head_dim=8,
            cross_attention_dim=32, num_layers=1, caption_channels=32,
        ),
        "vae": diffusers.AutoencoderKLLTXVideo(
            in_channels=3, out_channels=3, latent_channels=8, block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8), layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1, 1), spatio_temporal_scaling=(True, True, False, False),
            decoder_spatio_temporal_scaling=(True, True, False, False), decoder_inject_noise=(False,) * 5,
            upsample_residual=(False,) * 4, upsample_factor=(1,) * 4, timestep_conditioning=False, patch_size=1,
            patch_size_t=1, encoder_causal=True, decoder_causal=False,
        ),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True, base_shift=0.95, max_shift=2.05, base_image_seq_len=1024,
            max_image_seq_len=4096, shift_terminal=0.1,
        ),
    }  # fmt: skip


def cogvideox() -> dict[str, Any]:
    return {
        "transformer": diffusers.CogVideoXTransformer3DModel(
            num_attention_heads=4, attention_head_dim=8, in_channels=4, out_channels=4, time_embed_dim=2,
            text_embed_dim=32, num_layers=1, sample_width=2, sample_height=2, sample_frames=9, patch_size=2,
            temporal_compression_ratio=4, max_text_seq_length=226,
        ),
        "vae": diffusers.AutoencoderKLCogVideoX(
            in_channels=3, out_channels=3, block_out_channels=(8, 8, 8, 8), latent_channels=4, layers_per_block=1,
            norm_num_groups=2, temporal_compression_ratio=4,
            down_block_types=("CogVideoXDownBlock3D",) * 4, up_block_types=("CogVideoXUpBlock3D",) * 4,
        ),
        "scheduler": diffusers.CogVideoXDDIMScheduler(
            prediction_type="v_prediction", timestep_spacing="trailing", rescale_betas_zero_snr=True,
            snr_shift_scale=3.0, beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012,
        ),
    }  # fmt: skip


def wan_experts() -> dict[str, Any]:
    return wan() | {"transformer_2": diffusers.WanTransformer3DModel(**WAN)}


def looking(kind: Any, **more: Any) -> Any:
    """A tiny image encoder."""
    config = transformers.CLIPVisionConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=3, num_attention_heads=4, image_size=224, patch_size=56,
        **more,
    )  # fmt: skip
    return kind(config)


def wan_i2v(num_looks: int | None = None) -> dict[str, Any]:
    """Told of an image by its latents and by its look; ``num_looks`` is two images' tokens, for first and last."""
    settings = WAN | {"in_channels": 36, "image_dim": 32, "added_kv_proj_dim": 24, "pos_embed_seq_len": num_looks}
    return wan() | {
        "transformer": diffusers.WanTransformer3DModel(**settings),
        "image_encoder": looking(transformers.CLIPVisionModel),
        "image_processor": transformers.CLIPImageProcessor(),
    }


def wan_i2v_experts() -> dict[str, Any]:
    experts = {name: diffusers.WanTransformer3DModel(**WAN | {"in_channels": 36}) for name in _EXPERTS}
    return wan() | experts


def svd() -> dict[str, Any]:
    blocks = ("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal")
    return {
        "unet": diffusers.UNetSpatioTemporalConditionModel(
            block_out_channels=(32, 64), down_block_types=blocks, layers_per_block=1, cross_attention_dim=32,
            up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"), num_attention_heads=(4, 4),
            in_channels=8, out_channels=4, addition_time_embed_dim=32, projection_class_embeddings_input_dim=96,
        ),
        "vae": diffusers.AutoencoderKLTemporalDecoder(
            block_out_channels=(32,) * 4, down_block_types=("DownEncoderBlock2D",) * 4, layers_per_block=1,
            latent_channels=4,
        ),
        "scheduler": diffusers.EulerDiscreteScheduler(
            prediction_type="v_prediction", timestep_type="continuous", use_karras_sigmas=True, sigma_min=0.002,
            sigma_max=700.0, timestep_spacing="leading", steps_offset=1, interpolation_type="linear",
            beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012,
        ),
        "image_encoder": looking(transformers.CLIPVisionModelWithProjection, projection_dim=32),
        "feature_extractor": transformers.CLIPImageProcessor(),
    }  # fmt: skip


def words(encoder: str) -> dict[str, Any]:
    """A tokenizer that knows twenty words, and a text encoder."""
    known = ["<pad>", "</s>", "<unk>", *KNOWN_WORDS.split()]
    model = tokenizers.models.WordLevel({word: number for number, word in enumerate(known)}, unk_token="<unk>")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    marks = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    config = getattr(transformers, encoder.replace("EncoderModel", "Config"))
    small = config(vocab_size=len(known), d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=4)
    return {
        "tokenizer": transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **marks),
        "text_encoder": getattr(transformers, encoder)(small),
    }


FAMILIES: dict[str, Callable[[], dict[str, Any]]] = {
    "wan": lambda: wan() | words("UMT5EncoderModel"),
    "wan_vace": lambda: wan_vace() | words("UMT5EncoderModel"),
    "ltx_video": lambda: ltx_video() | words("T5EncoderModel"),
    "cogvideox": lambda: cogvideox() | words("T5EncoderModel"),
    "wan_2_2": lambda: wan_experts() | words("UMT5EncoderModel"),
    "wan_i2v": lambda: wan_i2v() | words("UMT5EncoderModel"),
    "svd": svd,
    # Other weights of the same families.
    "wan_i2v_ends": lambda: wan_i2v(num_looks=2 * 17) | words("UMT5EncoderModel"),
    "wan_2_2_i2v": lambda: wan_i2v_experts() | words("UMT5EncoderModel"),
}
# What a pipeline's index says beside its parts.
INDEX: dict[str, dict[str, Any]] = {"wan_2_2": {"boundary_ratio": 0.875}, "wan_2_2_i2v": {"boundary_ratio": 0.9}}


def make(family: str, output: Path, seed: int = 0) -> Path:
    """Save one family's tiny pipeline; gives its folder."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts = FAMILIES[family]()
    folder = output / family
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    index = {name: [type(part).__module__.partition(".")[0], type(part).__name__] for name, part in parts.items()}
    index |= INDEX.get(family, {})
    (folder / "model_index.json").write_text(json.dumps(index, indent=1))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\nRandom weights, for tests.\n")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for family in arguments.families:
        print(make(family, arguments.output, arguments.seed))


if __name__ == "__main__":
    main()
