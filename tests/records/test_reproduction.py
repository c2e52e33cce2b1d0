"""The account of a reproduction reads back, and names the likeliest cause in a fixed order."""

from __future__ import annotations

from pathlib import Path

import pytest

from interpositive.errors import RunFolderError
from interpositive.records.reproduction import (
    Finding,
    ReproductionRecord,
    compare_configs,
    first_of_weight,
    verdict_before_training,
)

NUMERICS = Finding(part="numerics", what="the loss", recorded="1", here="2")
PROCESSOR = Finding(part="machine", what="torch's kernels", recorded="AVX512", here="AVX2")
PLACE = Finding(part="config", what="production.workspace", recorded='"a"', here='"b"', weight="none")
CODE = Finding(part="code", what="the package", recorded="a", here="b")
NO_MASK = Finding(part="data", what="known damage of a", weight="no run")


def test_the_likeliest_cause_comes_first_whatever_was_found_first() -> None:
    found = [NUMERICS, PROCESSOR, CODE, PLACE]
    assert first_of_weight(found, "other result") is CODE
    assert first_of_weight([NUMERICS, PLACE], "other result") is NUMERICS
    assert first_of_weight([PLACE], "other result") is None


def test_what_can_be_said_before_training() -> None:
    assert verdict_before_training([PLACE]) == verdict_before_training([PROCESSOR]) == "can be reproduced"
    assert verdict_before_training([PROCESSOR, CODE]) == "can be trained, as another run"
    assert verdict_before_training([CODE, NO_MASK]) == "cannot"


def test_configs_are_compared_key_by_key_and_places_do_not_count() -> None:
    was = {"trainer": {"max_steps": 3, "names": [1]}, "production": {"workspace": "a"}, "damage": {}}
    now = {"trainer": {"max_steps": 4, "names": [1]}, "production": {"workspace": "b"}, "damage": {"take": "m"}}
    found = {finding.what: finding for finding in compare_configs(was, now, ("production.workspace",))}
    assert found["trainer.max_steps"].line() == "trainer.max_steps: 3 → 4"
    assert found["trainer.max_steps"].weight == "other result" and found["production.workspace"].weight == "none"
    assert found["damage.take"].recorded == "" and set(found) == {
        *("trainer.max_steps", "production.workspace", "damage.take", "damage")
    }


def test_an_account_reads_back_as_itself(tmp_path: Path) -> None:
    account = ReproductionRecord(
        run="run",
        run_record_sha256="0" * 64,
        created="2024-01-01T00:00:00+00:00",
        verdict="different",
        first_difference=NUMERICS.line(),
        findings=[NUMERICS],
        tolerance=1e-3,
        scores={"held_out/psnr/trained": (1.5, None)},
        first_step=49,
    )
    account.write(tmp_path)
    assert ReproductionRecord.read(tmp_path) == account
    with pytest.raises(RunFolderError, match="no account"):
        ReproductionRecord.read(tmp_path / "nowhere")
