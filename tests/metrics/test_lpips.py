"""LPIPS plumbing with a random trunk: never a number to report, only the formula and the file handling."""

import copy
import gc
import hashlib
import math
import pickle
import warnings
from pathlib import Path

import lpips as lpips_package
import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from safetensors.torch import save_file

from interpositive.errors import ConfigError, MaskError, MediaError, MissingWeightsError
from interpositive.metrics.judged import JudgedShot
from interpositive.metrics.lpips import Lpips, LpipsNet, load_lpips
from interpositive.metrics.lpips_weights import TRUNKS, trunk_place


@pytest.fixture(scope="module")
def trunk() -> dict[str, torch.Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        features = torchvision.models.alexnet(weights=None).features
    return {f"features.{name}": value for name, value in features.state_dict().items()}


@pytest.fixture(scope="module")
def trunk_path(trunk: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trunk") / "random.pth"
    torch.save(trunk, path)
    return path


@pytest.fixture(scope="module")
def net(trunk_path: Path) -> LpipsNet:
    return load_lpips("alex", trunk_path, expected_sha256=_digest(trunk_path))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _frames(seed: int, num: int = 2) -> torch.Tensor:
    return torch.rand(num, 3, 64, 72, generator=torch.Generator().manual_seed(seed))


def test_follows_the_paper(net: LpipsNet, trunk: dict[str, torch.Tensor]) -> None:
    heads_path = Path(lpips_package.__file__).parent / "weights" / "v0.1" / "alex.pth"
    heads = torch.load(heads_path, map_location="cpu", weights_only=True)
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])

    def features(frames: torch.Tensor) -> list[torch.Tensor]:
        values = (2 * frames - 1 - shift.view(1, 3, 1, 1)) / scale.view(1, 3, 1, 1)
        found = []
        for layer, stride, padding in ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1)):
            if layer in (3, 6):
                values = F.max_pool2d(values, 3, 2)
            weight, bias = trunk[f"features.{layer}.weight"], trunk[f"features.{layer}.bias"]
            values = F.relu(F.conv2d(values, weight, bias, stride, padding))
            found.append(values / (values.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return found

    first, second = _frames(0), _frames(1)
    expected = torch.zeros(2)
    for level, (a, b) in enumerate(zip(features(first), features(second), strict=True)):
        expected += F.conv2d((a - b).square(), heads[f"lin{level}.model.1.weight"]).mean((1, 2, 3))
    torch.testing.assert_close(net.distance(first, second), expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("network", ["alex", "vgg", "squeeze"])
def test_is_what_the_package_measures(network: str) -> None:
    """Its own forward pass on the same weights, distance and map."""
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(1)
        package = lpips_package.LPIPS(net=network, pnet_rand=True, verbose=False)
    weights = {"features." + name.split(".", 1)[1]: value for name, value in package.net.state_dict().items()}
    net, first, second = LpipsNet(network, weights), _frames(20), _frames(21)
    with torch.no_grad():
        expected = package(first, second, normalize=True).flatten()
        package.spatial = True
        where = package(first, second, normalize=True)
    assert float(expected.min()) > 1e-4
    torch.testing.assert_close(net.distance(first, second), expected, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(net.distance_map(first, second), where, rtol=1e-5, atol=1e-6)


def test_zero_if_equal_symmetric_and_worse_with_noise(net: LpipsNet) -> None:
    first, noise = _frames(2), _frames(3) - 0.5
    assert net.distance(first, first).tolist() == [0.0, 0.0]
    distances = [float(net.distance((first + s * noise).clamp(0, 1), first).mean()) for s in (0.1, 0.3, 0.9)]
    assert 0 < distances[0] < distances[1] < distances[2]
    torch.testing.assert_close(net.distance(first, 1 - first), net.distance(1 - first, first))


def test_map_shows_where(net: LpipsNet) -> None:
    first = _frames(4, 1).expand(1, 3, 64, 72)
    second = first.clone()
    second[..., :30, :30] = 1 - second[..., :30, :30]
    where = net.distance_map(second, first)
    assert where.shape == (1, 1, 64, 72)
    assert where[..., :24, :24].mean() > 5 * where[..., 48:, 56:].mean()
    assert float(net.distance(second, first)) > 0  # the map did not change what is measured next


def test_safetensors_gives_the_same(net: LpipsNet, trunk: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "trunk.safetensors"
    save_file(trunk, path)
    again = load_lpips("alex", path, expected_sha256=_digest(path))
    torch.testing.assert_close(again.distance(_frames(0), _frames(1)), net.distance(_frames(0), _frames(1)))
    with pytest.raises(MissingWeightsError, match="digest"):
        load_lpips("alex", path)


@pytest.mark.parametrize("network", ["alex", "vgg", "squeeze"])
def test_known_files_are_those_torchvision_names(network: str) -> None:
    weights = {
        "alex": torchvision.models.AlexNet_Weights.IMAGENET1K_V1,
        "vgg": torchvision.models.VGG16_Weights.IMAGENET1K_V1,
        "squeeze": torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1,
    }[network]
    assert TRUNKS[network].file_name == weights.url.rsplit("/", 1)[1]
    assert len(TRUNKS[network].sha256_prefix) == 8


def test_squeeze_trunk_fits_its_network() -> None:
    features = torchvision.models.squeezenet1_1(weights=None).features.state_dict()
    net = LpipsNet("squeeze", {f"features.{name}": value for name, value in features.items()})
    assert float(net.distance(_frames(0, 1), _frames(1, 1))) > 0


def test_absent_weights_say_so_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert trunk_place() == tmp_path / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth"
    with pytest.raises(MissingWeightsError) as caught:
        load_lpips()
    message = str(caught.value)
    assert message.startswith("LPIPS not measured: the weights of alexnet are not on this machine")
    assert str(trunk_place()) in message and "copy alexnet-owt-7be5be79.pth" in message
    assert not list(tmp_path.rglob("*"))


def test_altered_weights_are_refused(trunk_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match=r"(?s)digest.*begins with 7be5be79"):
        load_lpips("alex", trunk_path)
    with pytest.raises(MissingWeightsError, match="8 digits"):
        load_lpips("alex", trunk_path, expected_sha256="")


def test_wrong_contents_are_refused(tmp_path: Path, trunk: dict[str, torch.Tensor]) -> None:
    cases: dict[str, object] = {
        "holds no state dict": [1, 2],
        "not those of alexnet": {name: value for name, value in trunk.items() if "8" not in name},
    }
    for place, (message, contents) in enumerate(cases.items()):
        path = tmp_path / f"{place}.pth"
        torch.save(contents, path)
        with pytest.raises(MissingWeightsError, match=message):
            load_lpips("alex", path, expected_sha256=_digest(path))
    for name in ("noise.pth", "noise.safetensors"):
        path = tmp_path / name
        path.write_bytes(b"no weights at all")
        with pytest.raises(MissingWeightsError, match="no readable weights"):
            load_lpips("alex", path, expected_sha256=_digest(path))


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    path, mark = tmp_path / "evil.pth", tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (mark,))

    torch.save({"features.0.weight": Evil()}, path)
    with pytest.raises(MissingWeightsError, match="no readable weights"):
        load_lpips("alex", path, expected_sha256=_digest(path))
    assert not mark.exists()


def test_loading_leaves_the_random_state_alone(trunk: dict[str, torch.Tensor]) -> None:
    before = torch.random.get_rng_state()
    LpipsNet("alex", trunk)
    assert torch.equal(before, torch.random.get_rng_state())


def test_bad_input_is_named(net: LpipsNet) -> None:
    with pytest.raises(MediaError, match=r"(?s)cannot read.*\(1, 3, 16, 64\).*32 px"):
        net.distance(torch.rand(1, 3, 16, 64), torch.rand(1, 3, 16, 64))
    with pytest.raises(MediaError, match=r"(?s)cannot read.*\(1, 1, 64, 64\)"):
        net.distance(torch.rand(1, 1, 64, 64), torch.rand(1, 1, 64, 64))
    with pytest.raises(MediaError, match=r"(?s)\(1, 3, 64, 64\).*\(1, 3, 64, 63\)"):
        net.distance(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 63))
    with pytest.raises(ConfigError, match="resnet"):
        load_lpips("resnet")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def chosen(trunk_path: Path) -> dict[str, object]:
    return {"weights": str(trunk_path), "expected_sha256": _digest(trunk_path)}


def _values(metric: Lpips, *frames: torch.Tensor, mask: torch.Tensor | None = None) -> dict[str, float]:
    metric.update(*frames, mask=mask)
    return metric.shot_values()


def test_metric_means_over_frames_and_over_the_map_in_the_hole(net: LpipsNet, chosen: dict[str, object]) -> None:
    result, reference = _frames(5, 4), _frames(6, 4)
    mask = torch.zeros(4, 1, 64, 72)
    mask[0, 0, :20, :30], mask[2, 0, 40:, 50:] = 1.0, 1.0
    metric = Lpips(**chosen)
    values = _values(metric, result, reference, mask=mask)
    each, where = net.distance(result, reference), net.distance_map(result, reference)
    assert values["lpips_alex"] == pytest.approx(float(each.double().mean()), rel=1e-5)
    assert values["lpips_alex_hole"] == pytest.approx(float(where[mask > 0.5].double().mean()), rel=1e-5)
    assert metric.curves == {"lpips_alex": pytest.approx(each.tolist(), rel=1e-5)}
    assert metric.absence is None


def test_worse_pictures_measure_worse(chosen: dict[str, object]) -> None:
    reference, noise = _frames(7), _frames(8) - 0.5
    mask = torch.ones(2, 1, 64, 72)
    found = [
        _values(Lpips(**chosen), (reference + s * noise).clamp(0, 1), reference, mask=mask) for s in (0.0, 0.1, 0.5)
    ]
    for name in ("lpips_alex", "lpips_alex_hole"):
        assert 0.0 == found[0][name] < found[1][name] < found[2][name]


def test_windows_equal_the_whole_and_shots_are_averaged(chosen: dict[str, object]) -> None:
    result, reference = _frames(9, 5), _frames(10, 5)
    mask = (_frames(11, 5)[:, :1] > 0.5).float()
    whole, streamed = Lpips(**chosen), Lpips(**chosen)
    expected = _values(whole, result, reference, mask=mask)
    for part in (slice(0, 1), slice(1, 4), slice(4, 5)):
        streamed.update(result[part], reference[part], mask=mask[part])
    assert streamed.shot_values() == pytest.approx(expected, rel=1e-12)
    assert streamed.curves == whole.curves
    streamed.end_shot()
    other = _values(streamed, result[:1], reference[1:2], mask=torch.zeros(1, 1, 64, 72))
    assert math.isnan(other["lpips_alex_hole"])
    means = streamed.compute()
    assert float(means["lpips_alex"]) == pytest.approx((expected["lpips_alex"] + other["lpips_alex"]) / 2)
    assert float(means["lpips_alex_hole"]) == pytest.approx(expected["lpips_alex_hole"])


def test_metric_names_bad_input(chosen: dict[str, object]) -> None:
    frames, metric = _frames(12, 1), Lpips(**chosen)
    assert all(math.isnan(value) for value in metric.shot_values().values())
    with pytest.raises(MediaError, match=r"(?s)\(1, 3, 64, 72\).*\(1, 3, 64, 71\)"):
        metric.update(frames, frames[..., 1:])
    with pytest.raises(MediaError, match=r"(?s)not in \[0, 1\].*255"):
        metric.update(frames, frames * 0 + 255)
    with pytest.raises(MaskError, match=r"(?s)\(1, 1, 64, 71\).*\(1, 3, 64, 72\)"):
        metric.update(frames, frames, mask=torch.zeros(1, 1, 64, 71))
    with pytest.raises(MediaError, match=r"(?s)cannot read.*31"):
        metric.update(frames[..., :31], frames[..., :31])


def test_metric_without_weights_can_be_made_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for network in ("alex", "vgg", "squeeze"):
        metric = Lpips(network)  # type: ignore[arg-type]
        assert [info.name for info in metric.infos] == [f"lpips_{network}", f"lpips_{network}_hole"]
        assert metric.absence is not None and metric.absence.startswith("the weights of")
        assert TRUNKS[network].file_name in metric.absence
        with pytest.raises(MissingWeightsError, match="not measured"):
            metric.update(_frames(0), _frames(1))
    assert "holds no readable" in str(
        Lpips(weights=_noise(tmp_path), expected_sha256=_digest(_noise(tmp_path))).absence
    )
    with pytest.raises(ConfigError, match="resnet"):
        Lpips("resnet")  # type: ignore[arg-type]


def _noise(folder: Path) -> Path:
    path = folder / "noise.pth"
    path.write_bytes(b"no weights at all")
    return path


def test_the_network_is_read_once_and_is_no_part_of_a_metric(chosen: dict[str, object], trunk_path: Path) -> None:
    metric, other = Lpips(**chosen), Lpips(**chosen)
    metric.update(_frames(13), _frames(14))
    frame = next(iter(JudgedShot(["a"]).frames({"a": _frames(0)})))["a"]
    assert metric._net(frame) is other._net(frame)
    assert not list(metric.parameters()) and set(metric.state_dict()) == set()
    assert len(pickle.dumps(metric)) < 500_000  # the last frames; the trunk alone is 10 MB
    again = copy.deepcopy(metric)
    assert again.shot_values() == metric.shot_values() and again._net(frame) is metric._net(frame)
    assert _digest(trunk_path)[:8] in metric.infos[0].meaning


def test_each_picture_goes_through_the_network_once(chosen: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    seen, features = [], LpipsNet.features

    def counted(self: LpipsNet, frames: torch.Tensor) -> tuple[torch.Tensor, ...]:
        seen.append(frames)
        return features(self, frames)

    monkeypatch.setattr(LpipsNet, "features", counted)
    methods, reference = ("a", "b", "c"), _frames(15, 3)
    metrics = {method: Lpips(**chosen) for method in methods}
    results = {method: _frames(16 + place, 3) for place, method in enumerate(methods)}
    for judged in JudgedShot(methods).frames(results, reference=reference):
        for method, frame in judged.items():
            metrics[method].add(frame)
    assert len(seen) == 3 * 4  # three results and one reference a frame
    monkeypatch.undo()
    for method, metric in metrics.items():
        alone = Lpips(**chosen)
        assert _values(alone, results[method], reference) == pytest.approx(metric.shot_values(), nan_ok=True)


def test_kept_features_go_with_their_picture(net: LpipsNet) -> None:
    picture = _frames(17)[0]
    first = net.features_of(picture)
    assert net.features_of(picture) is first
    for kept, fresh in zip(first, net.features(picture[None]), strict=True):
        np.testing.assert_array_equal(kept.numpy(), fresh.numpy())
    assert net.features_of(picture.clone()) is not first
    assert len(net._recent) == 1  # the copy is gone, and so is what was kept of it
    del picture
    gc.collect()
    assert not net._recent
