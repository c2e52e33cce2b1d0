"""An evaluation of a run judges the takes that the run held out, all of them, as the run saw them."""

from __future__ import annotations

import pytest
from productions import TinyProduction

from interpositive.cli.verbs.evaluate import held_out_takes
from interpositive.errors import CatalogueError, IntegrityError
from interpositive.records.run_record import RunRecord, RunTake


def recorded(production: TinyProduction, encoding: str = "native", **changes: str) -> RunRecord:
    takes = [
        RunTake(**{name: getattr(take, name) for name in RunTake.model_fields} | changes) for take in production.takes
    ]
    return RunRecord.model_construct(catalogue=str(production.catalogue_path), takes=takes, encoding=encoding)


def test_the_takes_of_the_splits_in_order(tiny_production: TinyProduction) -> None:
    found = held_out_takes(recorded(tiny_production), ["val", "test"])
    assert found == sorted(
        tiny_production.takes_of("val") + tiny_production.takes_of("test"), key=lambda take: take.name
    )
    with pytest.raises(CatalogueError, match="no take is held out"):
        held_out_takes(recorded(tiny_production), ["nothing"])


def test_what_the_run_did_not_see_is_not_judged(tiny_production: TinyProduction) -> None:
    with pytest.raises(CatalogueError, match="have left the catalogue"):
        held_out_takes(recorded(tiny_production, name="gone"), ["val"])
    with pytest.raises(CatalogueError, match="is not the picture") as caught:
        held_out_takes(recorded(tiny_production, layer="left"), ["val"])
    assert "production.layers" in caught.value.remedy
    with pytest.raises(IntegrityError):
        held_out_takes(recorded(tiny_production, sha256="0" * 64), ["val"])


def test_another_encoding_matters_to_a_model_that_converts(tiny_production: TinyProduction) -> None:
    assert held_out_takes(recorded(tiny_production, encoding="native", **{}), ["val"])
    renamed = recorded(tiny_production)
    takes = [take.model_copy(update={"encoding": "arri_logc3"}) for take in renamed.takes]
    assert held_out_takes(renamed.model_copy(update={"takes": takes}), ["val"])
    with pytest.raises(CatalogueError, match="is not the picture") as caught:
        held_out_takes(renamed.model_copy(update={"takes": takes, "encoding": "acescct"}), ["val"])
    assert "encoding arri_logc3" in str(caught.value.expected)
