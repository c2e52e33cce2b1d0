"""Every family through one contract: loaded from a folder, encoding, decoding, velocities, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from tiny_backbones import BACKBONES, FAMILY_OF, load, words

from interpositive.backbones.pretrained.contract import Told, Words, first_frame
from interpositive.backbones.pretrained.families import family_names, find_family
from interpositive.backbones.pretrained.weights_folder import find_weights
from interpositive.errors import ConfigError, MaskError, MissingWeightsError

EACH_FAMILY = pytest.mark.parametrize("family", FAMILY_OF)
PARTS = ("transformer", "vae", "scheduler")


@EACH_FAMILY
def test_frames_become_latents_of_the_layout_and_frames_again(family: str, tiny_folders: dict[str, Path]) -> None:
    backbone = load(family, tiny_folders[family])
    frames = torch.rand(2, 9, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    latents = backbone.encode(frames)
    assert tuple(latents.shape) == (2, *backbone.layout.shape(9, 32, 48))
    assert backbone.decode(latents).shape == frames.shape
    assert torch.equal(latents, backbone.encode(frames))
    torch.testing.assert_close(latents[1:], backbone.encode(frames[1:]))
    by_channel = latents.transpose(1, 2)
    torch.testing.assert_close(backbone._normalised(backbone._stored(by_channel)), by_channel, rtol=1e-4, atol=1e-5)


@EACH_FAMILY
def test_what_it_is_told_is_made_where_the_autoencoder_is(family: str, tiny_folders: dict[str, Path]) -> None:
    backbone = load(family, tiny_folders[family])
    if backbone.look_width is not None:
        pytest.skip("its image encoder wants values, and the device of this test has none")
    backbone.autoencoder.to("meta")
    told = backbone.condition(torch.rand(1, 9, 3, 32, 32), torch.ones(1, 9, 1, 32, 32))
    assert told.latents is None or told.latents.is_meta


@EACH_FAMILY
def test_a_velocity_depends_on_noise_level_words_and_condition(family: str, tiny_folders: dict[str, Path]) -> None:
    backbone = load(family, tiny_folders[family])
    generator = torch.Generator().manual_seed(0)
    frames, mask = torch.rand(1, 9, 3, 32, 32, generator=generator), torch.ones(1, 9, 1, 32, 32)
    noisy = torch.randn(1, *backbone.layout.shape(9, 32, 32), generator=generator)
    level, told = torch.tensor(0.5), backbone.condition(frames, mask)
    found = backbone.velocity(noisy, level, words(1, backbone), told)
    assert found.shape == noisy.shape and found.isfinite().all()
    others = [
        backbone.velocity(noisy + 0.1, torch.tensor(0.95), words(1, backbone), told),
        backbone.velocity(noisy, torch.tensor(0.6), words(1, backbone), told),
    ]
    if backbone.words is not None:
        others.append(backbone.velocity(noisy, level, words(2, backbone), told))
    if told.latents is not None:
        assert tuple(told.latents.shape) == (1, noisy.shape[1], backbone.condition_channels(), *noisy.shape[-2:])
        others.append(backbone.velocity(noisy, level, words(1, backbone), Told(1 + told.latents, told.look)))
    if told.look is not None:
        others.append(backbone.velocity(noisy, level, words(1, backbone), Told(told.latents, told.look.flip(-1))))
    for other in others:
        assert (found - other).abs().max() > 1e-6
    # Each of a batch at its own level, by its own expert where there are two.
    twice = Told(*(None if value is None else torch.cat([value, value]) for value in (told.latents, told.look)))
    both = torch.cat([noisy, noisy + 0.1])
    pair = backbone.velocity(both, torch.tensor([0.5, 0.95]), words(1, backbone), twice)
    torch.testing.assert_close(pair, torch.cat([found, others[0]]), rtol=1e-4, atol=1e-5)


@EACH_FAMILY
def test_levels_fall_from_noise_to_nothing(family: str, tiny_folders: dict[str, Path]) -> None:
    backbone = load(family, tiny_folders[family])
    for num_steps in (1, 7):
        levels = backbone.schedule(num_steps, 600)
        assert len(levels) == num_steps + 1 and levels[-1] == 0 and (levels.diff() < 0).all()


@EACH_FAMILY
def test_shapes_that_do_not_fit_are_refused_with_both(family: str, tiny_folders: dict[str, Path]) -> None:
    backbone = load(family, tiny_folders[family])
    frames = torch.rand(1, 9, 3, 32, 32)
    if backbone.layout.time_frames > 1:
        with pytest.raises(ConfigError, match=r"(?s)8 frames of 32x32 px.*multiples of"):
            backbone.encode(frames[:, :8])
    with pytest.raises(ConfigError, match="33x32"):
        backbone.encode(torch.rand(1, 9, 3, 32, 33))
    with pytest.raises(MaskError, match=r"(?s)mask \(1, 9, 1, 16, 16\).*mask \(1, 9, 1, 32, 32\)"):
        backbone.condition(frames, torch.ones(1, 9, 1, 16, 16))
    noisy = torch.randn(1, *backbone.layout.shape(9, 32, 32))
    told = backbone.condition(frames, torch.ones(1, 9, 1, 32, 32))
    strange = torch.zeros(1, noisy.shape[1], backbone.condition_channels() + 1, *noisy.shape[-2:])
    expected = rf"\(1, {noisy.shape[1]}, {backbone.condition_channels()}," if told.latents is not None else "nothing"
    with pytest.raises(ConfigError, match=rf"(?s)condition.*{backbone.condition_channels() + 1}.*{expected}"):
        backbone.velocity(noisy, torch.tensor(0.5), words(1, backbone), Told(strange, told.look))
    if told.look is not None:
        wide = torch.zeros(1, 1, told.look.shape[-1] + 1)
        with pytest.raises(ConfigError, match=rf"(?s)look.*{told.look.shape[-1] + 1}.*{told.look.shape[-1]}"):
            backbone.velocity(noisy, torch.tensor(0.5), words(1, backbone), Told(told.latents, wide))
    narrow = words(1, backbone)
    if narrow is None:
        with pytest.raises(ConfigError, match="no words"):
            backbone.velocity(noisy, torch.tensor(0.5), Words(torch.zeros(1, 2, 3)), told)
        return
    with pytest.raises(ConfigError, match=rf"(?s)words \(1, \d+, {backbone.words_width - 1}\).*{backbone.words_width}"):
        backbone.velocity(noisy, torch.tensor(0.5), type(narrow)(narrow.embeddings[..., 1:]), told)


@EACH_FAMILY
def test_the_autoencoder_learns_nothing(family: str, tiny_folders: dict[str, Path]) -> None:
    backbone = load(family, tiny_folders[family]).train()
    assert not backbone.autoencoder.training and backbone.network.training
    trainable = {name for name, value in backbone.named_parameters() if value.requires_grad}
    names = ("network.", "low_noise_network.")
    assert trainable and all(name.startswith(names) for name in trainable)
    assert all(not module.training for name, module in backbone.named_children() if f"{name}." not in names)


@EACH_FAMILY
def test_weights_that_are_not_there_are_named_with_the_folder(
    family: str, tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(tiny_folders[family], folder)
    kind = find_family(FAMILY_OF[family])
    whole = find_weights(str(folder), kind.parts, kind.perhaps)
    assert whole.licence == "apache-2.0"
    assert whole.sha256 == find_weights(str(tiny_folders[family]), kind.parts, kind.perhaps).sha256
    with_weights = [part for part in whole.parts if any((folder / part).glob("*.safetensors"))]
    for part in with_weights:
        (weights,) = (folder / part).glob("*.safetensors")
        before = weights.read_bytes()
        weights.write_bytes(before[:-8])
        damaged = find_weights(str(folder), kind.parts, kind.perhaps)
        assert damaged.sha256 != whole.sha256
        with pytest.raises(MissingWeightsError, match=f"{part} cannot be loaded"):
            kind.load(damaged, torch.float32)
        weights.unlink()
        with pytest.raises(MissingWeightsError, match=rf"(?s){folder}.*{part}/ with config.json and \*.safetensors"):
            find_weights(str(folder), kind.parts, kind.perhaps)
        weights.write_bytes(before)
    assert len(with_weights) >= 2


def test_another_familys_folder_is_refused_by_name(tiny_folders: dict[str, Path]) -> None:
    kind = find_family("ltx_video")
    with pytest.raises(MissingWeightsError, match=r"(?s)CogVideoXTransformer3DModel.*LTXVideoTransformer3DModel"):
        kind.load(find_weights(str(tiny_folders["cogvideox"]), kind.parts), torch.float32)


def test_weights_of_another_shape_are_refused(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(tiny_folders["wan"], folder)
    config = folder / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"ffn_dim": 48}))
    kind = find_family("wan")
    with pytest.raises(MissingWeightsError, match="transformer"):
        kind.load(find_weights(str(folder), kind.parts), torch.float32)


def test_a_hub_id_is_looked_for_in_the_cache_of_this_machine(
    tiny_folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingWeightsError, match=r"(?s)models--somebody--wan.*download somebody/wan"):
        find_weights("somebody/wan", PARTS)
    folder = tmp_path / "models--somebody--wan"
    shutil.copytree(tiny_folders["wan"], folder / "snapshots" / "0a1b")
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0a1b\n")
    found = find_weights("somebody/wan", PARTS)
    assert found.path == folder / "snapshots" / "0a1b" and found.origin == "somebody/wan"


def test_a_file_of_a_split_network_that_is_missing_is_noticed(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(tiny_folders["wan"], folder)
    index = folder / "transformer" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "diffusion_pytorch_model-00002-of-00002.safetensors"}}))
    with pytest.raises(MissingWeightsError, match="transformer"):
        find_weights(str(folder), PARTS)


def test_families_are_the_files_that_hold_one() -> None:
    assert family_names() == sorted(set(BACKBONES.values()))
    with pytest.raises(ConfigError, match=r"(?s)sora.*cogvideox, ltx_video, svd, wan, wan_i2v, wan_vace"):
        find_family("sora")


def test_an_image_shows_under_its_hole_what_the_next_frame_shows_there() -> None:
    frames = torch.arange(3.0)[None, :, None, None, None].expand(1, 3, 3, 2, 4).clone()
    frames[0, 0, 0, :, 3] = 8.0
    mask = torch.zeros(1, 3, 1, 2, 4)
    mask[:, :1, ..., 0] = 1
    mask[:, :2, ..., 1] = 1
    mask[..., 2] = 1
    found = first_frame(frames, mask)
    assert found.shape == (1, 3, 2, 4)
    # Shown by the second, by the third, by none (the mean of what the first shows), and by itself.
    assert found[0, 0, 0].tolist() == [1.0, 2.0, 8.0, 8.0] and found[0, 1, 0].tolist() == [1.0, 2.0, 0.0, 0.0]


def test_an_image_encoder_that_the_index_does_not_name_is_asked_for(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    folder, kind = tmp_path / "weights", find_family("wan_i2v")
    shutil.copytree(tiny_folders["wan_i2v"], folder)
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"image_encoder": [None, None]}))
    found = find_weights(str(folder), kind.parts, kind.perhaps)
    assert "image_encoder" not in found.parts
    with pytest.raises(MissingWeightsError, match=rf"(?s){folder}.*image_encoder/ with config.json"):
        kind.load(found, torch.float32)
    # Without an index the folders themselves say what there is.
    (folder / "model_index.json").unlink()
    whole = find_weights(str(folder), kind.parts, kind.perhaps)
    assert set(whole.parts) == {*kind.parts, "image_encoder", "image_processor"}
    assert kind.load(whole, torch.float32).look_width == 32


def test_settings_that_a_family_or_its_weights_do_not_have_are_refused(tiny_folders: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match=r"(?s)Wan has no such settings.*motion_bucket.*none"):
        load("wan", tiny_folders["wan"], motion_bucket=3)
    with pytest.raises(ConfigError, match=r"(?s)Svd has no such settings.*\['frames'\].*motion_bucket"):
        load("svd", tiny_folders["svd"], frames="first")
    with pytest.raises(ConfigError, match=r"(?s)such frames.*ends.*first"):
        load("wan_i2v", tiny_folders["wan_i2v"], frames="ends")
    with pytest.raises(ConfigError, match=r"(?s)such frames.*middle.*first or ends"):
        load("wan_2_2_i2v", tiny_folders["wan_2_2_i2v"], frames="middle")


def test_a_network_that_is_told_a_time_for_each_latent_is_refused(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(tiny_folders["wan"], folder)
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"expand_timesteps": True}))
    with pytest.raises(ConfigError, match="expand_timesteps"):
        load("wan", folder)
