"""How a task's request meets a plate: its length, its mask, and what the paperwork says of both."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from interpositive.delivery.masks import open_mask
from interpositive.delivery.other_takes import ProductionFootage, with_other_takes
from interpositive.delivery.plates import Plate
from interpositive.errors import ConfigError, MaskError
from interpositive.media.contract import FrameReader, MaskSource
from interpositive.media.plate_colour import PlateColour
from interpositive.records.delivered_shot import DeliveredShot
from interpositive.tasks.contract import Task
from interpositive.tasks.laying_out import Asked, LaidOut
from interpositive.tasks.other_takes import AskedOfTakes

MaskChoice = Path | Literal["auto"] | None


def lay_out(
    plate: Plate,
    footage: FrameReader,
    task: Task,
    asked: Asked | None,
    colour: PlateColour,
    production: ProductionFootage,
) -> LaidOut:
    """The plate laid out by a task, with what other takes lend to it if that is asked for.

    ``ConfigError`` if that changes the length of a shot of the cut.
    """
    asked = asked if asked is not None else task.asks()
    laid_out = task.lay_out(footage, asked, colour)
    if plate.shot is not None and len(laid_out.plate) != len(footage):
        raise ConfigError(
            f"{plate.shot.name} has a place in the cut that it must keep to",
            found=f"{len(laid_out.plate)} frames asked for, in the place of {len(footage)}",
            expected="a request that does not change its length",
            remedy="repair the take instead (shot=<take> frames=[first,end]), and cut the delivery in anew",
        )
    if isinstance(asked, AskedOfTakes) and (asked.named or asked.takes):
        return with_other_takes(laid_out, plate, asked, colour, production)
    return laid_out


def mask_of(chosen: MaskChoice, task: Task, laid_out: LaidOut, layer: str | None = None) -> MaskSource:
    """The mask of a laid-out plate: the user's or what was found for it, or the one that the request implies.

    ``MaskError`` where one is missing, or was given and has no place.
    """
    if laid_out.mask is not None:
        if chosen is not None:
            raise MaskError(
                f"{task.name} itself says what of a shot may change",
                found=f"mask={chosen}",
                expected="mask=null",
                remedy="leave mask= out",
            )
        return laid_out.mask
    if chosen is None:
        raise MaskError(
            f"{task.name} needs to be told where the shot may change",
            found="mask=null",
            expected="mask=<a movie, a folder of frames, or polylines in JSON>"
            + (", or mask=auto for what the run's finder sees" if task.can_be_found else ""),
        )
    return open_mask(Path(chosen), laid_out.plate.info, laid_out.plate, layer)


def delivered_shot(
    plate: Plate, footage: FrameReader, laid_out: LaidOut, first_frame: int, extension: str
) -> DeliveredShot:
    """The identity of what is delivered: which frames of the footage it replaces, and by how many."""
    delivered = plate.delivered(footage, first_frame, extension)
    changes = {"num_delivered": len(laid_out.plate), "speed": laid_out.speed or ""}
    return delivered.model_copy(
        update=changes if len(laid_out.plate) != len(footage) or laid_out.speed != "1/1" else {}
    )
