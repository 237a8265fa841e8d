"""How the polygons of a layer are drawn and labelled: rules, a label, Chinese names of the columns. Pure.

A style is a value that `qml` writes for QGIS and `sld` for any other GIS.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

from pipeline.mapping.patches import PATCH_COLUMNS
from pipeline.mapping.styles import ClassStyle, Styles, rgb
from pipeline.totals.zone_totals import COLUMNS

ZONE_COLUMNS = {name: titles for name, titles in COLUMNS.items() if name != "level"}
"""Columns of the zones: English and Chinese title."""

INK, PAPER = "#333333", "#ffffff"


@dataclass(frozen=True)
class Condition:
    """A comparison of a column: ``operator`` is one of = >= < with a value, or null without."""

    column: str
    operator: str
    value: str | float | None = None


@dataclass(frozen=True)
class Rule:
    """One entry of the legend: polygons that meet all conditions; each rule that fits draws, the later above.

    ``fill`` None leaves the inside open; ``hatch`` draws lines of that colour over it at ``angle`` degrees.
    """

    label: str
    conditions: tuple[Condition, ...] = ()
    fill: str | None = None
    hatch: str | None = None
    angle: int = 45
    outline: str = INK
    outline_mm: float = 0.2


NO_DATA = Rule("无数据", fill=PAPER, hatch="#b3bac2", angle=135)
"""Hatched: white is also the lowest class of some variables."""

FAR = 1_000_000
"""Denominator of the scale beyond which names would cover the zones."""


@dataclass(frozen=True)
class VectorStyle:
    """Rules of a layer, the column whose text labels the polygons (None: no labels), English and Chinese titles of the
    columns. A polygon is labelled from a size of ``label_from_mm`` on the map, and beyond the scale 1:`FAR` by the
    column ``label_far``."""

    rules: tuple[Rule, ...]
    label: str | None
    titles: dict[str, tuple[str, str]]
    label_from_mm: float = 0
    label_far: str | None = None


def shown_variable(values: Iterable[float | None]) -> str:
    """The variable that colours the zones: ``sink``, or ``carbon_stock`` if no zone has a sink."""
    return "sink" if any(value is not None for value in values) else "carbon_stock"


def zone_style(styles: Styles, variable: str) -> VectorStyle:
    """Zones by the classes of their sink (t CO2/ha/yr) or carbon stock (t C/ha). A sink that is not distinguishable
    from zero (column sink_finding = unclear) is grey under hatching."""
    column = {"sink": "sink_tCO2_ha_yr", "carbon_stock": "carbon_tC_ha"}[variable]
    ramp = styles.ramps[variable]
    edges = (None, *ramp.breaks, None)
    rules = [replace(NO_DATA, conditions=(Condition(column, "null"),))]
    for label, color, (low, high) in zip(ramp.labels, ramp.colors, pairwise(edges), strict=True):
        above = () if low is None else (Condition(column, ">=", low),)
        below = () if high is None else (Condition(column, "<", high),)
        rules.append(Rule(f"{label} {ramp.unit_zh}", above + below, fill=color))
    if variable == "sink":
        unclear = styles.class_of("sink_class", "unclear")
        known = (Condition("sink_finding", "=", "unclear"),)
        rules.append(Rule(unclear.zh, known, fill=unclear.color, hatch="#777777"))
    return VectorStyle(tuple(rules), "name_zh", ZONE_COLUMNS, label_far="zone_id")


def boundary_style() -> VectorStyle:
    """The outlines of the zones with their names, from afar their ids, to lie over rasters."""
    outline = Rule("片区边界", outline="#1a1a4d", outline_mm=0.5)
    return VectorStyle((outline,), "name_zh", ZONE_COLUMNS, label_far="zone_id")


def ground_style() -> VectorStyle:
    """The ground of the zones, to lie under rasters: it shows where they have no data."""
    return VectorStyle((NO_DATA,), None, ZONE_COLUMNS)


def ecosystem_style(styles: Styles) -> VectorStyle:
    """Zones by the colour of their ecosystem, without labels: to find a zone on a small map."""
    rules = (
        Rule(entry.zh, (Condition("ecosystem", "=", entry.key),), fill=entry.color, outline_mm=0.1)
        for entry in styles.ecosystems.values()
    )
    return VectorStyle(tuple(rules), None, ZONE_COLUMNS)


def patch_style(styles: Styles, suggestions: tuple[ClassStyle, ...], pairs: Collection[tuple[str, str]]) -> VectorStyle:
    """Patches by the ``pairs`` of sink class and suggestion that occur: the colour shows the suggestion, the hatching
    the change of carbon (brown lines for a loss, green for a gain, none if neither is certain)."""
    angles = {"loss": 45, "gain": 135}
    rules = tuple(
        Rule(
            f"{suggestion.zh} · {sink.zh}",
            (Condition("sink_class", "=", sink.key), Condition("suggestion", "=", suggestion.key)),
            fill=lighter(suggestion.color),
            hatch=sink.color if sink.key in angles else None,
            angle=angles.get(sink.key, 45),
            outline_mm=0.1,
        )
        for suggestion in suggestions
        for sink in styles.classes["sink_class"]
        if (sink.key, suggestion.key) in pairs
    )
    return VectorStyle(rules, "suggestion_zh", PATCH_COLUMNS, label_from_mm=8)


def lighter(color: str, share: float = 0.45) -> str:
    """The colour with this share of white in it, so that hatching stands out on it."""
    return "#" + "".join(f"{round(part + (255 - part) * share):02x}" for part in rgb(color))
