import numpy as np
import pytest

from interpositive.media.contract import ColourTags
from interpositive.media.encoding_tags import encoding_of_frames, encoding_of_movie

ARRI, DJI = "com.arri.camera.colorgammasxs", "com.dji.camera.colorgammasxs"


@pytest.mark.parametrize(
    ("primaries", "transfer", "metadata", "expected"),
    [
        ("bt709", "bt709", {}, "rec709_display"),
        ("bt709", "iec61966-2-1", {}, "srgb_display"),
        ("bt2020", "smpte2084", {}, "rec2100_pq_display"),
        ("bt2020", "arib-std-b67", {}, "rec2100_hlg_display"),
        # Half a word is none.
        ("bt709", "unknown", {}, ""),
        ("unknown", "bt709", {}, ""),
        ("smpte170m", "smpte170m", {}, ""),
        ("bt709", "bt709", {"interpositive_encoding": "arri_logc4"}, "arri_logc4"),
        # Cameras that tag log as BT.709 and say better beside it.
        ("bt709", "bt709", {ARRI: "LOG-C"}, "arri_logc3"),
        ("bt709", "bt709", {DJI: "D-Log"}, "dji_dlog"),
        ("bt709", "bt709", {DJI: "Rec.709"}, "rec709_display"),
        ("bt709", "bt709", {DJI: "D-Log2"}, ""),
    ],
)
def test_movies(primaries: str, transfer: str, metadata: dict[str, str], expected: str) -> None:
    colour = ColourTags("bt709", "limited", primaries, transfer, "tagged")
    assert encoding_of_movie(colour, metadata) == expected


AP0 = tuple(np.float32([0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767]))
AWG4 = (0.7347, 0.2653, 0.1424, 0.8576, 0.0991, -0.0308, 0.3127, 0.329)


@pytest.mark.parametrize(
    ("primaries", "transfer", "said", "chromaticities", "expected"),
    [
        ("unknown", "linear", {}, None, ""),
        ("ap0", "linear", {}, AP0, "aces2065_1"),
        ("ap1", "linear", {}, None, "acescg"),
        ("unknown", "linear", {}, AWG4, "Linear ARRI Wide Gamut 4"),
        ("unknown", "linear", {}, (1, 0, 0, 1, 0, 0, 1 / 3, 1 / 3), ""),
        ("bt709", "bt709", {}, None, "rec709_display"),
        # Film density is not an encoding of the light that fell on it.
        ("unknown", "printing-density", {}, None, ""),
        ("unknown", "linear", {"acesImageContainerFlag": 1}, None, "aces2065_1"),
        ("ap0", "linear", {"colorInteropID": "lin_ap1_scene"}, AP0, "acescg"),
        ("ap0", "linear", {"encoding": "arri_logc4"}, AP0, "arri_logc4"),
        ("unknown", "unknown", {"encoding": "bt709"}, None, ""),
    ],
)
def test_frames(
    primaries: str, transfer: str, said: dict[str, object], chromaticities: tuple[float, ...] | None, expected: str
) -> None:
    assert encoding_of_frames(primaries, transfer, said, chromaticities) == expected
