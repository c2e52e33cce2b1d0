"""What ``${…}`` may say in a configuration: other keys, the time, and harmless facts about the job; nothing else.

OmegaConf's own resolvers read environment variables, decode text into configuration and build nodes; a value so
obtained would be written into the run folder, and into W&B. They are closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from omegaconf import DictConfig, ListConfig, OmegaConf, grammar_parser
from omegaconf.base import Container, Node
from omegaconf.basecontainer import BaseContainer
from omegaconf.errors import InterpolationResolutionError
from omegaconf.grammar.gen.OmegaConfGrammarParser import OmegaConfGrammarParser as Grammar

from interpositive.errors import ConfigError

OPEN_RESOLVERS = ("now", "hydra")
_JOB_FACTS = ("job.name", "job.num", "job.id", "job.config_name", "job.override_dirname")
_CHOICES = "runtime.choices."
_MOST_CHARACTERS, _MOST_REFERENCES, _MOST_VALUES = 2_000, 16, 200_000
_EXPECTED = "another key of this configuration, ${now:…}, or ${hydra:…} with " + ", ".join(
    (*_JOB_FACTS, _CHOICES + "…")
)


def resolved(config: DictConfig) -> dict[str, Any]:
    """A whole configuration as plain values; ``ConfigError`` naming the key of any interpolation that is closed."""
    refuse_closed_interpolations(OmegaConf.to_container(config, resolve=False))
    with bounded_interpolation():
        plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def refuse_closed_interpolations(node: object, where: str = "", file: str = "") -> None:
    """Raise ``ConfigError`` naming the first key whose text asks for more than it may; nothing is resolved."""
    if isinstance(node, dict):
        for key, value in node.items():
            place = f"{where}.{key}" if where else str(key)
            if "${" in str(key):
                raise ConfigError(f"{place} is no name of a key", found=key, expected="a name without references")
            refuse_closed_interpolations(value, place, file)
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            refuse_closed_interpolations(value, f"{where}[{index}]", file)
    elif isinstance(node, str) and "${" in node:
        _look(node, f"{where} in {file}" if file else where)


def _look(text: str, where: str) -> None:
    if len(text) > _MOST_CHARACTERS or text.count("${") > _MOST_REFERENCES:
        raise ConfigError(
            f"{where} refers to too much at once",
            found=f"{len(text)} characters, {text.count('${')} references",
            expected=f"at most {_MOST_CHARACTERS} characters and {_MOST_REFERENCES} references",
        )
    for resolver in _resolvers(grammar_parser.parse(text)):
        name, argument = resolver.getChild(1).getText(), resolver.getText().partition(":")[2].removesuffix("}")
        is_fact = argument in _JOB_FACTS or (argument.startswith(_CHOICES) and argument[len(_CHOICES) :].isidentifier())
        if "${" in argument or not (name == "now" or (name == "hydra" and is_fact)):
            raise ConfigError(
                f"{where} asks for what a configuration may not", found=resolver.getText(), expected=_EXPECTED
            )


def _resolvers(tree: Any) -> Iterator[Any]:
    if isinstance(tree, Grammar.InterpolationResolverContext):
        yield tree
    for index in range(tree.getChildCount()):
        yield from _resolvers(tree.getChild(index))


class Growth:
    """How much one configuration has grown by its references; ``InterpolationResolutionError`` beyond all reason."""

    def __init__(self) -> None:
        self.values = 0

    def restart(self) -> None:
        """Another configuration begins."""
        self.values = 0

    def add(self, found: object) -> None:
        """A reference stood for this."""
        self.values += 1
        if isinstance(found, Node):
            self._add_nodes(found)
        elif isinstance(found, str):
            self.values += len(found) // 10
        if self.values > _MOST_VALUES:
            raise InterpolationResolutionError("its references stand for more values than a configuration can have")

    def _add_nodes(self, node: Node) -> None:
        content = node._content if isinstance(node, DictConfig | ListConfig) else None
        inside = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
        self.values += len(inside)
        for part in inside if self.values <= _MOST_VALUES else ():
            self._add_nodes(part)


@contextmanager
def bounded_interpolation() -> Iterator[Growth]:
    """Inside, closed resolvers are not there at all, and references cannot make one configuration grow without end.

    The second line of defence, for what is resolved before :func:`refuse_closed_interpolations` has seen it.
    """
    resolve, growth = Container.resolve_parse_tree, Growth()

    def counted(container: Container, parse_tree: Any, node: Node, memo: Any = None, key: Any = None) -> Any:
        found = resolve(container, parse_tree, node, memo, key)
        growth.add(found)
        return found

    with (
        mock.patch.object(Container, "resolve_parse_tree", counted),
        mock.patch.dict(BaseContainer._resolvers),
    ):
        close_resolvers()
        yield growth


def close_resolvers() -> None:
    """Forget all resolvers but the open ones; Hydra registers its own whenever it starts."""
    for name in [name for name in BaseContainer._resolvers if name not in OPEN_RESOLVERS]:
        OmegaConf.clear_resolver(name)
