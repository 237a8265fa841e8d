"""How results are coloured: class breaks fixed for the whole city, so that zones and years compare."""

from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from pipeline.errors import ConfigError
from pipeline.frozen import Frozen
from pipeline.mapping.cover_classes import OPEN_WATER, SCHEMES
from pipeline.variables import VARIABLES
from pipeline.yaml_file import read_yaml
from pipeline.zones.zone import ECOSYSTEMS_ZH

SHIPPED = Path(__file__).with_name("styles.yaml")

PALE = 0.72
"""Share of white in the colour of a change that is not distinguishable from zero."""

PALE_ZH = "浅色：像元变化不显著"
WATER_ZH = "蓝色：半数以上年份为开阔水面"


def rgb(color: str) -> tuple[int, int, int]:
    """Red, green and blue (0-255) of a colour such as #1b7837."""
    return tuple(bytes.fromhex(color[1:]))


SINK_KEYS = ("loss", "unclear", "gain", "not_compared", "no_data")
COVER_KEYS = {name: (*(entry.key for entry in classes), OPEN_WATER.key, "no_data") for name, classes in SCHEMES.items()}
"""The classes of sink and, by scheme, of cover; the YAML defines their names, stored values and colours."""

CLASS_KEYS = {
    "sink_class": SINK_KEYS,
    "cover_class": COVER_KEYS["sl190"],
    **{f"cover_class_{name}": keys for name, keys in COVER_KEYS.items() if name != "sl190"},
}
"""The keys of each list of classes in the YAML."""

Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class RampStyle(Frozen):
    """Classes of a continuous variable: ``colors[i]`` for breaks[i-1] <= x < breaks[i], open at both ends.

    Labels show the value times ``factor`` with ``unit_zh``, such as 0.3 x 100 %; for ``counts``, which are whole
    numbers, they give the first and the last number of a class.
    """

    breaks: Annotated[tuple[float, ...], Field(min_length=1)]
    colors: tuple[Colour, ...]
    factor: float = 1
    decimals: int = 2
    unit_zh: str
    counts: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.colors) != len(self.breaks) + 1:
            raise ValueError(f"{len(self.breaks)} breaks make {len(self.breaks) + 1} classes, not {len(self.colors)}")
        if any(low >= high for low, high in pairwise(self.breaks)):
            raise ValueError("the breaks must ascend")
        return self

    @cached_property
    def limits(self) -> tuple[str, ...]:
        """The breaks as a legend prints them, without the unit."""
        return tuple(f"{value * self.factor:.{self.decimals}f}".replace("-", "−") for value in self.breaks)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The text of each class in the legend, without the unit."""
        shown = self.limits
        if self.counts:
            lasts = [f"{value - 1:.0f}" for value in self.breaks]
            between = [low if low == last else f"{low} – {last}" for low, last in zip(shown, lasts[1:], strict=False)]
            return (f"≤ {lasts[0]}" if lasts[0] != "0" else "0", *between, f"≥ {shown[-1]}")
        between = [f"{low} – {high}" for low, high in pairwise(shown)]
        return (f"< {shown[0]}", *between, f"≥ {shown[-1]}")

    def classify(self, values: np.ndarray) -> np.ndarray:
        """Class number of each value, any shape; a break belongs to the class above it."""
        return np.searchsorted(self.breaks, values, side="right")


class ClassStyle(Frozen):
    """One class of a class raster or of the patches: its stored ``value``, names and colour."""

    key: str
    value: Annotated[int, Field(ge=1, le=254)]
    zh: str
    en: str
    color: Colour


class Styles(Frozen):
    """The styles of a city: ramps by variable, class lists by class variable, colours of the ecosystems."""

    ramps: dict[str, RampStyle]
    classes: dict[str, tuple[ClassStyle, ...]]
    ecosystems: dict[str, ClassStyle]

    @model_validator(mode="after")
    def _known(self) -> Self:
        continuous = VARIABLES.keys() - CLASS_KEYS.keys()
        if missing := (continuous - self.ramps.keys()) | (VARIABLES.keys() - continuous - self.classes.keys()):
            raise ValueError(f"no style for {', '.join(sorted(missing))}")
        sinks = self.ramps["sink"].breaks
        if not sinks[0] <= 0 <= sinks[-1]:
            raise ValueError("sink needs a break at zero, or one on either side of it: they tell losses from gains")
        if self.ecosystems.keys() != ECOSYSTEMS_ZH.keys():
            raise ValueError(f"the ecosystems must be {', '.join(ECOSYSTEMS_ZH)}")
        for name, keys in CLASS_KEYS.items():
            classes = self.classes.get(name, ())
            if classes and sorted(style.key for style in classes) != sorted(keys):
                raise ValueError(f"the classes of {name} must be {', '.join(keys)}, each once")
            if len({style.value for style in classes}) < len(classes):
                raise ValueError(f"two classes of {name} have one value; give each its own")
        return self

    def with_cover_scheme(self, scheme: str) -> Self:
        """The styles of a run whose cover falls into the classes of ``scheme``. Raises ConfigError where they have no
        colours."""
        if scheme == "sl190":
            return self
        ramp, classes = f"fvc_{scheme}", f"cover_class_{scheme}"
        if ramp not in self.ramps or classes not in self.classes:
            raise ConfigError(
                f"styles: cover_classes is {scheme}, which has no ramp {ramp} or no classes {classes}; copy them from "
                f"{SHIPPED}"
            )
        return self.model_copy(
            update={
                "ramps": self.ramps | {"fvc": self.ramps[ramp]},
                "classes": self.classes | {"cover_class": self.classes[classes]},
            }
        )

    def class_of(self, variable: str, key: str) -> ClassStyle:
        """The class ``key`` of a class variable. Raises KeyError."""
        return {style.key: style for style in self.classes[variable]}[key]


def read_styles(path: Path | None = None) -> Styles:
    """The styles of a YAML file, or the shipped ones. Raises ConfigError."""
    return read_yaml(path or SHIPPED, Styles)
