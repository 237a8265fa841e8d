"""Which management a patch suggests: a table of ecosystem x sink class x cover class, for staff to change."""

from itertools import product
from pathlib import Path
from typing import Self

from pydantic import model_validator

from pipeline.frozen import Frozen
from pipeline.mapping.styles import COVER_KEYS, SINK_KEYS, ClassStyle
from pipeline.yaml_file import read_yaml
from pipeline.zones.zone import ECOSYSTEMS_ZH

SHIPPED = Path(__file__).with_name("suggestions.yaml")

ECOSYSTEMS = tuple(ECOSYSTEMS_ZH)
COVERS = tuple(dict.fromkeys(key for keys in COVER_KEYS.values() for key in keys))
"""The cover classes of all schemes."""


class Rule(Frozen):
    """A suggestion for the patches whose parts are all listed; a part left out fits all. ``stratum`` are keys of
    vegetation types."""

    ecosystem: tuple[str, ...] = ECOSYSTEMS
    stratum: tuple[str, ...] | None = None
    sink: tuple[str, ...] = SINK_KEYS
    cover: tuple[str, ...] = COVERS
    suggestion: str

    @model_validator(mode="after")
    def _known(self) -> Self:
        known = (("ecosystem", ECOSYSTEMS), ("sink", SINK_KEYS), ("cover", COVERS))
        for part, words in known:
            if wrong := [word for word in getattr(self, part) if word not in words]:
                raise ValueError(f"{part} has no {wrong[0]!r}; it is one of {', '.join(words)}")
        return self


class Suggestions(Frozen):
    """Suggestion ``classes`` with names and colours, and the ``rules`` that choose among them: the first that fits."""

    classes: tuple[ClassStyle, ...]
    rules: tuple[Rule, ...]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        known = {style.key for style in self.classes}
        if wrong := [rule.suggestion for rule in self.rules if rule.suggestion not in known]:
            raise ValueError(f"a rule suggests {wrong[0]!r}, which is not among the classes")
        for parts in product(ECOSYSTEMS, SINK_KEYS, COVERS):
            if not any(_fits(rule, *parts) for rule in self.rules):
                raise ValueError(f"no rule fits {' x '.join(parts)}; add one")
        return self

    def suggest(self, ecosystem: str, sink: str, cover: str, stratum: str | None = None) -> ClassStyle:
        """The suggestion class of a patch."""
        key = next(rule.suggestion for rule in self.rules if _fits(rule, ecosystem, sink, cover, stratum))
        return next(style for style in self.classes if style.key == key)


def _fits(rule: Rule, ecosystem: str, sink: str, cover: str, stratum: str | None = None) -> bool:
    of_stratum = rule.stratum is None or stratum in rule.stratum
    return of_stratum and ecosystem in rule.ecosystem and sink in rule.sink and cover in rule.cover


def read_suggestions(path: Path | None = None) -> Suggestions:
    """The suggestions of a YAML file, or the shipped ones. Raises ConfigError."""
    return read_yaml(path or SHIPPED, Suggestions)
