"""What may a disk hold after a power cut? A log of what was asked of it, and the folders that the log allows.

The disk is a bad one within POSIX: what is in a file is there for sure only when the file was forced to disk (fsync),
a name only when its folder was, and of all that was not, any part may have arrived, in any order.
"""

from __future__ import annotations

import itertools
import os
import random
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

Kind = Literal["make", "create", "write", "sync", "rename", "remove"]


@dataclass(frozen=True)
class Event:
    """One thing asked of the disk; paths from the root of the log."""

    kind: Kind
    path: str
    to: str = ""
    content: bytes = b""


@dataclass
class Tree:
    """Files with their bytes by path, and folders that may be empty."""

    files: dict[str, bytes]
    folders: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, root: Path, place: str = "") -> Tree:
        """All below ``root``, as if it were at ``place``."""
        paths = {f"{place}/{path.relative_to(root)}".strip("/"): path for path in sorted(root.rglob("*"))}
        return cls(
            {name: path.read_bytes() for name, path in paths.items() if path.is_file()},
            {name for name, path in paths.items() if path.is_dir()},
        )


def write_tree(root: Path, tree: Tree) -> None:
    """Make the folder that a tree describes."""
    root.mkdir()
    for folder in sorted(tree.folders):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name, content in tree.files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


class DiskLog:
    """Inside the ``with``, all that Python asks of the disk below ``root`` becomes events, in order.

    Names come from the interpreter's own audit, so that none is missed; writes and syncs from what is called for
    them, and at the end the log must give the very folder that is there.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.events: list[Event] = []
        self._listening = False
        self._before = Tree.read(root)
        self._fsync, self._open = os.fsync, Path.open
        sys.addaudithook(self._hear)

    def __enter__(self) -> Self:
        def fsync(handle: int) -> None:
            self._fsync(handle)
            self._add("sync", f"/proc/self/fd/{handle}")

        def opened(path: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            stream = self._open(path, mode, *args, **kwargs)
            if "r" not in mode and self._below(path) is not None:
                write = stream.write
                stream = _Told(stream, lambda content: (write(content), self._add("write", path, bytes(content)))[0])
            return stream

        os.fsync, Path.open = fsync, opened  # type: ignore[assignment,method-assign]
        self._listening = True
        return self

    def __exit__(self, *error: object) -> None:
        self._listening = False
        os.fsync, Path.open = self._fsync, self._open  # type: ignore[method-assign]
        self.events = list(_few_writes(self.events))
        if error[0] is None:
            disk = Disk(self._before, self.events)
            assert disk.tree(disk.all_arrived()) == Tree.read(self.root), "the log tells all that happened"

    def index_of_publishing(self, name: str) -> int:
        """The event that forced the folder's final name to disk."""
        renamed = next(i for i, event in enumerate(self.events) if Path(event.to).name == name)
        parent = str(Path(self.events[renamed].to).parent)
        return next(i for i, e in enumerate(self.events) if i > renamed and e.kind == "sync" and e.path == parent)

    def _below(self, path: Any, folder: int | None = None) -> str | None:
        path = os.fsdecode(path)
        if folder not in (None, -1):
            path = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), path)
        path = os.readlink(path) if path.startswith("/proc/self/fd/") else os.path.abspath(path)
        inside = path == str(self.root) or path.startswith(f"{self.root}/")
        return os.path.relpath(path, self.root).removeprefix(".") if inside else None

    def _add(self, kind: Kind, path: Any, content: bytes = b"") -> None:
        if (name := self._below(path)) is not None:
            self.events.append(Event(kind, name, content=content))

    def _hear(self, event: str, given: tuple[Any, ...]) -> None:
        if not self._listening:
            return
        if event == "open" and isinstance(given[0], str | bytes | os.PathLike):
            if given[2] & os.O_CREAT and (name := self._below(given[0])) is not None:
                self.events.append(Event("create", name))
        elif event == "os.mkdir" and (name := self._below(given[0], given[2])) is not None:
            self.events.append(Event("make", name))
        elif event in ("os.remove", "os.rmdir") and (name := self._below(given[0], given[1])) is not None:
            self.events.append(Event("remove", name))
        elif event == "os.rename" and (name := self._below(given[0], given[2])) is not None:
            self.events.append(Event("rename", name, self._below(given[1], given[3]) or ""))


def _few_writes(events: list[Event]) -> Iterator[Event]:
    """Hundreds of writes in a row to one file become four: a cut between any two others is one that tears a write."""
    for (kind, path), group in itertools.groupby(events, lambda event: (event.kind, event.path)):
        run = list(group)
        if kind != "write":
            yield from run
            continue
        content = b"".join(event.content for event in run)
        quarter = -(-len(content) // 4)
        for start in range(0, len(content), quarter):
            yield Event("write", path, content=content[start : start + quarter])


class _Told:
    """A stream whose writes are told."""

    def __init__(self, stream: Any, write: Any) -> None:
        self._stream, self.write = stream, write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()


@dataclass(eq=False)
class Node:
    """A file or folder, whatever names lead to it: what is on disk for sure, and what may be."""

    is_folder: bool
    names: dict[str, Node] = field(default_factory=dict)
    changes: list[dict[str, Node | None]] = field(default_factory=list)
    synced: bytes = b""
    content: bytes = b""

    def now(self) -> dict[str, Node]:
        """The names as a running system sees them."""
        return _changed(self.names, self.changes)


Arrived = dict[Node, Any]


class Disk:
    """A tree, and events after it: what of them is on disk, and what is under way.

    For a folder under way, ``Arrived`` has which of its changes arrived; for a file, the bytes that did.
    """

    def __init__(self, before: Tree, events: list[Event]) -> None:
        self.root = Node(True)
        for name in sorted(before.folders | {str(Path(name).parent) for name in before.files} - {"."}):
            folder = self.root
            for part in Path(name).parts:
                folder = folder.names.setdefault(part, Node(True))
        for name, content in before.files.items():
            self._find(str(Path(name).parent)).names[Path(name).name] = Node(False, synced=content, content=content)
        self.nodes: list[Node] = []
        for event in events:
            getattr(self, f"_{event.kind}")(event)
        self._collect(self.root)

    def _find(self, path: str) -> Node:
        node = self.root
        for part in Path(path).parts:
            node = node.now()[part]
        return node

    def _change(self, path: str, node: Node | None, **more: Node | None) -> None:
        self._find(str(Path(path).parent)).changes.append({**more, Path(path).name: node})

    def _is_there(self, path: str) -> bool:
        return Path(path).name in self._find(str(Path(path).parent)).now()

    def _make(self, event: Event) -> None:
        # The audit hears of what is tried: a folder is not made twice, nor in one that is still to be made.
        with suppress(KeyError):
            if not self._is_there(event.path):
                self._change(event.path, Node(True))

    def _create(self, event: Event) -> None:
        if not self._is_there(event.path):
            self._change(event.path, Node(False))

    def _write(self, event: Event) -> None:
        self._find(event.path).content += event.content

    def _sync(self, event: Event) -> None:
        node = self._find(event.path)
        node.names, node.changes, node.synced = node.now(), [], node.content

    def _remove(self, event: Event) -> None:
        # Nor removed while it holds something.
        if self._is_there(event.path) and not self._find(event.path).now():
            self._change(event.path, None)

    def _rename(self, event: Event) -> None:
        assert Path(event.path).parent == Path(event.to).parent, "one folder, one change"
        self._change(event.to, self._find(event.path), **{Path(event.path).name: None})

    def _collect(self, node: Node) -> None:
        """All nodes that any name may lead to, with something under way."""
        if node in self.nodes:
            return
        if node.changes or node.content != node.synced:
            self.nodes.append(node)
        for child in [*node.names.values(), *(c for change in node.changes for c in change.values())]:
            if child is not None:
                self._collect(child)

    def all_arrived(self) -> Arrived:
        """As if everything had been forced to disk."""
        return {node: node.changes if node.is_folder else node.content for node in self.nodes}

    def choices(self, node: Node) -> list[Any]:
        """What may have arrived of what is under way in a node."""
        if node.is_folder:
            some = itertools.product((False, True), repeat=len(node.changes))
            return [list(itertools.compress(node.changes, chosen)) for chosen in some]
        kept, new = node.synced, node.content[len(node.synced) :]
        return [kept, kept + new, kept + new[: len(new) // 2], kept + bytes(len(new))]

    def tree(self, arrived: Arrived) -> Tree:
        """The folder that is found when this arrived."""
        tree = Tree({})
        self._walk(self.root, "", arrived, tree)
        return tree

    def _walk(self, node: Node, place: str, arrived: Arrived, tree: Tree) -> None:
        for name, child in _changed(node.names, arrived.get(node, [])).items():
            path = f"{place}/{name}".strip("/")
            if child.is_folder:
                tree.folders.add(path)
                self._walk(child, path, arrived, tree)
            else:
                tree.files[path] = arrived.get(child, child.synced)


def _changed(names: dict[str, Node], changes: list[dict[str, Node | None]]) -> dict[str, Node]:
    result = dict(names)
    for change in changes:
        for name, node in change.items():
            if node is None:
                result.pop(name, None)
            else:
                result[name] = node
    return result


def states_after(before: Tree, events: list[Event], at_most: int, chance: random.Random) -> Iterator[Tree]:
    """The different folders that a power cut after these events may leave: all, or ``at_most`` drawn of them."""
    disk = Disk(before, events)
    options = [disk.choices(node) for node in disk.nodes]
    num = 1
    for option in options:
        num *= len(option)
    if num <= at_most:
        combinations: Any = itertools.product(*options)
    else:
        combinations = ([chance.choice(option) for option in options] for _ in range(at_most))
    seen = set()
    for combination in combinations:
        tree = disk.tree(dict(zip(disk.nodes, combination, strict=True)))
        key = (tuple(sorted(tree.files.items())), tuple(sorted(tree.folders)))
        if key not in seen:
            seen.add(key)
            yield tree
