"""``interpositive evaluate``: a run judged on takes it never learned from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict

from interpositive.cli.assembling import read_config
from interpositive.cli.runs import open_run
from interpositive.cli.verbs.apply import GateConfig, WindowsConfig
from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.integrity import refuse_changed
from interpositive.delivery.evaluation import EvaluationSettings, evaluate_run
from interpositive.errors import CatalogueError
from interpositive.records.measures import Measures


class EvaluateConfig(BaseModel):
    """The keys of ``conf/evaluate.yaml``."""

    model_config = ConfigDict(extra="forbid")

    run: Path
    splits: list[str]
    output: Path | None
    max_frames: int
    lpips_weights: Path | None
    windows: WindowsConfig
    gate: GateConfig
    seed: int
    progress: bool


def run(config: DictConfig) -> float | None:
    """Evaluate, print the table, and give the chosen method's mean hole PSNR to a sweeper."""
    plain: Any = OmegaConf.to_container(config, resolve=True)
    settings = read_config(EvaluateConfig, plain, "evaluate")
    opened = open_run(settings.run)
    names = {take.name for take in opened.record.takes if take.split in settings.splits}
    with Catalogue(Path(opened.record.catalogue)) as catalogue:
        takes = [take for take in catalogue.takes() if take.name in names]
    if not takes:
        raise CatalogueError(
            "no take is held out for evaluation",
            found=f"splits {settings.splits} of {len(opened.record.takes)} takes",
            remedy="ingest more takes, or name other splits",
        )
    recorded = {take.name: take.sha256 for take in opened.record.takes}
    for take in takes:
        refuse_changed(take.model_copy(update={"sha256": recorded[take.name]}))
    folder = settings.output or settings.run / "evaluation"
    measures = evaluate_run(
        takes,
        opened.mini_model,
        opened.task.example,
        opened.task.request,
        folder,
        EvaluationSettings(
            max_frames=settings.max_frames,
            height=int(opened.config["production"]["training_height"]),
            lpips_weights_path=settings.lpips_weights,
            windows=settings.windows.plan(),
            gate=settings.gate.plan(),
            seed=settings.seed,
            progress=settings.progress,
        ),
    )
    print(format_table(measures))
    for note in measures.notes:
        print(f"note: {note}")
    print(f"\nevaluation: {folder}")
    scores = [shot.values["chosen"]["psnr_hole"] for shot in measures.shots]
    defined = [score for score in scores if score is not None]
    return sum(defined) / len(defined) if defined else None


def format_table(measures: Measures) -> str:
    """Hole PSNR (dB) and relative hole warp error of every method on every take."""
    lines = ["", "PSNR in the hole (dB) / hole warp error relative to the clean take"]
    for shot in measures.shots:
        lines.append(f"  {shot.name} ({shot.role}, chosen: {shot.chosen_method})")
        for method, values in shot.values.items():
            psnr, warp = values.get("psnr_hole"), values.get("e_warp_rel_dis_hole")
            cells = [("-" if value is None else f"{value:.2f}") for value in (psnr, warp)]
            lines.append(f"    {method:<18} {cells[0]:>7} / {cells[1]}")
    return "\n".join(lines)
