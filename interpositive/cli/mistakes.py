"""How a verb ends when something is wrong: one message and the right exit code; a traceback means a defect of ours."""

from __future__ import annotations

import difflib
import errno
import os
import re
import sys
import threading
from _thread import interrupt_main
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from interpositive.errors import ConfigError, InterpositiveError
from interpositive.records.publishing import storage_error

EXIT_INTERRUPTED = 130
_AGAIN_SECONDS = 0.05
_DISK_REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG}
_NAMED_KEY = re.compile(r"(?:Could not override|Key|Could not delete from config\.) '([^']+)'")


@contextmanager
def reported(verb: str, config_folder: Path) -> Iterator[None]:
    """End what goes wrong inside as ``SystemExit`` with the message printed; other exceptions pass through."""
    try:
        with _no_interrupt_lost():
            yield
    except (HydraException, OmegaConfBaseException) as error:
        raise _ended(verb, as_config_error(error, verb, config_folder)) from None
    except YAMLError as error:
        mistake = ConfigError("this is no YAML", found=" ".join(str(error).split()), expected="keys and values")
        raise _ended(verb, mistake) from None
    except KeyboardInterrupt:
        print(f"interpositive {verb}: stopped", file=sys.stderr)
        raise SystemExit(EXIT_INTERRUPTED) from None
    except BrokenPipeError:
        # Whoever read what was printed has gone (``| head``); the interpreter's own last flush must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except Exception as error:
        found = as_mistake(error)
        if found is None:
            raise
        raise _ended(verb, found) from None


@contextmanager
def _no_interrupt_lost() -> Iterator[None]:
    """Ctrl-C that comes where no exception can leave, as in a finaliser, is told and forgotten: have it come again."""
    tell = sys.unraisablehook

    def tell_or_again(unraised: sys.UnraisableHookArgs) -> None:
        if issubclass(unraised.exc_type, KeyboardInterrupt):
            # From here it could not leave either.
            again = threading.Timer(_AGAIN_SECONDS, interrupt_main)
            again.daemon = True
            again.start()
        else:
            tell(unraised)

    sys.unraisablehook = tell_or_again
    try:
        yield
    finally:
        sys.unraisablehook = tell


def as_mistake(error: Exception) -> InterpositiveError | None:
    """What is wrong in the user's words; None for what no user can mend."""
    if isinstance(error, InterpositiveError):
        return _unwrapped(error)
    if isinstance(error, OSError) and error.errno in _DISK_REFUSALS:
        return storage_error(error, Path(error.filename or "."))
    # Lightning is not imported for it: where it was not loaded it cannot have complained.
    lightning = sys.modules.get("lightning_fabric.utilities.exceptions")
    if lightning is not None and isinstance(error, lightning.MisconfigurationException):
        return ConfigError("these settings cannot be trained with on this machine", found=str(error))
    return None


def _ended(verb: str, error: InterpositiveError) -> SystemExit:
    print(f"interpositive {verb}: {error}", file=sys.stderr)
    return SystemExit(error.exit_code)


def _unwrapped(error: InterpositiveError) -> InterpositiveError:
    """torch brings a worker's exception home as a new one whose text is its traceback; the message is at the end."""
    kind = f"{type(error).__module__}.{type(error).__qualname__}: "
    if "Original Traceback" not in error.what or kind not in error.what:
        return error
    return type(error)(error.what.rsplit(kind, 1)[1].strip())


def refuse_missing(config: DictConfig, verb: str) -> None:
    """Raise ``ConfigError`` for values that must be given and were not."""
    plain = OmegaConf.to_container(config, resolve=False)
    missing = sorted(key for key, value in _dotted(plain) if value == "???")
    if missing:
        raise ConfigError(
            f"{verb} needs to be told {' and '.join(missing)}",
            found="nothing",
            expected=" ".join(f"{key}=<value>" for key in missing),
            remedy=f"interpositive {verb} --help lists all keys",
        )


def as_config_error(error: Exception, verb: str, config_folder: Path) -> ConfigError:
    """What Hydra or OmegaConf could not compose, in one message with the nearest key or name that exists."""
    if isinstance(error, MissingConfigException):
        return _unknown_choice(error)
    text = str(error) if str(error) != "None" else ""
    cause = str(error.__cause__ or "")
    named = _NAMED_KEY.search(text) or _NAMED_KEY.search(cause)
    lines = [line.strip() for line in (text or cause).splitlines() if line.strip()]
    if named is None:
        what, *rest = lines or [type(error).__name__]
        return ConfigError(
            f"the configuration cannot be composed: {what}",
            found="; ".join(rest[:3]) or None,
            remedy=f"interpositive {verb} --help lists all keys",
        )
    key = named.group(1).split("@")[0]
    known = known_keys(verb, config_folder)
    if key in known:
        return ConfigError(
            f"{key} does not have this entry yet",
            found="; ".join(lines[:2]),
            expected="a plus before entries that are added to it",
            remedy=f"'+{key}={{name: value}}' on the command line, or {key} in a YAML of your own",
        )
    return ConfigError(
        f"{verb} has no key {key!r}",
        found=key,
        expected="a key of this verb",
        remedy=f"did you mean {near}?" if (near := nearest(key, known)) else f"interpositive {verb} --help lists them",
    )


def _unknown_choice(error: MissingConfigException) -> ConfigError:
    wanted = str(error.missing_cfg_file or "")
    group, _, name = wanted.rpartition("/")
    options = list(error.options or [])
    near = difflib.get_close_matches(name, options, 1)
    if not group:
        return ConfigError("the configuration cannot be composed", found=str(error).splitlines()[0])
    return ConfigError(
        f"there is no {group} named {name}",
        found=f"{group}={name}",
        expected=", ".join(options) or f"a YAML in the folder {group}/",
        remedy=f"did you mean {near[0]}?"
        if near
        else f"write {group}/{name}.yaml and name its folder's parent with --config-dir",
    )


def known_keys(verb: str, config_folder: Path) -> list[str]:
    """Every key of a verb in dots, and every group of choices."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_folder), version_base="1.3"):
        plain = OmegaConf.to_container(compose(verb), resolve=False)
    groups = [folder.name for folder in config_folder.iterdir() if folder.is_dir()]
    return sorted({*groups, *(key for key, _ in _dotted(plain))})


def _dotted(node: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield f"{prefix}{key}", value
            yield from _dotted(value, f"{prefix}{key}.")


def nearest(key: str, known: list[str]) -> str | None:
    """The known key most like this one, as a whole or in its last part."""
    whole = difflib.get_close_matches(key, known, 1, 0.75)
    if whole:
        return whole[0]
    last = key.rpartition(".")[2]
    tails = {name.rpartition(".")[2]: name for name in reversed(known)}
    near = difflib.get_close_matches(last, tails, 1, 0.7)
    return tails[near[0]] if near else None
