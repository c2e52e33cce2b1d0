"""``interpositive inspect``: one screen on anything, and a contact sheet of what has pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict, Field

from interpositive.cli.assembling import read_config
from interpositive.cli.productions import ProductionConfig
from interpositive.dailies.camera_reports.attaching import read_camera_data
from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.conforming import read_conformed_cut
from interpositive.dailies.paperwork_kinds import describe_paperwork
from interpositive.dailies.take import Take
from interpositive.dailies.walking import walk_source
from interpositive.errors import ConfigError
from interpositive.records.hash_lists.gathering import read_hash_lists
from interpositive.records.hash_lists.verifying import verify_folder
from interpositive.records.identity import exact_rate
from interpositive.records.publishing import write_file_whole
from interpositive.review.contact_sheet import (
    SHEET_FRAMES,
    SheetFrame,
    draw_contact_sheet,
    evenly_spaced,
    lies_among,
    refuse_sheet_path,
)
from interpositive.review.kinds import ASSET_MAP_NAME, CATALOGUE_NAME, kind_of
from interpositive.review.looking import look_at, pictures_of_takes
from interpositive.review.screens import (
    Screen,
    captions,
    catalogue_screen,
    folder_screen,
    footage_screen,
    seen_through,
    subject_screen,
    take_captions,
)
from interpositive.review.shot_screen import shot_screen
from interpositive.review.subjects import read_subject
from interpositive.review.sweeps.screen import sweep_screen
from interpositive.review.sweeps.subject import read_sweep

AMONG_DAILIES = "\nno contact sheet: it would lie among the dailies; say contact_sheet=/another/folder/sheet.png"


class InspectConfig(BaseModel):
    """The keys of ``conf/inspect.yaml``."""

    model_config = ConfigDict(extra="forbid")

    production: dict[str, Any]
    path: Path | None
    take: str | None
    shot: str | None
    layer: str | None
    rate: str | int | float | None
    contact_sheet: Path | None
    check_digest: bool
    cut_list_rate: str | int | float | None
    timeout_seconds: float = Field(gt=0)


def run(config: DictConfig) -> None:
    """Print the screen, and where the contact sheet was written."""
    plain: Any = OmegaConf.to_container(config, resolve=True)
    settings = read_config(InspectConfig, plain, "inspect")
    production = read_config(ProductionConfig, settings.production, "production")
    if settings.contact_sheet is not None:
        refuse_sheet_path(settings.contact_sheet)
    _refuse_other_than_one(settings)
    if settings.shot is not None:
        _inspect_shot(settings.shot, settings, production)
        return
    path, take = _subject(settings, production)
    kind = kind_of(path)
    if kind in ("movie", "sequence", "still"):
        _inspect_footage(path, take, settings, production)
    elif kind == "catalogue":
        _inspect_catalogue(path / CATALOGUE_NAME if path.is_dir() else path, settings)
    elif kind == "result":
        print(subject_screen(read_subject(path)).text())
    elif kind == "sweep":
        print(sweep_screen(read_sweep(path)).text())
    elif kind == "dailies":
        lists = settings.check_digest and read_hash_lists(path).expected
        print(folder_screen(path, walk_source(path), verify_folder(path) if lists else None).text())
    else:
        file = path / ASSET_MAP_NAME if kind == "package" else path
        rate = settings.cut_list_rate
        summary = describe_paperwork(file, None if rate is None else str(rate))
        print(Screen(f"{file} — {summary.kind}", summary.facts).text())


def _refuse_other_than_one(settings: InspectConfig) -> None:
    given = [name for name in ("path", "take", "shot") if getattr(settings, name) is not None]
    if len(given) != 1:
        raise ConfigError(
            "inspect looks at one thing",
            found=" and ".join(given) or "neither path, take nor shot",
            expected="path=<anything>, take=<a take of the production>, or shot=<a shot of its cut>",
        )


def _subject(settings: InspectConfig, production: ProductionConfig) -> tuple[Path, Take | None]:
    """What is to be looked at, and the take of the production that it is, if it is one."""
    if settings.path is None:
        with production.catalogue() as catalogue:
            take = catalogue.take(settings.take or "")
        return Path(take.path), take
    if not production.catalogue_path.is_file():
        return settings.path, None
    with production.catalogue() as catalogue:
        return settings.path, catalogue.take_at(str(settings.path.resolve()))


def _inspect_footage(path: Path, take: Take | None, settings: InspectConfig, production: ProductionConfig) -> None:
    sheet_path = settings.contact_sheet
    among = sheet_path is not None and lies_among(sheet_path, path)
    encoding = take.encoding if take else ""
    rate = None if settings.rate is None else exact_rate(settings.rate)
    look = look_at(
        path,
        encoding=encoding,
        layer=settings.layer or (take.layer if take else "") or None,
        rate=rate or (take.named_rate if take else None),
        num_pictures=0 if sheet_path is None or among else SHEET_FRAMES,
        with_digest=settings.check_digest,
        timeout_seconds=settings.timeout_seconds,
    )
    camera = read_camera_data(production.workspace, take.name) if take else None
    print(footage_screen(path, look, take, camera).text())
    if among:
        print(AMONG_DAILIES)
    elif sheet_path is not None:
        words = captions(look.info, list(look.pictures), take)
        frames = [SheetFrame(*pair) for pair in zip(look.pictures.values(), words, strict=True)]
        name = take.name if take else path.name
        _write_sheet(sheet_path, draw_contact_sheet(frames, name, seen_through(encoding or look.info.encoding)))


def _inspect_shot(name: str, settings: InspectConfig, production: ProductionConfig) -> None:
    sheet_path = settings.contact_sheet
    cut = read_conformed_cut(production.workspace)
    print(shot_screen(cut, name).text())
    _, pull = cut.placed(name)
    if not pull.take or sheet_path is None:
        return
    with production.catalogue() as catalogue:
        take = catalogue.take(pull.take)
    if lies_among(sheet_path, Path(take.path)):
        print(AMONG_DAILIES)
        return
    numbers = [pull.first + place for place in evenly_spaced(pull.end - pull.first)]
    pictures = pictures_of_takes([(take, number) for number in numbers], settings.timeout_seconds)
    words = take_captions(take, numbers)
    frames = [SheetFrame(*pair) for pair in zip(pictures, words, strict=True)]
    _write_sheet(sheet_path, draw_contact_sheet(frames, name, seen_through(take.encoding)))


def _inspect_catalogue(path: Path, settings: InspectConfig) -> None:
    sheet_path = settings.contact_sheet
    with Catalogue(path) as catalogue:
        print(catalogue_screen(catalogue).text())
        takes = list(catalogue.takes()[:SHEET_FRAMES])
    if sheet_path is not None and takes:
        middles = [(take, take.num_frames // 2) for take in takes]
        pictures = pictures_of_takes(middles, settings.timeout_seconds)
        frames = [SheetFrame(picture, take.name) for take, picture in zip(takes, pictures, strict=True)]
        _write_sheet(sheet_path, draw_contact_sheet(frames, path.parent.name, "the middle frame of each take"))


def _write_sheet(path: Path, content: bytes) -> None:
    write_file_whole(path, content)
    print(f"\ncontact sheet: {path}")
