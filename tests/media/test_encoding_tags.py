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


@pytest.mark.parametrize(
    ("primaries", "transfer", "said", "expected"),
    [
        ("unknown", "linear", {}, ""),
        ("ap0", "linear", {}, "aces2065_1"),
        ("ap1", "linear", {}, "acescg"),
        ("arri-wide-gamut-4", "linear", {}, "Linear ARRI Wide Gamut 4"),
        ("bt709", "bt709", {}, "rec709_display"),
        # Film density is not an encoding of the light that fell on it.
        ("unknown", "printing-density", {}, ""),
        ("unknown", "linear", {"acesImageContainerFlag": 1}, "aces2065_1"),
        ("ap0", "linear", {"colorInteropID": "lin_ap1_scene"}, "acescg"),
        ("ap0", "linear", {"encoding": "arri_logc4"}, "arri_logc4"),
        ("unknown", "unknown", {"encoding": "bt709"}, ""),
    ],
)
def test_frames(primaries: str, transfer: str, said: dict[str, object], expected: str) -> None:
    assert encoding_of_frames(primaries, transfer, said) == expected
