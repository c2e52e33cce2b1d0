"""What the production says of its takes' colour encodings, where their files do not say it or say it wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from interpositive.dailies.take import Take
from interpositive.media.encodings import find_encoding

NAMED = "named"


@dataclass(frozen=True)
class EncodingRules:
    """Encodings by a pattern on the take's name, ``scene/take``, reel or path; the first that matches counts.

    The production's word overrules a file's tags: cameras that record log often tag it as BT.709.
    ``ColourError`` for an encoding that is not known.
    """

    named: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for encoding in self.named.values():
            find_encoding(encoding)

    def name(self, take: Take) -> Take:
        """The take with the encoding that the production names for it; else as it is."""
        words = (take.name, take.slate.setup, take.reel or "", take.path)
        for pattern, encoding in self.named.items():
            if any(fnmatchcase(word, pattern) for word in words):
                return take.model_copy(update={"encoding": find_encoding(encoding).name, "encoding_source": NAMED})
        return take
