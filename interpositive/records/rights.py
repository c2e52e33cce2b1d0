"""What a mini-model may begin with and copy from: nothing of one production is used in another without a grant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from interpositive.errors import RightsError
from interpositive.records.base import Record

PRODUCTION_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
Footage = Literal["camera", "soundstage"]


def _date(text: str) -> str:
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", text):
        raise ValueError("a date is written 2026-11-30")
    return text


class Grant(Record):
    """Leave for one production to use what was learned from another; both are named.

    ``of`` is whose footage was learned from, ``to`` who may use it. ``by`` is who gave it, ``on`` the day (ISO 8601)
    and ``document`` where it is written.
    """

    of: str = Field(pattern=PRODUCTION_NAME)
    to: str = Field(pattern=PRODUCTION_NAME)
    by: str = Field(min_length=1)
    on: Annotated[str, AfterValidator(_date)]
    document: str = Field(min_length=1)

    def words(self) -> str:
        """The grant in a sentence's part."""
        return f"granted by {self.by} on {self.on}: {self.of} to {self.to} ({self.document})"


class Beginning(Record):
    """Something learned that a mini-model began with: an archive, whose it is, and why it may be used.

    ``footage`` is what it was learned from, as it was found when it was trained. ``because`` is the right by which it
    was begun with.
    """

    production: str
    task: str
    mini_model: str
    footage: Footage
    archive_sha256: str
    because: str = ""

    def words(self) -> str:
        """The beginning as a note says it."""
        name = self.mini_model.rpartition(".")[2]
        return (
            f"begins with what {self.production} learned ({self.task}, {name}; archive sha256 {self.archive_sha256}): "
            f"{self.because}"
        )


def entitled(production: str, beginnings: Sequence[Beginning], grants: Sequence[Grant]) -> list[Beginning]:
    """What a production would begin with, nearest first, each with the right by which it may.

    Its own and the virtual soundstage's need none. ``RightsError`` for the first other one that no grant of that
    production to this names, however far back it was learned: a grant is not handed on.
    """
    return [_entitled(production, beginning, grants) for beginning in beginnings]


def entitled_to_footage(footage: str, of: str, production: str, grants: Sequence[Grant]) -> str:
    """The right by which pixels of other footage are copied into a production's shot, in words.

    ``RightsError`` for footage of another production that no grant of that to this one names.
    """
    if of == production:
        return "it is this production's own"
    for grant in grants:
        if (grant.of, grant.to) == (of, production):
            return grant.words()
    raise RightsError(
        f"pixels of {of or 'nobody knows whose footage'} may not be copied into {production}",
        found=f"{footage}; grants: {_named(grants)}",
        expected=f"a take of {production}'s catalogue, or a grant of {of or 'whose it is'} to {production}",
        remedy="ingest it, or say whose it is: ask={of: <production>, ...}; another production's needs a grant in this "
        f"one's YAML: grants: [{{of: {of or '<production>'}, to: {production}, by: <who gave it>, on: <date>, "
        "document: <where it is written>}]",
    )


def _named(grants: Sequence[Grant]) -> str:
    return "; ".join(f"{grant.of} to {grant.to}" for grant in grants) or "none"


def _entitled(production: str, beginning: Beginning, grants: Sequence[Grant]) -> Beginning:
    if beginning.footage == "soundstage":
        because = "its footage was rendered on the virtual soundstage"
    elif beginning.production == production:
        because = "it is this production's own"
    else:
        because = _grant(production, beginning, grants).words()
    return beginning.model_copy(update={"because": because})


def _grant(production: str, beginning: Beginning, grants: Sequence[Grant]) -> Grant:
    for grant in grants:
        if (grant.of, grant.to) == (beginning.production, production):
            return grant
    raise RightsError(
        f"what was learned from {beginning.production} may not be used in {production}",
        found=f"archive sha256 {beginning.archive_sha256[:12]} of production {beginning.production}; "
        f"grants: {_named(grants)}",
        expected=f"a grant of {beginning.production} to {production}",
        remedy="begin with this production's own run or the soundstage's, or have the grant given and write it down in "
        f"the production: grants: [{{of: {beginning.production}, to: {production}, by: <who gave it>, "
        "on: <date>, document: <where it is written>}]",
    )
