import numpy as np
import pytest

from interpositive.media.contract import ColourTags
from interpositive.media.encoding_tags import encoding_of_frames, encoding_of_movie

ARRI, DJI = "com.arri.camera.colorgammasxs", "com.dji.camera.colorgammasxs"
SAYS_NOTHING = ColourTags("rgb", "full", "unknown", "unknown", "rgb")


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


AP0 = np.float32([0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767])
AWG4 = (0.7347, 0.2653, 0.1424, 0.8576, 0.0991, -0.0308, 0.3127, 0.329)


@pytest.mark.parametrize(
    ("attributes", "linear", "expected"),
    [
        ({}, True, ""),
        ({"oiio:ColorSpace": "lin_rec709"}, True, ""),
        ({"chromaticities": AP0}, True, "aces2065_1"),
        ({"chromaticities": AWG4}, True, "Linear ARRI Wide Gamut 4"),
        ({"chromaticities": (1, 0, 0, 1, 0, 0, 1 / 3, 1 / 3)}, True, ""),
        ({"chromaticities": AP0}, False, ""),
        ({"acesImageContainerFlag": 1}, True, "aces2065_1"),
        ({"colorInteropID": "lin_ap1_scene", "chromaticities": AP0}, True, "acescg"),
        ({"interpositive:encoding": "arri_logc4", "chromaticities": AP0}, True, "arri_logc4"),
        ({"interpositive:encoding": "bt709"}, False, ""),
    ],
)
def test_frames(attributes: dict[str, object], linear: bool, expected: str) -> None:
    assert encoding_of_frames(SAYS_NOTHING, attributes, linear=linear) == expected
