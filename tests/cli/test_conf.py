"""Every YAML under conf says exactly what its reader takes: a key more or less would be refused or forgotten."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import fields
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from interpositive.backbones.pretrained.families import family_names
from interpositive.cli.assembling import assemble, find_target, read_config
from interpositive.cli.hydra_app import config_folder
from interpositive.cli.main import VERBS
from interpositive.cli.productions import ProductionConfig, SplitConfig
from interpositive.cli.starting import AdapterConfig
from interpositive.cli.sweeps.plugins import OWN_SWEEPERS
from interpositive.cli.training import DailiesConfig, FinderConfig, TrainConfig
from interpositive.cli.verbs.apply import ApplyConfig, DeliveryConfig, GateConfig, WindowsConfig
from interpositive.cli.verbs.conform import ConformConfig
from interpositive.cli.verbs.demo import DemoConfig
from interpositive.cli.verbs.evaluate import EvaluateConfig
from interpositive.cli.verbs.export import ExportConfig
from interpositive.cli.verbs.ingest import IngestConfig
from interpositive.cli.verbs.inspect import InspectConfig
from interpositive.cli.verbs.rehearse import RehearseConfig
from interpositive.cli.verbs.reproduce import ReproduceConfig
from interpositive.cli.verbs.review import ReviewConfig
from interpositive.cli.verbs.soundstage import SoundstageConfig
from interpositive.dailies.engines import Engine
from interpositive.dailies.splitting import SplitRule
from interpositive.delivery.gate import GatePlan
from interpositive.delivery.restoring import WindowPlan
from interpositive.metrics.contract import ShotMetric
from interpositive.mini_models.contract import MiniModel
from interpositive.records.device_kind import DeviceKind
from interpositive.soundstage.spec import StageSpec
from interpositive.soundstage.writing import take_name
from interpositive.tasks.contract import Task
from interpositive.training.run import ComputeSettings, TrainSettings
from interpositive.training.wandb_run import WandbSettings

CONF = config_folder()
FILES = sorted(CONF.rglob("*.yaml"))
SCHEMAS: dict[str, Any] = {
    "ingest": IngestConfig,
    "inspect": InspectConfig,
    "train": TrainConfig,
    "reproduce": ReproduceConfig,
    "apply": ApplyConfig,
    "evaluate": EvaluateConfig,
    "export": ExportConfig,
    "conform": ConformConfig,
    "review": ReviewConfig,
    "soundstage": SoundstageConfig,
    "rehearse": RehearseConfig,
    "demo": DemoConfig,
}
KINDS: dict[str, type] = {
    "task": Task,
    "mini_model": MiniModel,
    "stage": StageSpec,
    "metric": ShotMetric,
    "device_kind": DeviceKind,
    "engine": Engine,
}
GROUP_KEYS: dict[str, set[str]] = {
    "production": set(ProductionConfig.model_fields),
    "dailies": set(DailiesConfig.model_fields),
    "trainer": {f.name for f in fields(TrainSettings)} - {"seed", "progress"},
    "adapter": set(AdapterConfig.model_fields),
    "finder": set(FinderConfig.model_fields),
    "compute": {f.name for f in fields(ComputeSettings)},
    "wandb": set(WandbSettings.model_fields),
    "delivery": set(DeliveryConfig.model_fields),
}


@pytest.fixture(autouse=True)
def composing() -> Iterator[None]:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def composed(verb: str, *overrides: str) -> dict[str, Any]:
    plain = OmegaConf.to_container(compose(verb, list(overrides)), resolve=False)
    assert isinstance(plain, dict)
    return plain


def verb_with(group: str) -> str:
    roots = {p.stem: p.read_text() for p in CONF.glob("*.yaml")}
    return next(verb for verb, text in roots.items() if f"- {group}:" in text)


def test_a_verb_is_a_root_and_a_root_is_a_verb() -> None:
    assert {p.stem for p in CONF.glob("*.yaml")} == set(VERBS) == set(SCHEMAS)


@pytest.mark.parametrize("path", [p for p in FILES if p.parent != CONF], ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_a_choice_lists_exactly_what_its_reader_takes(path: Path, request: pytest.FixtureRequest) -> None:
    group = path.parent.name
    if group == "machinery":
        assert path.read_text().startswith("# @package hydra\n"), "it belongs to Hydra, not to a verb"
        return
    if group in ("experiment", "backbone"):
        assert "# @package _global_" in path.read_text(), "it holds differences of the whole"
        mini_model = composed("train", f"{group}={path.stem}")["mini_model"]
        assert group == "experiment" or mini_model["family"] in family_names()
        return
    if path.parent.parent.name == "hydra":
        node = yaml.safe_load(path.read_text())
        target = find_target(node.pop("_target_"), group)
        assert target in OWN_SWEEPERS and set(node) == set(inspect.signature(target).parameters)
        return
    if group == "track_metric":
        assert find_target(yaml.safe_load(path.read_text())["_target_"], group), "chosen by no verb yet"
        return
    several = group in ("metric", "device_kind")
    node = composed(verb_with(group), f"{group}=[{path.stem}]" if several else f"{group}={path.stem}")[group]
    node = node[path.stem] if several else node
    if "_target_" in node:
        target = find_target(node["_target_"], group)
        assert set(node) - {"_target_"} == set(inspect.signature(target).parameters) - {"self", "kwargs"}
        if "weights" in node and group == "mini_model":
            node["weights"] = str(request.getfixturevalue("tiny_folders")[node["family"]])
        assert isinstance(assemble(node, group, KINDS[group]), KINDS[group])
    else:
        assert set(node) == GROUP_KEYS[group]


@pytest.mark.parametrize("verb", SCHEMAS)
def test_a_root_lists_exactly_what_its_verb_takes(verb: str) -> None:
    plain = composed(verb)
    assert set(plain) == set(SCHEMAS[verb].model_fields)
    given = {key: f"some/{key}" if value == "???" else value for key, value in plain.items()}
    read_config(SCHEMAS[verb], given, verb)


@pytest.mark.parametrize("verb", SCHEMAS)
def test_every_verb_runs_in_the_same_machinery(verb: str) -> None:
    hydra = compose(verb, return_hydra_config=True).hydra
    assert hydra.run.dir == "." and hydra.output_subdir is None and not hydra.job.chdir
    assert hydra.job_logging.handlers.console.stream == "ext://sys.stderr"


def test_parts_of_parts_list_what_their_classes_take() -> None:
    for schema, rule in ((WindowsConfig, WindowPlan), (GateConfig, GatePlan), (SplitConfig, SplitRule)):
        assert set(schema.model_fields) == {f.name for f in fields(rule)}
    assert set(composed("apply")["delivery"]["gate"]) == set(GateConfig.model_fields)
    assert set(composed("train")["production"]["split"]) == set(SplitConfig.model_fields)


def test_evaluation_and_delivery_choose_in_the_same_way() -> None:
    delivery, evaluate = composed("apply")["delivery"], composed("evaluate")
    assert delivery["gate"] == evaluate["gate"] and delivery["windows"] == evaluate["windows"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_no_file_says_a_key_twice(path: Path) -> None:
    class Strict(yaml.SafeLoader):
        pass

    def mapping(loader: Any, node: Any) -> dict[Any, Any]:
        keys = [loader.construct_object(key) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"{path.name} repeats {keys}"
        return dict(zip(keys, (loader.construct_object(value, deep=True) for _, value in node.value), strict=True))

    Strict.add_constructor("tag:yaml.org,2002:map", mapping)
    assert isinstance(yaml.load(path.read_text(), Strict), dict)


def test_the_template_is_the_default_production_under_another_name() -> None:
    ours, theirs = (composed("train", f"production={name}")["production"] for name in ("default", "my_film"))
    assert {key for key in ours if ours[key] != theirs[key]} == {"name"}
    assert ours["name"] == "???" and theirs["name"] == "my_film"


def test_the_demo_repairs_a_take_that_the_stage_shoots_and_training_never_sees() -> None:
    demo, stage = OmegaConf.load(CONF / "demo.yaml"), OmegaConf.load(CONF / "stage" / "default.yaml")
    scene, take = demo.shot_take.split("_")[:2]
    number = int(take.removeprefix("T"))
    assert scene in stage.scenes
    assert demo.shot_take == take_name(scene, number)
    explicit = OmegaConf.load(CONF / "production" / "soundstage.yaml").split.explicit
    splits = [split for pattern, split in explicit.items() if fnmatch(f"{scene}/{number:02d}", pattern)]
    assert splits[0] != "train"


def test_there_is_a_backbone_to_choose_for_every_pretrained_family() -> None:
    backbones = [path.stem for path in (CONF / "backbone").glob("*.yaml")]
    families = {composed("train", f"backbone={name}")["mini_model"].get("family") for name in backbones}
    assert set(family_names()) <= families
