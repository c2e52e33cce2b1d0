"""The player of a shot, as HTML without behaviour."""

from __future__ import annotations

from interpositive.records.measures import ShotMeasures
from interpositive.review.elements import Html, element
from interpositive.review.pictures import PLATE, ShotPictures


def player_part(shot: ShotMeasures, pictures: ShotPictures, at: int) -> Html:
    """Canvas, transport and switches of one shot; the script gives them life."""
    if not pictures.tracks:
        return _without_pictures(shot)
    name, alone = shot.name, len(pictures.tracks) == 1

    def choice(part: str, label: str, *options: str, hidden: bool = False) -> Html:
        entries = (element("option", option.capitalize(), value=option) for option in options)
        select = element("select", *entries, data_part=part)
        return element("label", element("span", label), select, hidden=hidden)

    def button(part: str, label: str, hint: str, **more: str | bool) -> Html:
        return element("button", label, type="button", data_part=part, title=hint, **more)

    zooms = (
        button(
            "zoom",
            f"{zoom}×",
            f"Zoom {zoom} times{' on the mask' if pictures.matte else ''} (Z)",
            data_zoom=str(zoom),
            aria_pressed="false",
        )
        for zoom in (1, 2, 4)
    )
    top = element(
        "div",
        choice("left", "Left", hidden=alone),
        button("swap", "Swap", "Swap left and right (X)", hidden=alone),
        choice("right", "Right", hidden=alone),
        element("span", class_="gap"),
        choice("overlay", "Matte", "off", "tint", "outline") if pictures.matte else "",
        button(
            "difference",
            "Difference ×8",
            "Show left minus right, eight times amplified (D)",
            aria_pressed="false",
            hidden=alone,
        ),
        element("span", *zooms, class_="group", role="group", aria_label="Zoom"),
        class_="bar",
    )
    stage = element(
        "div",
        element(
            "canvas",
            data_part="canvas",
            role="img",
            aria_label=f"{name}: {'the picture' if alone else 'two pictures with a wipe'}",
        ),
        element("span", class_="tag left", data_part="left-tag", aria_hidden="true"),
        element("span", class_="tag right", data_part="right-tag", aria_hidden="true", hidden=alone),
        class_="stage",
    )
    screen = element("div", stage, class_="screen", data_part="screen")
    bottom = element(
        "div",
        button("back", "‹", "One frame back (left arrow)", aria_label="One frame back"),
        button("play", "Play", "Play or pause (space)", class_="play"),
        button("forward", "›", "One frame on (right arrow)", aria_label="One frame on"),
        element("output", data_part="timecode", class_="timecode", aria_label="Timecode"),
        element("output", data_part="frame", class_="frame", aria_label="Frame number"),
        Html(
            '<input type="range" data-part="timeline" value="0" step="1" aria-label="Timeline" '
            f'min="0" max="{len(pictures.frames) - 1}">'
        ),
        Html(
            f'<label class="wipe"{" hidden" if alone else ""}><span>Wipe</span><input type="range" data-part="wipe" '
            'min="0" max="1000" value="500" aria-label="Wipe position"></label>'
        ),
        class_="bar",
    )
    return element(
        "div",
        top,
        screen,
        bottom,
        element("p", _what_is_shown(shot, pictures), class_="shown"),
        element(
            "p",
            _keys(pictures),
            class_="keys",
        ),
        class_="player",
        tabindex="0",
        role="group",
        aria_label=f"Player for {name}",
        data_player=str(at),
    )


def _what_is_shown(shot: ShotMeasures, pictures: ShotPictures) -> str:
    start, stop = pictures.playable
    num_left_out = shot.num_frames - len(pictures.frames)
    if num_left_out:
        extent = (
            f"Frames {start} to {stop - 1} play, and every worst frame can be stepped to; "
            f"{num_left_out} of {shot.num_frames} frames are left out to keep this file small."
        )
    else:
        extent = f"All {shot.num_frames} frames are here."
    shrunk = (
        f" Pictures are reduced from {pictures.source_width} × {pictures.source_height} "
        f"to {pictures.width} × {pictures.height}."
        if pictures.width < pictures.source_width
        else ""
    )
    compressed = " They are compressed review pictures: judge grain on the frames themselves."
    if PLATE in pictures.tracks:
        compressed += (
            f" {'Outside the mask, w' if pictures.matte else 'W'}hatever differs from the plate by no more than "
            "compression does is drawn from the plate."
        )
    return extent + shrunk + compressed


def _without_pictures(shot: ShotMeasures) -> Html:
    words = "No pictures were recorded for this shot."
    if shot.worst_frames:
        words += f" Its worst frames are {', '.join(map(str, shot.worst_frames))}."
    return element("p", words, class_="absent")


def _keys(pictures: ShotPictures) -> str:
    alone = len(pictures.tracks) == 1
    keys = [
        "arrows step",
        "space plays",
        "Home and End",
        "W next worst frame",
        *([] if alone else ["D difference"]),
        *(["M matte"] if pictures.matte else []),
        "Z zoom",
        *([] if alone else ["X swap", "[ and ] move the wipe"]),
    ]
    drag = "Drag" if alone else "Drag the picture to wipe; drag"
    return f"Keys: {', '.join(keys)}. {drag} with Shift held to move a zoomed picture."
