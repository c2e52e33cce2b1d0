"""The page of the metrics tells every number that is measured, and none that is not."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def reported(group: str) -> set[str]:
    names = set()
    for path in (ROOT / "conf" / group).glob("*.yaml"):
        given = yaml.safe_load(path.read_text())
        module, _, kind = given.pop("_target_").rpartition(".")
        names |= {info.name for info in getattr(importlib.import_module(module), kind)(**given).infos}
    return names


def test_every_number_stands_on_the_page_beside_its_yaml() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", page, re.MULTILINE)
    told = {name for _, numbers in rows for name in re.findall(r"`(\w+)`", numbers)}
    assert told == reported("metric")
    assert {name for name, _ in rows} == {path.stem for path in (ROOT / "conf" / "metric").glob("*.yaml")}
    assert all(f"`{name}`" in page for name in reported("track_metric"))
