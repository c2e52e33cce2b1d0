"""Which part and which channels of a file are the picture: EXR holds many, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interpositive.errors import MediaError


@dataclass(frozen=True)
class Layer:
    """One picture inside a file: ``channels`` are red, green and blue in part ``part`` (three times one for grey).

    ``plain`` marks what stands in its part under no further name, as the main picture does.
    """

    name: str
    part: int
    channels: tuple[int, int, int]
    plain: bool

    @property
    def first(self) -> int:
        """The first channel to read."""
        return min(self.channels)

    @property
    def stop(self) -> int:
        """The channel after the last one to read."""
        return max(self.channels) + 1


def choose_layer(path: Path, specs: Sequence[Any], wanted: str | None = None) -> Layer:
    """Find the picture in a file's parts (OpenImageIO headers), by ``wanted`` name or as the only candidate.

    The plain R, G, B (or Y) of a file win over layers with a name of their own,
    such as ``left.R``: they are the default view. ``MediaError`` lists the
    candidates when there are several, and the channels when there is none.
    """
    layers = [layer for part, spec in enumerate(specs) for layer in _layers_of(part, spec)]
    if not layers and len(specs) == 1 and specs[0].nchannels == 1:
        # A file of one channel, whatever its name, is a grey picture: mattes are delivered so.
        layers = [Layer(str(specs[0].channelnames[0]), 0, (0, 0, 0), True)]
    names = ", ".join(dict.fromkeys(layer.name or "the plain one" for layer in layers))
    if wanted is not None:
        found = [layer for layer in layers if layer.name == wanted]
        if len(found) != 1:
            raise MediaError(
                f"{path.name} has {'several pictures' if found else 'no picture'} of the layer's name",
                found=f"{wanted}, while it holds {names}" if layers else f"{wanted}, while it holds no picture",
                expected=f"one of {names}" if layers else "a file with R, G, B channels",
            )
        return found[0]
    plain = [layer for layer in layers if layer.plain]
    chosen = plain if plain else layers
    if len(chosen) == 1:
        return chosen[0]
    if not chosen:
        channels = [str(name) for spec in specs for name in spec.channelnames]
        raise MediaError(
            f"{path.name} holds no picture",
            found=f"channels {', '.join(channels[:12])}" if channels else "no channels",
            expected="R, G and B, or Y alone",
            remedy="render the beauty pass with channels R, G, B",
        )
    raise MediaError(
        f"{path.name} holds more than one picture: name the one that is meant as layers in the production, or layer=",
        found=names,
        expected="one picture, or the name of the one that is meant",
        remedy=f'layers: {{"{path.parent.name}": {chosen[0].name or layers[0].name}}} in the production, or '
        f"layer={chosen[0].name or layers[0].name} where a path is given",
    )


def _layers_of(part: int, spec: Any) -> list[Layer]:
    part_name = str(spec.getattribute("oiio:subimagename") or spec.getattribute("view") or "")
    groups: dict[str, dict[str, int]] = {}
    for place, name in enumerate(spec.channelnames):
        prefix, _, letter = str(name).rpartition(".")
        groups.setdefault(prefix, {}).setdefault(letter.upper(), place)
    layers = []
    for prefix, letters in groups.items():
        if letters.keys() >= {"R", "G", "B"}:
            channels = (letters["R"], letters["G"], letters["B"])
        elif "Y" in letters and letters.keys() <= {"Y", "A"}:
            channels = (letters["Y"],) * 3
        else:
            continue
        layers.append(Layer(prefix or part_name, part, channels, not prefix))
    return layers
