"""What a camera wrote down about a take: its settings, and lens and position for each frame.

Units stand in the names. None is "the camera did not say"; an infinite focus
distance is infinity. A T-stop is measured light, an f-stop geometry; one is
never made from the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from interpositive.records.base import Record

Series = tuple[float | None, ...]
JoinedBy = Literal["timecode", "position", ""]


class CameraSettings(Record):
    """What stays the same over a take; numbers are as set on the camera, names as the camera spells them.

    ``project_rate`` and ``sensor_rate`` are exact fractions as text, frames a second; they differ when a take is
    shot off-speed. ``curve`` and ``gamut`` say how the picture was encoded, in the camera's own words.
    """

    make: str = ""
    model: str = ""
    serial: str = ""
    sensor: str = ""
    sensor_width_mm: float | None = None
    sensor_height_mm: float | None = None
    lens: str = ""
    lens_serial: str = ""
    lens_squeeze: float | None = None
    project_rate: str = ""
    sensor_rate: str = ""
    codec: str = ""
    curve: str = ""
    gamut: str = ""
    look: str = ""
    look_burned_in: bool | None = None
    white_balance_kelvin: float | None = None
    tint: float | None = None
    exposure_index: float | None = None
    shutter_angle_degrees: float | None = None
    shutter_seconds: float | None = None
    neutral_density_stops: float | None = None


class CameraFrames(Record):
    """A column for each quantity, a row for each frame; a column is None where the camera never said it.

    Positions are metres on stage, z up; pan, tilt and roll are degrees; focus distance is in metres from the sensor.
    """

    # JSON has no infinity of its own, and a lens focused at infinity has.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    focal_length_mm: Series | None = None
    focus_distance_m: Series | None = None
    t_stop: Series | None = None
    f_stop: Series | None = None
    pan_degrees: Series | None = None
    tilt_degrees: Series | None = None
    roll_degrees: Series | None = None
    x_m: Series | None = None
    y_m: Series | None = None
    z_m: Series | None = None
    exposure_index: Series | None = None
    shutter_angle_degrees: Series | None = None
    white_balance_kelvin: Series | None = None

    @model_validator(mode="after")
    def _columns_are_as_long(self) -> Self:
        lengths = {name: len(column) for name, column in self.columns().items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the columns differ in length: {lengths}")
        return self

    def columns(self) -> dict[str, Series]:
        """The columns there are, by name."""
        return {name: column for name in type(self).model_fields if (column := getattr(self, name)) is not None}

    def __len__(self) -> int:
        return len(next(iter(self.columns().values()), ()))

    def taken(self, rows: Sequence[int | None]) -> CameraFrames:
        """The same columns with these rows of them, None giving an empty row."""
        columns = {
            name: tuple(None if row is None else column[row] for row in rows) for name, column in self.columns().items()
        }
        return CameraFrames(**columns)


class CameraReport(Record):
    """One report as its file says it, before it is joined to a take.

    ``clip_name`` and ``reel`` are how the camera names the recording; ``timecodes`` label the rows of ``frames``
    and are empty where the report has none. ``as_written`` holds the cells that are the same on every row, and
    ``notes`` what a reader must know, such as a value that is the camera's mark for "unknown".
    """

    family: str
    file: str
    clip_name: str = ""
    reel: str = ""
    scene: str = ""
    take: str = ""
    circled: bool | None = None
    rate: str = ""
    settings: CameraSettings = CameraSettings()
    timecodes: tuple[str, ...] = ()
    frames: CameraFrames = CameraFrames()
    as_written: dict[str, str] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _labels_fit_rows(self) -> Self:
        if self.timecodes and len(self.frames) not in (0, len(self.timecodes)):
            raise ValueError(f"{len(self.timecodes)} timecodes for {len(self.frames)} frames")
        return self


class TakeCameraData(Record):
    """The camera data of one take: row n of ``frames`` is the take's frame n.

    ``reports`` are the SHA-256 of the files it was made from, by name; ``joined_by`` says whether rows were laid on
    frames by timecode or by position, and is empty where no row was. ``num_covered`` frames have a row.
    """

    schema_version: int = 1
    take: str
    start_frame: int | None
    rate: str
    num_frames: int
    reports: dict[str, str]
    families: tuple[str, ...]
    settings: CameraSettings
    frames: CameraFrames
    joined_by: JoinedBy
    num_covered: int
    as_written: dict[str, str]
    notes: tuple[str, ...]
