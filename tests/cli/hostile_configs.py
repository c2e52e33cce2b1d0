"""Configurations as a stranger would write them to run, read, write or exhaust something; data, in one place.

``CANARY`` in arguments and files is a path that must never exist, ``SECRET`` the name of an environment variable whose
value must never be printed or written, ``canary_module`` a module on Python's path that writes the canary when it is
imported. Files lie below ``own/``, which is then given with ``--config-dir``.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Hostile:
    """One command line, the files of its configuration folder, and what the message must name."""

    route: str
    arguments: tuple[str, ...]
    names: str
    files: Mapping[str, str | bytes] = field(default_factory=dict)


class _Touch:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("touch CANARY",)


PICKLED = pickle.dumps(_Touch(), protocol=0)

# Each would do something if it were imported, called or built.
FOREIGN = (
    "os.system",
    "os.execv",
    "posix.system",
    "builtins.eval",
    "builtins.exec",
    "builtins.open",
    "builtins.__import__",
    "subprocess.Popen",
    "subprocess.run",
    "asyncio.subprocess.create_subprocess_shell",
    "pty.spawn",
    "runpy.run_path",
    "code.InteractiveInterpreter",
    "pickle.loads",
    "pickle.Unpickler",
    "shutil.rmtree",
    "pathlib.Path.write_text",
    "socket.create_connection",
    "urllib.request.urlopen",
    "webbrowser.open",
    "ctypes.CDLL",
    "importlib.import_module",
    "torch.load",
    "torch.hub.load",
    "torch.utils.cpp_extension.load_inline",
    "numpy.load",
    "hydra.utils.call",
    "hydra.utils.instantiate",
    "hydra.utils.get_method",
    "functools.partial",
    "types.FunctionType",
    "canary_module.run",
    "canary_module",
    "interpositive.cli.main.os.system",
    "interpositive.cli.main.sys.exit",
    "interpositive.cli.hydra_app.importlib.import_module",
    "interpositive.dailies.workers.multiprocessing.Process",
    "interpositive.errors.InterpositiveError.__init__",
    "interpositive.media.opening.open_reader",
    "interpositive.tasks.wire_removal.Tensor",
    "interpositive.media.movie_writer.MovieWriter",
    "interpositive.media.sequence_writer.SequenceWriter",
    "interpositive.dailies.catalogue.Catalogue",
    "interpositive.soundstage.spec.StageSpec",
    "interpositive",
    "interpositive.",
    "interpositive..os.system",
    "interpositive.nowhere.Nothing",
    "interpositivism.Evil",
    ".interpositive.tasks.wire_removal.WireRemoval",
    "\u0131nterpositive.tasks.wire_removal.WireRemoval",
    "interpositive.tasks.wire_removal.WireRemova\u217c",
)
RESOLVERS = (
    "${oc.env:SECRET}",
    "${oc.env:SECRET,none}",
    "x${oc.env:SECRET}y",
    "${oc.decode:${oc.env:SECRET}}",
    "${oc.decode:'${oc.env:SECRET}'}",
    "${oc.create:{a: 1}}",
    "${oc.select:seed}",
    "${oc.select:seed,${oc.env:SECRET}}",
    "${oc.dict.keys:trainer}",
    "${oc.dict.values:trainer}",
    "${oc.deprecated:seed}",
    "${env:SECRET}",
    "${python_version:micro}",
    "${hydra:runtime.cwd}",
    "${hydra:runtime.config_sources}",
    "${hydra:runtime.output_dir}",
    "${hydra:job.env_set}",
    "${hydra:job}",
    "${hydra:overrides.task}",
    "${hydra:launcher}",
    "${now:${oc.env:SECRET}}",
    "${${trainer.score}:SECRET}",
    "${oc.${trainer.score}:SECRET}",
    "${nothing.of.the.kind:x}",
)
# Where a text of a configuration may lie: on the command line, and printed or not.
PLACES = (
    "run_folder={}",
    "wandb.project={}",
    "production.name={}",
    "+mini_model.extra={}",
    "task._target_={}",
    "hydra.run.dir={}",
    "hydra.sweep.dir={}",
    "hydra.job.name={}",
)
GLOBAL = "# @package _global_\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def targets() -> list[Hostile]:
    found = []
    for number, name in enumerate(FOREIGN):
        place = ("task", "mini_model", "metric.psnr")[number % 3]
        found.append(Hostile("target on the command line", ("train", f"{place}._target_={_quoted(name)}"), "_target_"))
        if number % 2:
            text = f"_target_: {name!r}\ncommand: touch CANARY\nargs: [touch CANARY]\npath: CANARY\nf: CANARY\n"
            found.append(Hostile("target in a YAML", ("train", "task=evil"), "_target_", {"task/evil.yaml": text}))
    deep = ("+task.inner={{_target_: {0}, command: 'touch CANARY'}}", "+mini_model.extra=[{{_target_: {0}}}]")
    found += [Hostile("target inside", ("train", d.format(n)), "_target_") for d in deep for n in FOREIGN[:3]]
    own = "interpositive.tasks.wire_removal.WireRemoval"
    for key in ("_args_", "_partial_", "_convert_", "_recursive_", "_call_"):
        found.append(Hostile("Hydra's own words", ("rehearse", "take=x", "output=y", f"+task.{key}=[x]"), key))
    for value in ("3", "null", "[os.system]", "{a: 1}", "true"):
        found.append(Hostile("target of another type", ("train", f"task._target_={value}"), "task._target_"))
    found.append(Hostile("target in a place of values", ("train", f"+trainer.inner={{_target_: {own}}}"), "inner"))
    return found


def resolvers() -> list[Hostile]:
    found = []
    for number, text in enumerate(RESOLVERS):
        place = PLACES[number % len(PLACES)]
        key = place.split("=")[0].lstrip("+")
        shown = (
            (),
            ("--cfg", "job"),
            ("--cfg", "all", "--resolve"),
            ("--multirun",),
            ("--help",),
            ("--info", "config"),
        )
        found.append(Hostile("resolver, argument", ("train", place.format(text), *shown[number % 6]), key))
        experiment = (
            f'{GLOBAL}run_folder: "{text}"\n'.replace("'", "''") if "'" in text else f"{GLOBAL}run_folder: '{text}'\n"
        )
        found.append(
            Hostile(
                "resolver, experiment",
                ("train", "experiment=evil"),
                "run_folder",
                {"experiment/evil.yaml": experiment},
            )
        )
    env = "${oc.env:SECRET}"
    more = {
        "defaults list": ("task=evil", f"defaults:\n  - '{env}'\n", "defaults"),
        "defaults list, option": ("task=evil", f"defaults:\n  - /mini_model: '{env}'\n", "mini_model"),
        "in a list": ("task=evil", f"num_wires: [1, '{env}']\n", "num_wires"),
        "in a deep list": ("task=evil", f"a: {{b: [[{{c: '{env}'}}]]}}\n", "a.b[0][0].c"),
        "for a key": ("task=evil", f"'{env}': 1\n", "no name of a key"),
        "for a key of a defaults list": ("task=evil", f"defaults:\n  - '{env}': x\n", "no name of a key"),
        "for a deep key": ("task=evil", f"a: [{{b: {{'x{env}': 1}}}}]\n", "no name of a key"),
        "for a package": ("task=evil", f"# @package {env}\na: 1\n", "no name of a key"),
        "with spaces": ("task=evil", "a: '${ oc.env : SECRET }'\n", "a in"),
        "in quotes": ("task=evil", "a: '${oc.env:\"SECRET\"}'\n", "a in"),
        "behind a default": ("task=evil", "a: '${oc.select:nothing,${oc.env:SECRET}}'\n", "a in"),
        "of a sweep": (
            "experiment=evil",
            f"{GLOBAL}hydra: {{sweeper: {{params: {{seed: '{env}'}}}}}}\n",
            "hydra.sweeper.params.seed",
        ),
        "of objectives": (
            "experiment=evil",
            f"{GLOBAL}hydra: {{sweeper: {{objectives: ['{env}']}}}}\n",
            "hydra.sweeper.objectives",
        ),
    }
    for route, (choice, text, key) in more.items():
        found.append(
            Hostile(f"resolver, file: {route}", ("train", choice), key, {f"{choice.replace('=', '/')}.yaml": text})
        )
    production = f"defaults: [default]\nname: stolen\nworkspace: '{env}'\n"
    for verb in ("ingest", "inspect", "train"):
        needed = ("source=x",) if verb == "ingest" else ()
        found.append(
            Hostile(
                "resolver, production",
                (verb, "production=evil", *needed),
                "workspace",
                {"production/evil.yaml": production},
            )
        )
    for verb, key in (
        ("apply", "run"),
        ("evaluate", "result"),
        ("review", "path"),
        ("reproduce", "run"),
        ("soundstage", "output"),
        ("demo", "folder"),
    ):
        found.append(Hostile("resolver, other verbs", (verb, f"{key}={env}"), key))
    return found


def machinery() -> list[Hostile]:
    """Hydra's own node, on the command line and in files."""
    run = "{_target_: os.system, command: 'touch CANARY'}"
    arguments = {
        f"+hydra.callbacks.mine={run}": "callbacks",
        "+hydra.callbacks.mine._target_=interpositive.cli.main.os.system": "callbacks",
        "+hydra.callbacks.mine._target_=hydra.experimental.callbacks.PickleJobInfoCallback": "callbacks",
        "hydra.launcher._target_=os.system": "hydra.launcher._target_",
        "hydra.launcher._target_=canary_module.run": "hydra.launcher._target_",
        "hydra.launcher._target_=hydra_plugins.evil.os.system": "hydra.launcher._target_",
        "hydra.sweeper._target_=subprocess.Popen": "hydra.sweeper._target_",
        f"+hydra.sweeper.inner={run}": "hydra.sweeper.inner",
        "+hydra.launcher.inner=[{_target_: hydra._internal.core_plugins.basic_launcher.BasicLauncher}]": "inner",
        "hydra.job_logging.handlers.console.class=subprocess.Popen": "console.class",
        "+hydra.job_logging.handlers.evil={class: logging.handlers.SocketHandler, port: 9}": "evil.class",
        "+hydra.job_logging.handlers.evil={class: logging.config.fileConfig, fname: CANARY}": "evil.class",
        "+hydra.hydra_logging.formatters.evil.factory=os.system": "evil.factory",
        "+hydra.hydra_logging.formatters.evil.class=os.system": "evil.class",
        "hydra.job_logging.handlers.console.stream=ext://os.system": "console.stream",
        "hydra.hydra_logging.handlers.console.stream=ext://canary_module": "console.stream",
        "+hydra.job_logging.handlers.evil=${task}": "evil",
        "+hydra.job_logging.handlers.evil={\\(\\):os.system,command:touch CANARY}": "evil.()",
        "+hydra.job_logging.filters.evil={\\(\\):canary_module.run}": "evil.()",
        "hydra.launcher.n_jobs=1000000": "n_jobs",
        "hydra.sweeper.num_trials=1e18": "num_trials",
        "hydra.job_logging=${task}": "job_logging",
        "hydra.hydra_logging.handlers.console.class=${oc.env:SECRET}": "console.class",
        "+hydra.job.env_set.LD_PRELOAD=CANARY": "env_set",
        "+hydra.job={env_set: {LD_PRELOAD: CANARY}}": "env_set",
        "hydra.job.env_copy=[SECRET]": "env_copy",
        "+hydra={job: {env_copy: [SECRET]}}": "env_copy",
        "hydra.searchpath=[pkg://canary_module]": "searchpath",
        "hydra.searchpath=[file:///etc]": "searchpath",
        "+hydra={searchpath: [pkg://canary_module]}": "searchpath",
        "hydra.help.template=$SECRET": "hydra.help",
        "hydra.hydra_help.template=$SECRET": "hydra.hydra_help",
        "--config-path=pkg://canary_module": "--config-path",
        "--config-pat=pkg://canary_module": "--config-path",
        "-cp=/etc": "--config-path",
        "--config-name=../production/default": "--config-name",
        "-cn=evil": "--config-name",
        "--resolve": "--resolve",
        "--experimental-rerun=CANARY.pickle": "pickle",
        "--experimental-rer=CANARY.pickle": "pickle",
    }
    found = [Hostile("machinery, argument", ("train", a), key, {"x.yaml": ""}) for a, key in arguments.items()]
    for argument in (
        "hydra.launcher._target_=os.system",
        f"+hydra.sweeper.inner={run}",
        f"+hydra.callbacks.mine={run}",
    ):
        for mode in (("--multirun",), ("--cfg", "hydra"), ("--info", "all"), ("--hydra-help",), ("--help",)):
            key = argument.split("=")[0].lstrip("+").split(".")[1]
            found.append(Hostile("machinery, other modes", ("train", argument, *mode), key))
    nodes = {
        "callbacks: {mine: {_target_: os.system, command: touch CANARY}}": "hydra.callbacks",
        "callbacks: ${evil}": "hydra.callbacks",
        "run: {dir: /tmp/elsewhere}": "hydra.run.dir",
        "sweep: {dir: ../../elsewhere}": "hydra.sweep.dir",
        "sweep: {subdir: ../../elsewhere}": "hydra.sweep.subdir",
        "output_subdir: ../../elsewhere": "hydra.output_subdir",
        "job: {chdir: true}": "hydra.job.chdir",
        "job: {name: ../../elsewhere}": "hydra.job.name",
        "job: {env_set: {LD_PRELOAD: CANARY}}": "hydra.job.env_set",
        "job: {env_copy: [SECRET]}": "hydra.job.env_copy",
        "job: {env_copy: [NOT_THERE]}": "hydra.job.env_copy",
        "job: {config: {override_dirname: {kv_sep: /}}}": "hydra.job.config",
        "searchpath: ['pkg://canary_module']": "hydra.searchpath",
        "verbose: true": "hydra.verbose",
        "help: {template: $SECRET}": "hydra.help",
        "runtime: {output_dir: /etc}": "hydra.runtime",
        "overrides: {task: [seed=1]}": "hydra.overrides",
        # A line of a log, in the attacker's words, in the attacker's file: a command in a shell's own script.
        "job_logging: {handlers: {console: {class: logging.FileHandler, filename: CANARY}}}": "hydra.job_logging",
        "job_logging: {formatters: {simple: {format: 'touch CANARY #'}}}": "hydra.job_logging",
        "hydra_logging: {handlers: {console: {class: subprocess.Popen}}}": "hydra.hydra_logging",
        "env: {x: 1}": "hydra.env",
        "launcher: {setup: ['touch CANARY']}": "hydra.launcher.setup",
        "launcher: {additional_parameters: {wrap: 'touch CANARY'}}": "hydra.launcher.additional_parameters",
        "launcher: {srun_args: ['--prolog=CANARY']}": "hydra.launcher.srun_args",
        "launcher: {python: 'sh -c touch CANARY'}": "hydra.launcher.python",
        "launcher: {submitit_folder: /etc}": "hydra.launcher.submitit_folder",
        'launcher: {partition: "x\\ntouch CANARY #"}': "hydra.launcher.partition",
        "launcher: {_target_: os.system}": "hydra.launcher._target_",
        'launcher: {comment: "x\\u2028touch CANARY #"}': "evil.yaml",
        'launcher: {account: "x\\rtouch CANARY #"}': "hydra.launcher.account",
        "launcher: {additional_parameters: {export: 'ALL,LD_PRELOAD=CANARY'}}": "hydra.launcher.additional_parameters",
        "launcher: {name: '$(touch CANARY)', setup: null, srun_args: x}": "hydra.launcher.srun_args",
        "launcher: {inner: {_target_: canary_module.run}}": "inner",
        "launcher: {name: '${oc.env:SECRET}'}": "hydra.launcher.name",
        "launcher: [os.system]": "experiment/evil",
        "launcher: null": "launcher",
        "sweeper: null": "sweeper",
        "launcher: {tasks_per_node: 1000000}": "hydra.launcher.tasks_per_node",
        "sweeper: {params: {+hydra.callbacks.x: 1}}": "hydra",
        "sweeper: {params: {' hydra.run.dir': CANARY}}": "hydra",
        "sweeper: {params: {'seed=1 hydra.run.dir': CANARY}}": "hydra",
        "sweeper: {params: {run_folder: '/etc,/usr'}}": "run_folder",
        "sweeper: {params: {'engine.address': x}}": "engine",
        "sweeper: {params: os.system}": "hydra.sweeper.params",
        "sweeper: {objectives: {_target_: os.system}}": "hydra.sweeper.objectives._target_",
        "sweeper: {_target_: os.system}": "hydra.sweeper._target_",
        "sweeper: {inner: [{_target_: os.system}]}": "inner",
        "sweeper: {params: {'hydra.launcher._target_': os.system}}": "hydra",
        "mode: {_target_: os.system}": "hydra",
        "${oc.env:SECRET}": "hydra",
        "[1, 2]": "hydra",
        "null": "evil",
    }
    slurm = ("hydra/launcher=submitit_slurm", "--multirun")
    for node, key in nodes.items():
        text = f"{GLOBAL}evil: {{mine: {{_target_: os.system, command: touch CANARY}}}}\nhydra: {node!s}\n"
        if ": " in node and not node.startswith(("$", "[")):
            text = f"{GLOBAL}hydra:\n  {node}\n"
        more = slurm if "launcher" in node or "sweeper" in node else ()
        found.append(
            Hostile("machinery, experiment", ("train", "experiment=evil", *more), key, {"experiment/evil.yaml": text})
        )
    groups = {
        "hydra/hydra_logging": "version: 1\nformatters:\n  evil: {'()': os.system, command: touch CANARY}\n",
        "hydra/job_logging": "version: 1\nhandlers:\n  evil: {'()': os.system, command: touch CANARY}\n",
        "hydra/launcher": "_target_: os.system\n",
        "hydra/sweeper": "_target_: os.system\n",
        "hydra/output": "output_subdir: /etc\n",
        "hydra/env": "job: {env_set: {LD_PRELOAD: CANARY}}\n",
        "hydra/help": "template: $SECRET\napp_name: x\n",
        "hydra/callbacks": "mine: {_target_: os.system, command: touch CANARY}\n",
    }
    for group, text in groups.items():
        found.append(Hostile("machinery, group", ("train", f"{group}=evil"), "hydra.", {f"{group}/evil.yaml": text}))
        package = group.replace("/", ".")
        found.append(
            Hostile("machinery, package", ("train", f"+task@{package}=evil"), "hydra.", {"task/evil.yaml": text})
        )
    evaluated = "pre_dispatch: \"__import__('os').system('touch CANARY')\""
    for told in ("n_jobs: 1000000", evaluated, "temp_folder: /etc"):
        text = (
            f"{GLOBAL}defaults: [override /hydra/launcher: joblib]\nhydra: {{launcher: {{{told}}}, mode: MULTIRUN}}\n"
        )
        key = f"hydra.launcher.{told.partition(':')[0]}"
        found.append(Hostile("machinery, joblib", ("train", "experiment=evil"), key, {"experiment/evil.yaml": text}))
    shadowed = "_target_: os.system\n"
    joblib, header = "hydra/launcher/joblib.yaml", "# @package hydra.callbacks\nmine: {_target_: os.system}\n"
    override = "defaults:\n  - override /hydra/launcher: evil\n"
    chosen = {"task/evil.yaml": override, "hydra/launcher/evil.yaml": shadowed}
    sweep = ("train", "hydra/launcher=joblib", "--multirun")
    return [
        *found,
        Hostile("machinery, shadow", sweep, "_target_", {joblib: shadowed}),
        Hostile("machinery, package header", ("train", "task=evil"), "hydra.", {"task/evil.yaml": header}),
        Hostile("machinery, defaults", ("train", "task=evil"), "hydra", chosen),
    ]


def texts() -> list[Hostile]:
    """YAML that is no plain text of keys and values, or grows, or has no end."""
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
    )
    merged = "a0: &a0 {x: 1}\n" + "".join(
        f"a{n}: &a{n} {{{', '.join(f'k{k}: *a{n - 1}' for k in range(9))}}}\n" for n in range(1, 10)
    )
    merge_keys = "a0: &a0 {x: 1}\n" + "".join(
        f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12)
    )
    strings = (
        "a0: " + "x" * 1000 + "\n" + "".join(f"a{n}: '{('${task.a' + str(n - 1) + '}') * 10}'\n" for n in range(1, 10))
    )
    lists = "a0: [x, x, x, x]\n" + "".join(
        f"a{n}: [{', '.join(['${task.a' + str(n - 1) + '}'] * 9)}]\n" for n in range(1, 12)
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("task/evil.yaml", "_target_: os.system\n")
    texts: dict[str, tuple[str | bytes, str]] = {
        "laughs": (laughs, "too large"),
        "laughs in mappings": (merged, "too large"),
        "laughs by merge keys": (merge_keys, "too large"),
        "laughs by interpolation": (strings, "task"),
        "lists by interpolation": (lists, "task"),
        "an alias of itself": ("a: &a [*a]\n", "evil.yaml"),
        "an alias of nothing": ("a: *b\n", "evil.yaml"),
        "a loop of interpolations": ("a: ${task.b}\nb: ${task.a}\n", "task"),
        "an interpolation of its parent": ("a: ${task}\n", "task"),
        "nested interpolations": ("a: '" + "${" * 300 + "x" + "}" * 300 + "'\n", "a in"),
        "unclosed interpolation": ("a: '${oc.env:SECRET'\n", "a"),
        "deep lists": ("a: " + "[" * 2000 + "]" * 2000 + "\n", "evil.yaml"),
        "deep mappings": ("".join(" " * n + f"k{n}:\n" for n in range(500)), "evil.yaml"),
        "many keys": ("".join(f"k{n}: 1\n" for n in range(120_000)), "evil.yaml"),
        "two megabytes": ("a: " + "x" * (2 << 20) + "\n", "evil.yaml"),
        "an endless number": ("num_wires: " + "9" * 5000 + "\n", "evil.yaml"),
        "an endless hexadecimal number": ("num_wires: 0x" + "9" * 5000 + "\n", "evil.yaml"),
        "an endless hexadecimal number of letters": ("num_wires: 0x" + "f" * 5000 + "\n", "evil.yaml"),
        "an endless number of minutes": ("num_wires: 1" + ":59" * 3000 + "\n", "evil.yaml"),
        "an endless number that is told to be one": ("num_wires: !!int '" + "9" * 5000 + "'\n", "tag"),
        "no truth": ("num_wires: !!bool maybe\n", "tag"),
        "no number": ("num_wires: !!int ''\n", "tag"),
        "a list that is told to be a mapping": ("num_wires: !!map [1, 2]\n", "tag"),
        "merged with no mapping": ("<<: [1, 2]\n", "evil.yaml"),
        "another YAML": ("%YAML 9.9\n---\na: 1\n", "evil.yaml"),
        "escaped marks": ('a: "\\u202egnp.exe"\n', "evil.yaml"),
        "an escaped key": ('"_target\\u200b_": os.system\n', "evil.yaml"),
        "words to a terminal": ('a: "\\e]0;owned\\a"\n', "evil.yaml"),
        "a soft hyphen": ("_target\u00ad_: os.system\n", "evil.yaml"),
        "wide letters": ("\uff3ftarget\uff3f: os.system\n", "task"),
        "python/object/apply": ("!!python/object/apply:os.system ['touch CANARY']\n", "tag"),
        "python/object/new": ("a: !!python/object/new:os.system ['touch CANARY']\n", "tag"),
        "python/name": ("_target_: !!python/name:os.system\n", "tag"),
        "python/module": ("a: !!python/module:canary_module\n", "tag"),
        "python/object": ("a: !!python/object:canary_module.run {}\n", "tag"),
        "a path tag": ("a: !!python/object/apply:pathlib.PosixPath [/etc/passwd]\n", "tag"),
        "a tag of its own": ("a: !evil x\n", "tag"),
        "binary": ("a: !!binary Y2FuYXJ5\n", "tag"),
        "a set": ("a: !!set {x, y}\n", "tag"),
        "an ordered map": ("a: !!omap [x: 1]\n", "tag"),
        "a key twice": ("_target_: interpositive.tasks.wire_removal.WireRemoval\n_target_: os.system\n", "_target_"),
        "a key of lists": ("? [a, b]\n: 1\n", "evil"),
        "a key of nothing": ("null: 1\n", "key"),
        "two documents": ("a: 1\n---\n_target_: os.system\n", "evil.yaml"),
        "a list": ("- os.system\n- touch CANARY\n", "evil.yaml"),
        "a directive": ("%TAG ! tag:yaml.org,2002:python/object/apply:\n---\na: !os.system [touch CANARY]\n", "tag"),
        "NUL": (b"_target_: os.system\x00\n", "evil.yaml"),
        "not UTF-8": (b"a: \xff\xfe\xfa\n", "evil.yaml"),
        "UTF-16": ("_target_: os.system\n".encode("utf-16"), "evil.yaml"),
        "escape sequences": ('"\\e[2Jkey": 1\n', "task"),
        "letters of another alphabet": ("_t\u0430rget_: os.system\n", "task"),
        "text from right to left": ("a: '\u202egnp.exe'\n", "evil.yaml"),
        "invisible letters": ("_target\u200b_: os.system\n", "evil.yaml"),
        "a pickle": (PICKLED, "task._target_"),
        "a zip": (archive.getvalue(), "evil.yaml"),
        "nothing": ("", "task._target_"),
        "a package that climbs": ("# @package ..hydra.callbacks\nmine: {_target_: os.system}\n", "_target_"),
        "a package of dots": ("# @package ....\nmine: {_target_: os.system}\n", "_target_"),
        "two packages": ("# @package _global_\n# @package hydra\nmine: 1\n", "evil"),
        "a choice that climbs": ("defaults:\n  - ../production/default\n", "out of its folder"),
        "a choice of everything": ("defaults:\n  - /hydra/job_logging@_global_.hydra.callbacks: default\n", "hydra"),
        "itself": ("defaults:\n  - evil\n", "evil"),
        "a choice of a file": ("defaults:\n  - file:///etc/passwd\n", "task"),
        "a choice of a package": ("defaults:\n  - pkg://canary_module\n", "task"),
        "a choice from the root": ("defaults:\n  - //etc/passwd\n", "passwd"),
        "a choice of no name": ("defaults:\n  - /task: [../../etc/passwd, 3]\n", "task"),
        "a choice for Hydra": ("defaults:\n  - override /hydra/job_logging: ../../../etc/passwd\n", "hydra"),
        "a defaults list of mappings": ("defaults: {task: evil}\n", "task"),
    }  # fmt: skip
    chain = {f"task/c{n}.yaml": f"defaults: [c{n + 1}]\n" for n in range(1500)} | {"task/c1500.yaml": "a: 1\n"}
    tree = {f"task/t{n}.yaml": f"defaults: [t{n + 1}@a, t{n + 1}@b]\n" for n in range(40)} | {"task/t40.yaml": "a: 1\n"}
    return [
        *(
            Hostile(f"text: {name}", ("train", "task=evil"), key, {"task/evil.yaml": text})
            for name, (text, key) in texts.items()
        ),
        Hostile("text: a chain of files", ("train", "task=c0"), "task", chain),
        Hostile("text: files that double", ("train", "task=t0"), "too many files", tree),
    ]


def values() -> list[Hostile]:
    """Numbers and paths that would exhaust memory, or leave the place they belong to."""
    arguments = {
        "dailies.num_windows=1000000000000": "num_windows",
        "dailies.num_val_windows=1000000000000": "num_val_windows",
        "dailies.window_frames=1000000000": "window_frames",
        "dailies.batch_size=1000000000000": "batch_size",
        "dailies.num_workers=100000": "num_workers",
        "dailies.num_prepare_workers=100000": "num_prepare_workers",
        "dailies.num_workers=-1": "num_workers",
        "mini_model.scorer_width=1000000000": "scorer_width",
        "mini_model.residual_widths=[1000000,1000000,1000000]": "residual_widths",
        "mini_model.residual_widths=[0,0,0]": "residual_widths",
        "mini_model.crop_px=8000000000": "crop_px",
        "mini_model.crops_per_frame=1000000000": "crops_per_frame",
        "mini_model.frames_per_window=1000000000": "frames_per_window",
        "mini_model.candidates_per_step=-1": "candidates_per_step",
        "mini_model.temperature=.nan": "temperature",
        "mini_model.temperature=0": "temperature",
        "mini_model.flow_offsets=[1000000000]": "flow_offsets",
        "trainer.max_steps=1e400": "max_steps",
        "trainer.max_steps=-1": "max_steps",
        "trainer.learning_rate=nan": "learning_rate",
        "trainer.learning_rate=inf": "learning_rate",
        "trainer.learning_rate=-1": "learning_rate",
        "trainer.weight_decay=nan": "weight_decay",
        "trainer.gradient_clip=nan": "gradient_clip",
        "trainer.ema_decay=2": "ema_decay",
        "trainer.ema_decay=nan": "ema_decay",
        "trainer.warmup_steps=-5": "warmup_steps",
        "trainer.half_size_share=1.5": "half_size_share",
        "trainer.validate_every=0": "validate_every",
        "trainer.checkpoint_every=0": "checkpoint_every",
        "trainer.held_out_windows=1e9": "held_out_windows",
        "trainer.score={a: 1}": "score",
        "compute.devices=1000000": "devices",
        "compute.num_nodes=0": "num_nodes",
        "compute.threads=1000000": "threads",
        "compute.accelerator=os.system": "accelerator",
        "compute.precision=os.system": "precision",
        "compute.lost_after_seconds=nan": "lost_after_seconds",
        "task.num_wires=[1,1000000000]": "num_wires",
        "task.width_px_at_1080=[3,.inf]": "width_px_at_1080",
        "task.mask_margin_px=[1,1000000000]": "mask_margin_px",
        "seed=.nan": "seed",
        "seed=[1,2]": "seed",
        "seed=" + "9" * 5000: "seed",
        "seed=" + "9" * 99: "seed",
        "seed=" + "[" * 1500 + "]" * 1500: "seed",
        "production.name=../../elsewhere": "production.name",
        "production.name=/etc": "production.name",
        "production.name=.hidden": "production.name",
        "production.training_height=1000000000": "training_height",
        "production.slate_patterns=['(a+)+$(']": "slate_patterns",
        "+production.split.explicit={a: b}": "split",
        "run_folder=/etc": "run_folder",
        "run_folder=/proc/self": "run_folder",
        "run_folder={a: 1}": "run_folder",
        "dry_run=maybe": "dry_run",
        "dry_run={_target_: os.system}": "dry_run",
        "wandb=null": "wandb",
        "trainer=null": "trainer",
        "compute=null": "compute",
        "wandb.mode=os.system": "wandb.mode",
        "wandb.base_url=http://localhost:9": "wandb",
        "+wandb.settings={program: CANARY}": "wandb",
        "+wandb.api_key=SECRET": "wandb",
        "+t\u0430sk.x=1": "sk",
        "++a.b.c.d=1": "a",
        "~task": "task",
        "~production": "production",
        "task=null": "task",
        "metric=null": "metric",
        "task=../../../../etc/passwd": "passwd",
        "task=/etc/passwd": "passwd",
        "metric=[psnr,../task/wire_removal]": "wire_removal",
        "run_folder='\u202egnp'": "mark",
        "run_folder='\x1b[2J'": "mark",
    }  # fmt: skip
    found = [Hostile("values", ("train", argument), key, {"x.yaml": ""}) for argument, key in arguments.items()]
    stage = {"width": 10**9, "height": -2, "num_frames": 10**12, "takes_per_scene": 10**9, "grain": 1e300}
    found += [
        Hostile("values, soundstage", ("soundstage", "output=stage", f"stage.{key}={value}"), key)
        for key, value in stage.items()
    ]
    rates = ("1/0", "nan", "-24", "1e400", "[24]")
    found += [
        Hostile("values, soundstage", ("soundstage", "output=s", f"stage.rate='{rate}'"), "rate") for rate in rates
    ]
    sweeps = ("seed=range(0,1000000000000)", "seed=range(0,10,0)", "seed=range(0,1,0.0000000001)", "seed=range(0,inf)")
    found += [Hostile("values, sweep", ("train", "--multirun", sweep), "seed") for sweep in sweeps]
    params = f"{GLOBAL}hydra: {{sweeper: {{params: {{seed: 'range(0,1000000000)'}}}}}}\n"
    found.append(
        Hostile("values, sweep", ("train", "--multirun", "experiment=evil"), "seed", {"experiment/evil.yaml": params})
    )
    steps = (
        ("train", "hydra.launcher.setup=[touch CANARY]"),
        ("train", "--config-dir=/etc"),
        ("ingest", "+hydra.callbacks=x"),
        ("train", "wandb=online"),
        ("train", "wandb.entity=canary"),
        ("ingest", "engine.address=canary:1"),
    )
    found += [Hostile("values, demo", ("demo", f"+steps.{verb}=['{a}']"), "steps") for verb, a in steps]
    return found


def sending() -> list[Hostile]:
    """Files that would have frames of the production sent away, or sent to somebody else."""
    run = ("train", "experiment=evil")
    experiments = {
        "wandb: {mode: online}\n": "wandb.mode",
        "wandb: {mode: online, entity: canary}\n": "wandb.entity",
        "wandb: {entity: canary}\n": "wandb.entity",
        "evil: online\nwandb: {mode: '${evil}'}\n": "wandb.mode",
        "evil: {mode: online}\nwandb: ${evil}\n": "wandb",
        "defaults:\n  - override /wandb: online\n": "wandb.mode",
        "defaults:\n  - override /wandb: evil\n": "wandb.entity",
        "defaults:\n  - /wandb@wandb: evil\n": "wandb",
        "defaults:\n  - /task@wandb: evil\n": "wandb.entity",
        "hydra: {sweeper: {params: {wandb: online}}}\n": "wandb",
        "hydra: {sweeper: {params: {wandb.entity: canary}}}\n": "wandb",
    }
    away = "mode: online\nentity: canary\n"
    found = []
    for text, key in experiments.items():
        files = {"experiment/evil.yaml": GLOBAL + text, "wandb/evil.yaml": away, "task/evil.yaml": away}
        asked = () if text.startswith("defaults:\n  - override") or "online" in text else ("wandb=online",)
        found.append(Hostile("sending", (*run, *asked), key, files))
    cluster = "address: 'ray://canary:10001'\n"
    ray = f"_target_: interpositive.dailies.engines.RayEngine\n{cluster}"
    engines = {
        f"{GLOBAL}engine: {{{', '.join(ray.splitlines())}}}\n": "engine.address",
        f"{GLOBAL}engine: {{{cluster.strip()}}}\n": "engine.address",
        f"{GLOBAL}evil: 'canary:1'\nengine: {{address: '${{evil}}'}}\n": "engine.address",
        f"{GLOBAL}evil: {{{', '.join(ray.splitlines())}}}\nengine: ${{evil}}\n": "engine",
        "defaults:\n  - default\n  - override /engine: evil\n": "engine",
        "defaults:\n  - default\n  - /task@_global_.engine: evil\n": "engine.address",
    }
    for text, key in engines.items():
        files = {"production/evil.yaml": text, "engine/evil.yaml": ray, "task/evil.yaml": cluster}
        found.append(Hostile("sending, cluster", ("ingest", "production=evil", "source=."), key, files))
    steps = f"{GLOBAL}steps: {{train: ['wandb=online', 'wandb.entity=canary']}}\n"
    found.append(Hostile("sending, demo", ("demo", "+experiment=evil"), "steps", {"experiment/evil.yaml": steps}))
    for group in ("task", "production"):
        text = {f"{group}/evil.yaml": f"{GLOBAL}wandb: {{entity: canary}}\n"}
        found.append(Hostile("sending", ("train", f"{group}=evil", "wandb=online"), "wandb.entity", text))
    return found


def corpus() -> list[Hostile]:
    """All of them, in one order."""
    return [*targets(), *resolvers(), *machinery(), *texts(), *values(), *sending()]
