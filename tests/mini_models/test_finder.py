"""The finder: what it is taught, that it learns it, and how likelihoods become a mask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from productions import panning_shot

from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.mini_models.finder import Counts, Finder, Settling, broad_part, count, together
from interpositive.tasks.wire_removal import WireRemoval

SMALL = {"offsets": (1,), "widths": (8, 8), "crop_px": 32, "crops_per_frame": 2, "frames_per_window": 3}


def grey(likely: NDArray[np.float32]) -> NDArray[np.float32]:
    """A picture with nothing in it."""
    return np.full((*likely.shape[-2:], 3), 0.5, np.float32)


@pytest.fixture(scope="module")
def example() -> Example:
    clean = torch.from_numpy(panning_shot(4, num_frames=6).transpose(0, 3, 1, 2).copy())
    task = WireRemoval(num_wires=(2, 2), width_px_at_1080=(40, 60), shadow_share=0.0)
    return task.example(clean, generator_from("finder test"))


def test_it_is_taught_what_shows_and_not_what_only_the_mask_holds(example: Example) -> None:
    prepared = Finder(**SMALL).prepare(example, generator_from("prepare"))
    assert len(prepared) == 6 and all(p.input.shape[-2:] == (32, 32) for p in prepared)
    found = torch.cat([p.condition["found"] for p in prepared]).amax(1, keepdim=True)
    certain = torch.cat([p.mask for p in prepared])
    assert 0.02 < found.mean() < 0.6
    assert (certain[found > 0] == 1).all()
    assert 0.0 < 1.0 - certain.mean() < 0.5, "the rim of a wire is neither"
    drawn = ((example.input - example.target).abs().amax(1, keepdim=True) > 0.002).float()
    beside = torch.nn.functional.max_pool2d(drawn, 3, 1, 1)
    margin = torch.nn.functional.max_pool2d(drawn, 7, 1, 3) - beside
    whole = Finder(**{**SMALL, "crop_px": 96, "frames_per_window": 6}).prepare(example, generator_from("prepare"))
    certain = torch.stack([crop.mask[0] for crop in whole[::2]])
    assert (certain[margin > 0] == 1).all(), "an artist's margin has nothing in it"


def test_damage_of_the_footage_is_neither_found_nor_clean(example: Example) -> None:
    mask = example.mask.clone()
    mask[:, :, 50:] = 1.0
    judged = example.condition["judged"] * (1.0 - (torch.arange(64) >= 50).float()[:, None])
    damaged = replace(example, mask=mask, condition={"judged": judged})
    whole = Finder(**{**SMALL, "crop_px": 64}).prepare(damaged, generator_from("prepare"))
    for crop in whole:
        assert not crop.mask[..., 50:, :].any() and not crop.condition["found"][..., 50:, :].any()


def test_the_same_generator_prepares_the_same_and_it_learns(example: Example) -> None:
    torch.manual_seed(5)
    finder = Finder(**SMALL)
    twice = [finder.prepare(example, generator_from("prepare")) for _ in range(2)]
    assert all(torch.equal(a.input, b.input) for a, b in zip(*twice, strict=True))
    batch = Example(
        torch.stack([p.input for p in twice[0]]),
        torch.stack([p.mask for p in twice[0]]),
        condition={"found": torch.stack([p.condition["found"] for p in twice[0]])},
    )
    optimizer = torch.optim.AdamW(finder.parameters(), 1e-2)
    course = []
    for step in range(40):
        losses = finder.losses(batch, generator_from("step", step))
        optimizer.zero_grad()
        total = torch.stack(list(losses.values())).sum()
        total.backward()
        optimizer.step()
        course.append(total.item())
    assert course[-1] < 0.6 * course[0]
    likely = finder.eval().look(example.input, range(2, 4))
    assert likely.shape == (2, 2, 64, 96)
    drawn = (example.input - example.target).abs().amax(1)[2:4].numpy() > 0.1
    likely = likely.max(1)
    assert likely[drawn].mean() > likely[~drawn].mean() + 0.2


def test_a_step_sees_crops_from_every_side_and_in_negative() -> None:
    finder = Finder(**{**SMALL, "view_px": 16}, negative_share=0.5)
    num = finder.network.stem[0].in_channels
    found = torch.zeros(2, 24, 32)
    found[1, :, 3:5] = 1.0
    crops = Example(
        torch.full((40, 1, num, 24, 32), 0.3).half(),
        torch.ones(40, 1, 1, 24, 32),
        None,
        {"found": found.expand(40, 1, 2, 24, 32)},
    )
    evidence, certain, both = finder._views(crops, generator_from("view"))
    assert all(view.shape[-2:] == (16, 16) and view.dtype == torch.float32 for view in (evidence, certain, both))
    turned = [bool(view[1].any(1).all()) for view in both if view[1].any()]
    assert len(turned) < 40 and 0.2 < sum(turned) / len(turned) < 0.8, "elsewhere in the crop, upright or lying"
    assert {round(view[0].mean().item(), 2) for view in evidence} == {0.3, -0.3}
    assert (certain == 1).all() and both.min() >= 0, "the truth is never in negative"


def test_a_wire_is_followed_before_short_pieces_are_dropped() -> None:
    likely = np.zeros((2, 60, 120), np.float32)
    likely[0, 20:22, 5:45] = likely[0, 20:22, 65:105] = 0.9
    likely[0, 50:52, 50:70] = 0.9
    assert not Settling(0.5, 60.0).settle(likely, grey(likely)).any()
    followed = Settling(0.5, 60.0, patience_px=24.0).settle(likely, grey(likely))
    assert followed[20:22, 5:105].any(0).all() and not followed[50:52].any()


def test_settling_keeps_what_is_long_enough_and_likely() -> None:
    likely = np.zeros((2, 20, 40), np.float32)
    likely[0, 2, 2:30] = 0.7
    likely[0, 8, 2:30] = 0.4
    likely[0, 14, 5:8] = 0.95
    mask = Settling(0.6, 10.0).settle(likely, grey(likely))
    assert mask[2, 2:30].all() and mask.sum() == 28
    assert Settling(0.6).settle(likely, grey(likely))[14, 5:8].all()


def test_a_short_piece_stays_if_it_is_sure_somewhere_and_all_of_it_does() -> None:
    likely = np.zeros((2, 20, 40), np.float32)
    likely[0, 2, 2:30] = 0.3
    likely[0, 8, 2:6], likely[0, 8, 4] = 0.3, 0.96
    likely[0, 14, 5:9] = 0.9
    mask = Settling(0.2, 10.0, sure=0.95).settle(likely, grey(likely))
    assert mask[2, 2:30].all() and mask[8, 2:6].all() and not mask[14].any() and mask.sum() == 32


def seen(*fine: float) -> list[NDArray[np.float32]]:
    """A pixel in so many frames, as likely fine; something broad is likelier from frame to frame."""
    return [np.array([[[likely]], [[0.1 * number]]], np.float32) for number, likely in enumerate(fine)]


def test_frames_are_asked_together_with_those_beside_them() -> None:
    odds = np.array([-1.0, 3.0, 0.0, 2.0])
    run = seen(*(1.0 / (1.0 + np.exp(-odds))))
    agreed = np.stack(list(together(run, 1)))[:, 0, 0, 0]
    expected = np.array([1.0, 2.0 / 3.0, 5.0 / 3.0, 1.0])
    assert np.log(agreed / (1.0 - agreed)) == pytest.approx(expected, abs=1e-4), "at both ends of what there is"
    assert [float(plane[1, 0, 0]) for plane in together(run, 1)] == [float(plane[1, 0, 0]) for plane in run]
    assert all(np.array_equal(a, b) for a, b in zip(together(run, 0), run, strict=True))
    assert next(together(seen(0.3), 1))[0, 0, 0] == pytest.approx(0.3)
    assert [plane[0, 0, 0] for plane in together(seen(1.0, 0.0, 1.0), 1)][1] > 0.9, "what is certain can be outvoted"


def test_a_wire_that_moves_by_more_than_its_width_stays() -> None:
    moving = [np.full((2, 4, 12), 1e-6, np.float32) for _ in range(3)]
    for number, plane in enumerate(moving):
        plane[0, :, 4 * number : 4 * number + 2] = 0.98
    for number, plane in enumerate(together(moving, 1)):
        assert (plane[0, :, 4 * number : 4 * number + 2] > 0.7).all()
        assert (np.delete(plane[0], [4 * number, 4 * number + 1], 1) < 0.02).all(), "and no other frame's is seen"
    unsure = seen(1e-6, 0.6, 1e-6)
    assert [*together(unsure, 1)][1][0, 0, 0] < 0.1, "what one frame alone takes for one is not"


def test_frames_that_are_asked_together_are_not_held_for_long() -> None:
    given = list[int]()

    def looks() -> Iterator[NDArray[np.float32]]:
        for number, plane in enumerate(seen(*[0.5] * 9)):
            given.append(number)
            yield plane

    asked = [given[-1] for _ in together(looks(), 1)]
    assert asked == [1, 2, 3, 4, 5, 6, 7, 8, 8]


class Tells(Finder):
    """How likely frames are is what they are; remembers which were looked at."""

    def __init__(self) -> None:
        super().__init__(**SMALL)
        self.looked: list[range] = []

    def look(self, frames: torch.Tensor, keep: range) -> NDArray[np.float32]:
        self.looked.append(keep)
        return np.stack([frames[n, :2].numpy() for n in keep])


def test_a_frame_of_a_window_is_settled_by_those_beside_it_and_no_others() -> None:
    frames = torch.rand((5, 3, 4, 6), generator=generator_from("frames"))
    whole = list(together([frame[:2].numpy() for frame in frames], 1))
    finder = Tells()
    for number in range(5):
        assert np.array_equal(Settling(num_beside=1).likely(finder, frames, number), whole[number])
    assert finder.looked == [range(2), range(3), range(1, 4), range(2, 5), range(3, 5)]
    assert np.array_equal(Settling().likely(finder, frames, 3), frames[3, :2].numpy())
    assert finder.looked[-1] == range(3, 4)


def test_a_pixel_beside_is_forgiven_and_two_are_not() -> None:
    drawn = np.zeros((12, 12), bool)
    drawn[:, 5] = True
    mask = np.zeros_like(drawn)
    mask[:6, 6] = mask[:6, 9] = True
    counts = count(mask, drawn, drawn)
    assert counts == Counts(wanted=12, met=7, named=12, right=6)
    assert counts.recall == pytest.approx(7 / 12) and counts.precision == 0.5
    assert Counts().f_score() == 1.0 and Counts(wanted=3).f_score() == 0.0


def test_a_boom_does_not_hide_what_became_of_the_dust(example: Example) -> None:
    drawn = np.zeros((96, 96), bool)
    drawn[:60, 20:50] = True
    drawn[80:83, 70:73] = True
    broad = broad_part(drawn)
    assert broad[:60, 20:50].all() and not broad[80:].any()
    tiny = np.zeros_like(drawn)
    tiny[5, 5] = tiny[90, 5] = tiny[90, 90] = True
    finder = Finder(**SMALL)
    corners = [finder._corner(drawn | tiny, (32, 32), generator_from("corner", n)) for n in range(40)]
    assert sum(top > 30 for top, _ in corners) > 10, "each thing is as likely as another"
    condition = {"judged": torch.ones_like(example.mask)}
    with_boom = replace(example, target=example.input.clone(), condition=condition, mask=condition["judged"])
    with_boom.input[:, :, 8:40, 20:50] = 0.0
    prepared = Finder(**{**SMALL, "crop_px": 96}).prepare(with_boom, generator_from("prepare"))
    fine, broad = prepared[0].condition["found"][0]
    assert not fine.any() and broad[8:40, 20:50].float().mean() > 0.9


def test_something_broad_is_called_by_a_likelihood_of_its_own() -> None:
    likely = np.zeros((2, 96, 96), np.float32)
    likely[0, 5:7, 5:90] = 0.6
    likely[1, 40:60, 40:60] = 0.6
    likely[1, 80:83, 80:83] = 0.9
    assert Settling(0.5).settle(likely, grey(likely)).sum() == 2 * 85
    both = Settling(0.5, broad=0.5).settle(likely, grey(likely))
    assert both[40:60, 40:60].all() and not both[80:].any(), "what is small is not broad"


def test_sizes_that_cannot_be_built_are_refused() -> None:
    with pytest.raises(ConfigError, match="sizes it cannot build"):
        Finder(widths=(6, 8))
    with pytest.raises(ConfigError, match="offsets"):
        Finder(offsets=(0,))
