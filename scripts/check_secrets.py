"""Which secrets around a training come into what it writes? 40 kinds in 8 places, and every file is searched.

    python scripts/check_secrets.py

A small production is shot, ingested and trained on with W&B offline, in a home, a repository and an environment full of
secrets; each has a mark of its own. Prints for every place how many of its 40 secrets W&B's files hold, the run's own
files, and what was printed. Where strace is installed, every address that the training or W&B's service turns to is
counted as well. Exits 1 if W&B holds any but names of takes, if the run holds any but what its configuration says, or
if somebody outside of this machine was turned to.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
KINDS = {
    "AWS_ACCESS_KEY_ID": "AKIA{}", "AWS_SECRET_ACCESS_KEY": "wJalr{}KEY", "AWS_SESSION_TOKEN": "FwoGZ{}==",
    "GITHUB_TOKEN": "ghp_{}", "GITLAB_TOKEN": "glpat-{}", "HF_TOKEN": "hf_{}", "WANDB_API_KEY": "{}",
    "OPENAI_API_KEY": "sk-{}", "ANTHROPIC_API_KEY": "sk-ant-{}", "GOOGLE_API_KEY": "AIza{}",
    "AZURE_CLIENT_SECRET": "az~{}", "SLACK_TOKEN": "xoxb-{}", "SLACK_WEBHOOK": "https.hooks.slack.com.{}",
    "STRIPE_KEY": "sk_live_{}",
    "TWILIO_TOKEN": "SK{}", "SENDGRID_KEY": "SG.{}", "NPM_TOKEN": "npm_{}", "PYPI_TOKEN": "pypi-{}",
    "DOCKER_PASSWORD": "dckr_{}", "DATABASE_URL": "postgres.user.{}@db", "REDIS_URL": "redis.{}@cache",
    "MONGODB_URI": "mongodb.{}@host", "SMTP_PASSWORD": "smtp-{}", "JWT": "eyJhbGci.{}.sig", "BEARER": "Bearer-{}",
    "BASIC_AUTH": "dXNlcjp{}", "SSH_PRIVATE_KEY": "BEGIN-OPENSSH-{}", "RSA_PRIVATE_KEY": "BEGIN-RSA-{}",
    "PGP_KEY": "BEGIN-PGP-{}", "CERTIFICATE": "BEGIN-CERT-{}", "KUBECONFIG_TOKEN": "k8s-{}", "VAULT_TOKEN": "hvs.{}",
    "SNOWFLAKE_PASSWORD": "snow-{}", "FRAME_IO_TOKEN": "fio-u-{}", "SHOTGRID_KEY": "sg-{}", "LICENCE_KEY": "LIC-{}",
    "EMAIL": "someone.{}@studio.example", "USER_NAME": "artist-{}", "HOST_NAME": "render-{}", "PASSWORD": "hunter2-{}",
}  # fmt: skip
PLACES = (
    "environment",
    "arguments of Hydra",
    "comments of a YAML",
    "patterns of the production",
    "repository: remote, branch, user",
    "paths",
    "home: netrc, credentials, settings",
    "names of takes",
)
TRAINING = (
    "production.training_height=64 dailies.window_frames=8 dailies.num_windows=3 dailies.num_val_windows=1 "
    "dailies.batch_size=3 dailies.num_prepare_workers=0 trainer.max_steps=6 trainer.judge_every=3 "
    "trainer.validate_every=3 trainer.checkpoint_every=3 trainer.warmup_steps=2 trainer.held_out_windows=2 "
    "trainer.held_out_frames=2 mini_model.scorer_width=4 mini_model.residual_widths=[4,4,4] mini_model.crop_px=32 "
    "mini_model.flow_offsets=[1,3] mini_model.camera_offsets=[2] mini_model.frames_per_window=2 "
    "mini_model.crops_per_frame=2 mini_model.candidates_per_step=4 progress=false wandb.log_archive=true"
)

Planted = Mapping[str, Mapping[str, str]]


def plant() -> Planted:
    """Of every place, a secret of every kind; the mark in the middle is found nowhere else."""
    return {place: {kind: shape.format(secrets.token_hex(10)) for kind, shape in KINDS.items()} for place in PLACES}


def mark(secret: str) -> bytes:
    found = re.search("[0-9a-f]{20}", secret)
    assert found
    return found.group().encode()


def furnish(folder: Path, planted: Planted) -> tuple[list[str], dict[str, str], Path]:
    """Write what lies around a training below ``folder``; gives the command, its environment and its folder."""
    home, own = folder / "home", folder / "own"
    lines = {
        place: "\n".join(f"{kind} = {secret}" for kind, secret in found.items()) for place, found in planted.items()
    }
    for name in (".netrc", ".aws/credentials", ".config/wandb/settings", ".gitconfig.more"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        text = "".join(f"machine {kind} login me password {s}\n" for kind, s in planted[PLACES[6]].items())
        (home / name).write_text(text if name == ".netrc" else f"[default]\n{lines[PLACES[6]]}\n")
    paths = [secret.replace("/", "") for secret in planted[PLACES[5]].values()]
    # SQLite opens no path of more than 500 letters.
    workspace, here = folder / "_".join(paths[:6]), folder / "_".join(paths[6:12])
    dailies = folder.joinpath(*("_".join(paths[index : index + 7]) for index in range(12, 40, 7)))
    takes = [secret.replace("/", "") for secret in planted[PLACES[7]].values()]
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from productions import panning_shot, write_shot

    for index in range(8):
        name = re.sub(r"[^A-Za-z0-9]", "-", "_".join(takes[index * 5 : index * 5 + 5]))
        write_shot(dailies / f"{index}_{name}.mov", panning_shot(index))
    here.mkdir()
    config = "".join(
        f'[remote "{kind}"]\n\turl = https://u:{s}@h/x\n[user]\n\tname = {s}\n\temail = {s}\n'
        for kind, s in planted[PLACES[4]].items()
    )
    subprocess.run(["git", "init", "-q", "-b", next(iter(planted[PLACES[4]].values())), str(here)], check=True)
    with (here / ".git" / "config").open("a") as stream:
        stream.write(config)
    (own / "production").mkdir(parents=True)
    patterns = planted[PLACES[3]].values()
    (own / "production" / "planted.yaml").write_text(
        "".join(f"# {line}\n" for line in lines[PLACES[2]].splitlines())
        + f"defaults: [default, _self_]\nname: planted\nworkspace: '{workspace}'\nslate_patterns: []\n"
        + "split:\n  explicit:\n"
        + "".join(f"    '*{secret}*': test\n" for secret in patterns)
        + "    '[0-3]_*': train\n    '[45]_*': val\n    '*': test\n"
    )
    arguments = [
        f"--config-dir={own}",
        "production=planted",
        f"hydra.job.name='{'_'.join(planted[PLACES[1]].values())}'",
    ]
    environment = {
        **os.environ, **planted[PLACES[0]], "HOME": str(home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
        "WANDB_NOTES": planted[PLACES[0]]["PASSWORD"], "WANDB_TAGS": planted[PLACES[0]]["JWT"],
        "WANDB_HOST": planted[PLACES[0]]["HOST_NAME"], "WANDB_USERNAME": planted[PLACES[0]]["USER_NAME"],
        "USER": planted[PLACES[0]]["USER_NAME"], "LOGNAME": planted[PLACES[0]]["USER_NAME"],
    }  # fmt: skip
    environment.pop("WANDB_MODE", None)
    run = [f"source='{dailies}'", "progress=false"]
    command = [sys.executable, "-m", "interpositive.cli.main"]
    subprocess.run(
        [*command, "ingest", *arguments, *run], cwd=here, env=environment, check=True, stdout=subprocess.DEVNULL
    )
    return [*command, "train", *arguments, *TRAINING.split(), f"run_folder={folder / 'run'}"], environment, here


def outside_addresses(trace: str) -> set[str]:
    """Addresses that are neither of this machine nor of a socket in its file system."""
    found = re.findall(r'inet_addr\("([\d.]+)"\)|inet_pton\(AF_INET6, "([^"]+)"', trace)
    addresses = {four or six for four, six in found}
    return {each for each in addresses if not each.startswith(("127.", "0.0.0.0")) and each not in ("::1", "::")}


def held(paths: list[Path], planted: Planted) -> dict[str, set[str]]:
    """Of every place, the kinds of its secrets that any of the files hold."""
    content = b"\n".join(path.read_bytes() for path in paths)
    return {place: {kind for kind, s in found.items() if mark(s) in content} for place, found in planted.items()}


def main() -> int:
    """Furnish, train, search, and judge."""
    planted = plant()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        command, environment, here = furnish(folder, planted)
        trace, printed = folder / "trace", folder / "printed"
        strace = shutil.which("strace")
        watched = [strace, "-f", "-q", "-e", "trace=connect,sendto", "-o", str(trace)] if strace else []
        with printed.open("wb") as stream:
            done = subprocess.run(
                [*watched, *command],
                cwd=here,
                env=environment,
                stdout=stream,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            print(printed.read_text()[-3000:])
            return 1
        files = [path for path in (folder / "run").rglob("*") if path.is_file() and not path.is_symlink()]
        of_wandb = [path for path in files if (folder / "run" / "wandb") in path.parents]
        in_wandb, in_run = held(of_wandb, planted), held([p for p in files if p not in of_wandb], planted)
        in_print = held([printed], planted)
        addresses = outside_addresses(trace.read_text()) if strace else set()
        left = [str(path.relative_to(folder)) for path in (folder / "home").rglob("*") if "cache" in str(path)]
    others = len(files) - len(of_wandb)
    print(f"{platform.machine()} {platform.system()}, {len(of_wandb)} files of W&B, {others} of the run")
    print(f"{'place of 40 secrets':<38}{'in W&B':>8}{'in the run':>12}{'printed':>9}")
    for place in PLACES:
        print(f"{place:<38}{len(in_wandb[place]):>8}{len(in_run[place]):>12}{len(in_print[place]):>9}")
    print(f"addresses outside of this machine: {sorted(addresses) if strace else 'not looked at: no strace'}")
    print(f"written into the home: {left or 'nothing'}")
    told = {PLACES[7]}
    configured = {PLACES[3], PLACES[5], PLACES[7]}
    leaks = [
        place
        for place in PLACES
        if (in_wandb[place] and place not in told) or (in_run[place] and place not in configured)
    ]
    if leaks or addresses:
        print(f"leaked: {leaks} {[(p, sorted(in_wandb[p] | in_run[p])[:5]) for p in leaks]}")
    return int(bool(leaks or addresses))


if __name__ == "__main__":
    raise SystemExit(main())
