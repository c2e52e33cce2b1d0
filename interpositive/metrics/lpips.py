"""Perceptual distance of a result to the clean reference: LPIPS 0.1, Zhang et al., CVPR 2018.

The ``lpips`` package brings its learned heads; the image-classification trunk
must already be on this machine (:mod:`~interpositive.metrics.lpips_weights`).
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import lpips
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interpositive.errors import MediaError, MissingWeightsError
from interpositive.metrics.checks import check_pair
from interpositive.metrics.contract import PERCEPTION, ShotMetric
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.lpips_weights import TRUNKS, Network, check_network, read_trunk, trunk_place
from interpositive.metrics.means import MeanOfValues, PooledMean
from interpositive.records.measures import MetricInfo

MIN_SIDE_PX = 32

Features = tuple[Tensor, ...]
"""What the trunk sees at each of its layers, ``n c h w``, of unit length at each place."""


class LpipsNet(nn.Module):
    """LPIPS with a given trunk; make one with :func:`load_lpips`."""

    def __init__(self, network: Network, trunk: Mapping[str, Tensor]) -> None:
        """``trunk`` has torchvision's names (``features.<layer>.…``); unused layers are ignored."""
        super().__init__()
        self.network = network
        self._recent: list[tuple[weakref.ref[Tensor], Features]] = []
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            # lpips builds its empty trunk through a torchvision argument that is deprecated.
            warnings.filterwarnings("ignore", "The parameter 'pretrained'", UserWarning)
            warnings.filterwarnings("ignore", "Arguments other than a weight enum", UserWarning)
            self.distance_net = lpips.LPIPS(net=network, pnet_rand=True, verbose=False)
        own = self.distance_net.net.state_dict()
        theirs = {name: trunk.get("features." + name.split(".", 1)[1]) for name in own}
        wrong = [name for name in own if (found := theirs[name]) is None or found.shape != own[name].shape]
        if wrong:
            raise MissingWeightsError(
                f"LPIPS not measured: the weights are not those of {TRUNKS[network].model}",
                found=f"{len(wrong)} of {len(own)} tensors missing or misshapen; it has {sorted(trunk)[:4]}",
                expected="features." + wrong[0].split(".", 1)[1] + f" of shape {tuple(own[wrong[0]].shape)}",
            )
        self.distance_net.net.load_state_dict(theirs)
        self.distance_net.requires_grad_(False)
        self.distance_net.net.to(memory_format=torch.channels_last)
        self.eval()

    @torch.no_grad()
    def features(self, frames: Tensor) -> Features:
        """Features of ``n 3 h w`` frames in [0, 1], sides of 32 px or more, else ``MediaError``."""
        shape = tuple(frames.shape)
        if len(shape) != 4 or shape[1] != 3 or min(shape[2:]) < MIN_SIDE_PX:
            expected = f"n 3 h w, {MIN_SIDE_PX} px or more each side"
            raise MediaError("LPIPS cannot read these frames", found=shape, expected=expected)
        # Channels side by side: convolutions on a CPU are a good deal faster so.
        scaled = self.distance_net.scaling_layer(2.0 * frames.float() - 1.0)
        seen = self.distance_net.net(scaled.contiguous(memory_format=torch.channels_last))
        return tuple(lpips.normalize_tensor(layer) for layer in seen)

    def features_of(self, picture: Tensor) -> Features:
        """Features of one ``3 h w`` frame; those of the last two are kept, for methods and metrics that share them.

        A picture is known again by being the same tensor, which nobody may change meanwhile.
        """
        for place, (known, features) in enumerate(self._recent):
            if known() is picture:
                self._recent.append(self._recent.pop(place))
                return features
        features = self.features(picture[None])
        self._recent = [*self._recent[-1:], (weakref.ref(picture, self._forget), features)]
        return features

    def _forget(self, _: object) -> None:
        self._recent = [kept for kept in self._recent if kept[0]() is not None]

    @torch.no_grad()
    def layer_maps(self, first: Features, second: Features) -> list[Tensor]:
        """How far two frames are apart at each layer's own size, ``n 1 h w`` each."""
        pairs = zip(self.distance_net.lins, first, second, strict=True)
        return [head((one - other).square_()) for head, one, other in pairs]

    def distance(self, result: Tensor, reference: Tensor) -> Tensor:
        """Distance of each frame (``n``), 0 if equal; ``n 3 h w`` in [0, 1], sides of 32 px or more."""
        check_pair(result, reference)
        return distance_of(self.layer_maps(self.features(result), self.features(reference)))

    def distance_map(self, result: Tensor, reference: Tensor) -> Tensor:
        """Where the distance comes from, ``n 1 h w``; interpolated, so its mean is only near the distance."""
        check_pair(result, reference)
        return map_of(self.layer_maps(self.features(result), self.features(reference)), result.shape[-2:])


def distance_of(layer_maps: Sequence[Tensor]) -> Tensor:
    """LPIPS of each frame (``n``): the sum over layers of the mean over places."""
    return torch.stack([layer.mean((1, 2, 3)) for layer in layer_maps]).sum(0)


def map_of(layer_maps: Sequence[Tensor], size: Sequence[int]) -> Tensor:
    """The sum of the layers' maps brought to one ``size`` (height, width), bilinear; ``n 1 h w``."""
    grown = [F.interpolate(layer, size=tuple(size), mode="bilinear", align_corners=False) for layer in layer_maps]
    return torch.stack(grown).sum(0)


def load_lpips(
    network: Network = "alex", trunk_path: Path | None = None, *, expected_sha256: str | None = None
) -> LpipsNet:
    """LPIPS with its trunk read from ``trunk_path``, else from torch's hub cache.

    ``MissingWeightsError`` (the message can be shown as it is) if the file is
    absent, altered (its digest does not begin with ``expected_sha256``, else
    with torchvision's) or not this network's; ``ConfigError`` for another network.
    """
    check_network(network)
    path = trunk_place(network) if trunk_path is None else Path(trunk_path)
    return LpipsNet(network, read_trunk(network, path, expected_sha256))


@lru_cache
def _shared(network: Network, path: Path, expected_sha256: str | None) -> LpipsNet:
    return load_lpips(network, path, expected_sha256=expected_sha256)


class LpipsMetric(ShotMetric):
    """A metric that looks through an LPIPS network, which is read once a process and shared by all.

    Without its weights the metric can still be made: ``absence`` then says why
    nothing is measured, and measuring raises ``MissingWeightsError``.
    """

    group = PERCEPTION
    higher_is_better = False

    def __init__(
        self,
        infos: Sequence[MetricInfo],
        curve_infos: Sequence[MetricInfo],
        network: Network,
        weights: str | Path | None,
        expected_sha256: str | None,
        **kwargs: Any,
    ) -> None:
        check_network(network)
        super().__init__(infos, curve_infos, **kwargs)
        # The network itself is no attribute: it would be copied, pickled and counted with every metric.
        self._trunk = (network, trunk_place(network) if weights is None else Path(weights), expected_sha256)
        try:
            _shared(*self._trunk)
        except MissingWeightsError as error:
            self.absence = str(error).removeprefix("LPIPS not measured: ")

    def _net(self, frame: JudgedFrame) -> LpipsNet:
        """The network, on the frame's device."""
        return _shared(*self._trunk).to(frame.result.device)


def of_weights(expected_sha256: str | None) -> str:
    """What a meaning adds when the trunk is not torchvision's own file."""
    return "" if expected_sha256 is None else f" Trunk weights of SHA-256 {expected_sha256[:8].lower()}."


class Lpips(LpipsMetric):
    """``lpips_<network>``, the mean over frames, and ``…_hole``, the mean of the map over all pixels of the hole.

    The map is interpolated from the layers' sizes and the layers see beyond a
    pixel: a bad repair shows a little outside the hole too. An empty mask leaves the hole undefined.
    """

    needs = frozenset({"reference"})

    def __init__(
        self,
        network: Network = "alex",
        weights: str | Path | None = None,
        expected_sha256: str | None = None,
        **kwargs: Any,
    ) -> None:
        """``network`` is alex, vgg or squeeze; ``weights`` a file of its trunk (None: torch's cache).

        ``expected_sha256`` is that file's digest or its beginning (None: torchvision's).
        """
        self._name = f"lpips_{network}"
        infos = [
            MetricInfo(
                name=name,
                unit="distance",
                direction="lower",
                meaning=f"How different the {what} looks from the clean reference to a network taught by "
                "people's judgements; 0 is equal." + of_weights(expected_sha256),
                headline=name == self._name,
            )
            for name, what in ((self._name, "frame"), (f"{self._name}_hole", "repair"))
        ]
        super().__init__(infos, infos[:1], network, weights, expected_sha256, **kwargs)

    def _begin_shot(self) -> None:
        self._frames, self._hole = MeanOfValues(), PooledMean()

    def _add(self, frame: JudgedFrame) -> None:
        beside, net = frame.beside, self._net(frame)
        assert beside.reference is not None
        reference = net.features_of(beside.reference)
        maps = net.layer_maps(net.features_of(frame.result), reference)
        distance = float(distance_of(maps))
        self._frames.add(distance)
        self.curves[self._name].append(distance)
        if beside.hole is not None and bool(beside.hole.any()):
            inside = map_of(maps, frame.result.shape[-2:])[0][beside.hole]
            self._hole.add(float(inside.sum(dtype=torch.float64)), inside.numel())

    def shot_values(self) -> dict[str, float]:
        """Means over the open shot."""
        return {self._name: self._frames.mean, f"{self._name}_hole": self._hole.mean}
