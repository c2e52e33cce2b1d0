"""What a task is learned from, by what, and what it is judged on: chosen for the task, never for a shot."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "soundstage_base"))

from held_out_footage import HeldOut
from own_measures import CoverLeft, GainJitter, GainLeft, MiddleFrames, Sharpness

from interpositive.metrics.contract import MakeMetric
from interpositive.tasks.flicker import DRAWS

# The soundstage at a seed that no other study looks at; two more pans, on stages of the next seeds, as bars ask for
# pans; and real shots: a walk, a locked-off park and a locked-off room. Each movie is a production of its own, learned
# from its other frames.
PRODUCTIONS = (
    HeldOut("stage", ("12A", "27", "31B", "44C"), 4100),
    HeldOut("stage_4101", ("12A",), 4101),
    HeldOut("stage_4102", ("12A",), 4102),
    HeldOut("gopro_hero7", source="clips/gopro_hero7.mp4", first=60),
    HeldOut("sam2_juggle", source="clips/sam2_juggle.mp4", first=20),
    HeldOut("intel_room_people", source="clips/intel_room_people.mp4", first=80),
)
RIGS = {"12A": "pan", "27": "locked-off", "31B": "dolly", "44C": "hand-held"}
OTHER_TAKE, ON_PERFORMERS = "other_take", "on_performers"
EVERYWHERE = ("psnr", "ssim", "lpips", "warp_error_relative", "local_flicker", "untouched")


@dataclass(frozen=True)
class Board:
    """One task: mini-models with the steps and windows that they learn from, the first of them is what is delivered.

    ``judged`` are the kinds of damage that shots are judged on, by label, as changes of the task's arguments; a task
    that is judged as it is learned has one of no label. Under those named in ``lends`` the production's take that
    taught lends pixels, as a clean plate would. ``headline`` is the number that tables begin with.
    ``found`` is what a finder that learned for ``finder_steps`` is judged on, as changes of the task's arguments.
    """

    task: str
    mini_models: Mapping[str, tuple[int, int]]
    headline: str
    judged: Mapping[str, Sequence[str]] = field(default_factory=lambda: {"": ()})
    lends: frozenset[str] = frozenset()
    found: Sequence[str] = ()
    finder_steps: int = 0
    own: tuple[MakeMetric, ...] = ()
    metrics: tuple[str, ...] = EVERYWHERE
    num_frames: int = 40
    quick_frames: int = 16

    @property
    def delivered(self) -> str:
        """The mini-model that a user gets for the task."""
        return next(iter(self.mini_models))


# Steps of the per-frame U-Net take no longer than those of the mini-model beside it: for wires half as long, since with
# twice as many it is 0.3 dB worse on the stage (decision 66); for plates it has as many.
BOARDS = (
    Board(
        "wire_removal",
        {"candidate_fusion": (700, 20), "per_frame_unet": (1100, 20)},
        "psnr_hole",
        # Wires hang from the frame, the set and performers; from performers alone, as for a stunt; and what no frame of
        # the shot shows, another take of the set-up may.
        {"": (), ON_PERFORMERS: ("task.holds=[0,0,1]",), OTHER_TAKE: ()},
        frozenset({OTHER_TAKE}),
        # Wires of 1.5 px and more at the judged size.
        found=("task.width_px_at_1080=[7.5,24]", "task.shadow_share=0"),
        finder_steps=1200,
        own=(CoverLeft,),
    ),
    Board(
        "plate_cleaning",
        {"candidate_fusion": (700, 20), "per_frame_unet": (1100, 20)},
        "psnr_hole",
        # Booms and heads of 44 to 64 px at the judged size.
        {
            "": (),
            OTHER_TAKE: ("task.kinds=[0,0,0,0,1]", "task.num_blemishes=[1,2]", "task.intrusion_px_at_1080=[220,320]"),
        },
        frozenset({OTHER_TAKE}),
        found=("task.kinds=[0.5,0.2,0.3,0,0]",),
        finder_steps=1200,
        own=(CoverLeft,),
    ),
    Board(
        "deflicker",
        {"steady_light": (400, 12)},
        "gain_left",
        {
            **{
                kind: (f"task.kinds=[{kind}]", "task.strength_stops=[0.12,0.12]", "task.steady_share=0")
                for kind in DRAWS
            },
            "steady": ("task.steady_share=1",),
        },
        own=(GainLeft, Sharpness),
        # A shorter shot cannot tell a slow change of light from flicker.
        num_frames=32,
        quick_frames=32,
    ),
    Board(
        "missing_frames",
        {"frame_fill": (250, 10)},
        "psnr_middle",
        {f"gap_{gap}": (f"task.gap_frames=[{gap},{gap}]",) for gap in (1, 3, 8)},
        own=(MiddleFrames,),
    ),
    Board(
        "reframing",
        {"framing_fill": (400, 24)},
        "psnr_hole",
        # The take that taught was not cropped, and lends as a wider take would.
        {"0.75": ("task.kept_share=[0.75,0.75]",), OTHER_TAKE: ("task.kept_share=[0.75,0.75]",)},
        frozenset({OTHER_TAKE}),
    ),
    Board(
        "color_match",
        {"fitted_grade": (600, 16), "per_frame_unet": (700, 20)},
        "delta_e00",
        own=(GainJitter,),
        metrics=(*EVERYWHERE, "delta_e"),
        num_frames=24,
    ),
)
TIMED_FRAMES = 68
"""Of a shot half of which is long enough for windows of large frames to read as many to either side as they ever do."""
TIMED_HEIGHTS = (540, 1080)
FINDER_WINDOWS = 48
"""Windows that a finder learns from, as `dailies=default` has; the mini-models' are fewer."""
QUICK_SHARE = 10
"""By how much ``--quick`` divides steps and windows."""
QUICK_PRODUCTIONS = ("stage", "gopro_hero7", "sam2_juggle")
