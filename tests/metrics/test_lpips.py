"""LPIPS plumbing with a random trunk: never a number to report, only the formula and the file handling."""

import hashlib
from pathlib import Path

import lpips as lpips_package
import pytest
import torch
import torch.nn.functional as F
import torchvision
from safetensors.torch import save_file

from interpositive.errors import ConfigError, MediaError, MissingWeightsError
from interpositive.metrics.lpips import TRUNKS, Lpips, LpipsNet, load_lpips, lpips_sums, trunk_place


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


def test_windows_equal_the_whole(net: LpipsNet) -> None:
    first, second = _frames(5, 5), _frames(6, 5)
    meter = Lpips(net)
    meter.update(first[:2], second[:2])
    meter.update(first[2:], second[2:])
    assert float(meter.compute()) == pytest.approx(float(net.distance(first, second).double().mean()), rel=1e-5)
    assert float(lpips_sums(net, first[None], second[None])[1]) == 5


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
    with pytest.raises(ConfigError, match="resnet"):
        load_lpips("resnet")  # type: ignore[arg-type]
