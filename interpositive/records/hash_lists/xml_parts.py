"""XML of strangers, read part by part: no document type, no entities, no network, bounded in size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from interpositive.errors import IntegrityError

MAX_LIST_BYTES = 256 << 20


def open_part(path: Path, limit: int = MAX_LIST_BYTES) -> Any:
    """Open a hash list for reading bytes; ``IntegrityError`` for a link, no regular file, or one beyond ``limit``."""
    if path.is_symlink() or not path.is_file():
        raise IntegrityError(f"{path.name} is no regular file", expected="a hash list, not a link or a folder")
    num_bytes = path.stat().st_size
    if num_bytes > limit:
        raise IntegrityError(
            f"{path.name} is too large for a hash list", found=f"{num_bytes} bytes", expected=f"at most {limit} bytes"
        )
    return path.open("rb")


def iterate_parts(path: Path, root: str, wanted: set[str]) -> Iterator[Any]:
    """Yield the elements with a ``wanted`` tag, each complete, from an XML file whose root has the tag ``root``.

    Tags are as lxml writes them, ``{namespace}name``. Elements are emptied after use, so memory does
    not grow with the file. ``IntegrityError`` for a document type, another root, or damaged XML.
    """
    with open_part(path) as stream:
        try:
            events = etree.iterparse(
                stream,
                events=("start", "end"),
                resolve_entities=False,
                no_network=True,
                load_dtd=False,
                huge_tree=False,
                remove_comments=True,
                remove_pis=True,
            )
            _, top = next(events)
            if top.getroottree().docinfo.doctype:
                raise IntegrityError(f"{path.name} declares a document type", expected="a hash list without one")
            if top.tag != root:
                raise IntegrityError(f"{path.name} is no such hash list", found=str(top.tag)[:200], expected=root)
            yield top
            for event, element in events:
                if event == "end" and element.tag in wanted:
                    yield element
                    element.clear()
                    while element.getprevious() is not None:
                        del element.getparent()[0]
        except etree.XMLSyntaxError as error:
            raise IntegrityError(f"{path.name} is damaged", found=str(error)[:200], expected="whole XML") from None


def text_of(element: Any) -> str:
    """An element's text without the blanks around it; empty where there is none."""
    return (element.text or "").strip()
