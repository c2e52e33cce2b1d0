"""Mini flow: what is seen is copied, what is not is made up, and it stays where it is in the scene."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from productions import panning_shot

from interpositive.delivery.restoring import WindowPlan, restore_shot
from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.mini_models import mini_flow
from interpositive.mini_models.candidate_bank import motion_of
from interpositive.mini_models.film_learning import film_tensors
from interpositive.mini_models.mini_flow import FilmSurroundings, MiniFlow
from interpositive.mini_models.plate_film import CameraTracks, Placed, PlateBox, on_one_plate
from interpositive.motion.window_motion import WindowMotion

NUM_FRAMES = 8
SPEED = (1.0, 0.0)


def small(**changes: object) -> MiniFlow:
    torch.manual_seed(0)
    given: dict[str, object] = {
        "flow_offsets": [1],
        "camera_offsets": [2],
        "recursive": False,
        "scorer_width": 4,
        "residual_widths": [4, 4, 4],
        "crop_px": 32,
        "crops_per_frame": 2,
        "frames_per_window": 2,
        "video_widths": [8, 8, 8],
        "film_px": 32,
        "film_frames": 3,
        "num_steps": 2,
        "stretch_frames": 4,
        "shared_frames": 2,
    }
    return MiniFlow(**{**given, **changes}).eval()  # type: ignore[arg-type]


def shot(num_frames: int = NUM_FRAMES, speed: float = SPEED[0]) -> Example:
    """A pan, with a hole that lies on the wall and one that stays in the frame, which others show."""
    clean = panning_shot(3, num_frames=num_frames, speed_px=(speed, 0.0), actor=False)
    frames = torch.from_numpy(clean.transpose(0, 3, 1, 2).copy())
    mask = torch.zeros(num_frames, 1, *frames.shape[-2:])
    for t in range(num_frames):
        left = round(60 - speed * t)
        mask[t, :, 20:40, left : left + 20] = 1
        mask[t, :, 50:54, 8:11] = 1
    return Example(frames, mask)


@pytest.mark.parametrize("speed", [0.0, 1.0])
def test_what_a_frame_shows_is_copied_and_the_rest_is_made_up(speed: float) -> None:
    example = shot(speed=speed)
    keep = range(2, 6)
    restored = small().restore(example, keep, ["regression", "trained"])
    made_up = restored["trained"].made_up
    assert made_up is not None and restored["regression"].made_up is None
    copied, new = restored["regression"].frames, restored["trained"].frames
    everywhere = made_up.expand_as(new)
    assert torch.equal(new[~everywhere], copied[~everywhere]) and not torch.equal(new, copied)
    hole = example.mask[2:6] > 0
    assert made_up[..., 22:38, 40:].any() and not (made_up & ~hole).any()
    if speed:
        assert not made_up[..., :20].any(), "other frames show the hole that stays in the frame"


def test_what_is_made_up_stays_where_it_is_in_the_scene() -> None:
    """A network that says nothing leaves noise itself, which must move with the wall."""
    frames = small().restore(shot(), range(1, 7), ["trained"])["trained"].frames
    inside = (slice(None), slice(24, 36))
    now, then = frames[1][inside][..., 62:72], frames[4][inside][..., 59:69]
    apart = frames[4][inside][..., 62:72]
    assert (now - then).abs().mean() < 0.35 * (now - apart).abs().mean()


def whole_shot(model: MiniFlow, example: Example, size: int) -> Iterator[np.ndarray]:
    codes = (example.input.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
    masks = example.mask[:, 0].numpy()
    plan = WindowPlan(size=size, overlap=2, reach=3)
    for frame in restore_shot(
        lambda a, b: codes[a:b],
        lambda a, b: masks[a:b],
        len(codes),
        model,
        ["trained"],
        plan,
    ):
        yield frame.results["trained"]


def test_windows_of_a_shot_share_one_noise_whatever_their_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each place of the plate has its number, and each frame its place, in windows of 8 and of 24."""
    seen: dict[int, dict[int, Placed]] = {}
    follow, drawn = CameraTracks.follow, mini_flow.plate_noise
    seeds = set()

    def following(self, number, first, motion):  # type: ignore[no-untyped-def]
        track = follow(self, number, first, motion)
        seen.setdefault(size, {}).update({first + t: at for t, at in enumerate(track)})
        return track

    def drawing(seed, rows, columns):  # type: ignore[no-untyped-def]
        seeds.add(seed)
        return drawn(seed, rows, columns)

    monkeypatch.setattr(CameraTracks, "follow", following)
    monkeypatch.setattr(mini_flow, "plate_noise", drawing)
    example, model = shot(num_frames=26, speed=0.5), small(num_steps=1)
    # For a while there is nothing to do, and the camera goes on.
    example.mask[6:20] = 0
    for size in (8, 24):
        assert sum(1 for _ in whole_shot(model, example, size)) == 26
    assert len(seeds) == 1 and seen[8].keys() == seen[24].keys() == set(range(26))
    for number, at in seen[8].items():
        assert at.plate == seen[24][number].plate == 0
        np.testing.assert_array_equal(at.homography, seen[24][number].homography)


def zooming(motion: WindowMotion) -> WindowMotion:
    """The same pictures, of a camera that is said to come 1.4 times nearer with each frame."""
    vars(motion)["step"] = lambda frame: np.diag((1.4, 1.4, 1.0))
    return motion


def test_a_camera_that_comes_near_begins_a_new_plate_elsewhere() -> None:
    example, tracks = shot(num_frames=3), CameraTracks()
    motion = motion_of(example)
    (_, still), _, (plate, panned) = tracks.follow(5, 0, motion)
    assert np.allclose(still, np.eye(3)) and abs(panned[0, 2] - 2 * SPEED[0]) < 0.3 and plate == 0
    placed = tracks.follow(6, 0, zooming(motion))
    assert [plate for plate, _ in placed] == [0, 1, 2]
    for _, homography in placed[1:]:
        assert np.allclose(homography[:2, :2], np.eye(2)) and homography[0, 2] >= 8 * motion.width
    assert on_one_plate([placed[0], placed[0], placed[1]]) == [slice(0, 2), slice(2, 3)]


def test_what_lies_on_several_plates_is_made_up_on_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plates lie far apart: one film of all would be as wide as the way between them."""
    widths, drawn = [], mini_flow.plate_noise

    def drawing(seed, rows, columns):  # type: ignore[no-untyped-def]
        widths.append(len(columns))
        return drawn(seed, rows, columns)

    monkeypatch.setattr(mini_flow, "plate_noise", drawing)
    example, model = shot(num_frames=4, speed=0.0), small()
    motion = zooming(motion_of(example))
    keep = range(4)
    copied = model.restore(example, keep, ["regression"])["regression"]
    holes = [motion.holes[t] for t in keep]
    with torch.no_grad():
        made = model._made_up(example, motion, keep, copied, holes)
    assert len(widths) == 4 and max(widths) < 2 * motion.width
    assert made.made_up is not None and made.frames.isfinite().all()
    assert all((made.frames[t] != copied.frames[t]).any() for t in keep)


def test_film_to_learn_from_hides_its_hole_and_is_true_elsewhere() -> None:
    example = shot()
    judged = torch.zeros_like(example.mask)
    real = Example(torch.where(example.mask > 0, 0.0, example.input), example.mask, example.input, {"judged": judged})
    film = film_tensors(real, motion_of(real), 32, 3, generator_from("film"))
    hole, weight = film["film_hole"], film["film_weight"]
    assert film["film"].shape == film["film_target"].shape == (3, 3, 32, 32) and weight.any()
    assert not (weight & ~hole).any()
    everywhere = hole.expand(3, 3, 32, 32)
    assert torch.equal(film["film"][~everywhere], film["film_target"][~everywhere])
    assert (film["film"] - film["film_target"])[everywhere].abs().mean() > 0.01
    # On the plate, a scene that stands still does.
    assert (film["film_target"][0] - film["film_target"][2]).float().abs().median() < 0.02


def test_the_strength_of_detail_is_that_of_what_is_known() -> None:
    torch.manual_seed(0)
    flat, grain = torch.full((1, 2, 3, 48, 48), 0.5), torch.randn(1, 2, 3, 48, 48)
    busy = 0.5 + 0.1 * grain[:, :, :1].expand_as(grain) + 0.01 * grain
    hole = torch.zeros(1, 2, 1, 48, 48)
    hole[..., 16:32, 16:32] = 1
    busy = torch.where(hole > 0, 0.5, busy)
    calm, strong = (FilmSurroundings(film, hole).scale[..., 24, 24] for film in (flat, busy))
    assert calm.max() < 0.01
    # Three channels that agree add up in brightness, and leave little between the colours.
    assert strong[0, 0].tolist() == pytest.approx([1.5 * 0.1 * 3**0.5, 0.015, 0.015], rel=0.25)


def test_what_is_made_up_adds_up_inside_the_hole() -> None:
    torch.manual_seed(0)
    film, target, hole = torch.rand(1, 2, 3, 24, 24), torch.rand(1, 2, 3, 24, 24), torch.zeros(1, 2, 1, 24, 24)
    hole[..., 8:16, 8:16] = 1
    around = FilmSurroundings(film, hole)
    back = around.to_film(around.to_clean(target))
    torch.testing.assert_close(back, torch.where(hole > 0, target, film))


def test_the_best_the_network_can_say_gives_the_straight_paths_velocity() -> None:
    model, clean, noise = small(), torch.randn(2, 3, 3, 8, 8), torch.randn(2, 3, 3, 8, 8)
    level = torch.tensor([0.0, 1.0])
    at = level[:, None, None, None, None]
    best = torch.where(at > 0, clean, -noise)
    model.video.forward = lambda features, level: best  # type: ignore[method-assign]
    film = torch.full((2, 3, 3, 8, 8), 0.5)
    everywhere = FilmSurroundings(film, torch.ones_like(film[:, :, :1]))
    velocity = model._velocity(model.path.noisy(clean, noise, at), level, everywhere)
    torch.testing.assert_close(velocity, noise - clean)


@pytest.mark.parametrize(
    "wrong", [{"solver": "leap"}, {"film_px": 30}, {"video_widths": [8]}, {"num_steps": 0}, {"shared_frames": 4}]
)
def test_what_cannot_be_built_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        small(**wrong)


def test_a_box_on_the_plate_shows_what_was_asked_for() -> None:
    area = np.zeros((20, 30), bool)
    area[5:9, 10:14] = True
    moved = np.asarray([[1, 0, 100], [0, 1, -50], [0, 0, 1.0]])
    box = PlateBox.around([area, area & False], [moved, np.eye(3)], 2)
    assert (box.rows.start, box.columns.start) == (-47, 108) and (len(box.rows), len(box.columns)) == (8, 8)
    np.testing.assert_array_equal(box.read(area.astype(np.float32), moved, 0)[2:6, 2:6], 1.0)
