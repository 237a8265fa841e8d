"""Styles in the language of QGIS 3 (QML), for files beside the data and for the layers of a project. Pure."""

from collections.abc import Iterable
from itertools import repeat
from xml.etree.ElementTree import Element

from pipeline.mapping.styles import PALE, ClassStyle, RampStyle, rgb
from pipeline.outputs.styling.vector_styles import FAR, PAPER, Condition, Rule, VectorStyle
from pipeline.outputs.styling.xml import document, node

VERSION = "3.22.0"
"""The oldest QGIS that these styles are made for; later ones read them too."""

HEAD = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>"
FONTS = ("Microsoft YaHei", "Noto Sans CJK SC", "Source Han Sans SC", "SimHei")
"""Chinese fonts in the order of liking; QGIS takes the first that is installed."""


# --- rasters ----------------------------------------------------------------------------------------------

VEIL = "#f5f8f4"
"""Nearly white, so that a veil is visible on paper by itself and in a legend."""

CLASS = ("value", "label", "color", "alpha")
"""QGIS's names for the attributes of a class."""


def ramp_pipe(ramp: RampStyle, step: float) -> Element:
    """The drawing of band 1 of a continuous variable by classes, in physical units: QGIS applies the scale of the file
    itself. QGIS puts a break into the class below it, `RampStyle` into the one above; so breaks are moved half a stored
    ``step`` down, where no value lies."""
    tops = [f"{value - step / 2:.10g}" for value in ramp.breaks] + ["inf"]
    bounds = {"minimumValue": ramp.breaks[0], "maximumValue": ramp.breaks[-1], "labelPrecision": ramp.decimals}
    labels = (f"{label} {ramp.unit_zh}".strip() for label in ramp.labels)
    return _ramp(bounds, zip(tops, labels, ramp.colors, repeat(255), strict=False))


def class_pipe(classes: tuple[ClassStyle, ...]) -> Element:
    """The drawing of band 1 of a class raster; values without a class are transparent."""
    return _palette((entry.value, entry.zh, entry.color, 255) for entry in classes)


def veil_pipe(veiled: ClassStyle) -> Element:
    """The drawing of a class raster that makes what lies below it pale where it holds the class ``veiled``."""
    return _palette([(veiled.value, veiled.zh, VEIL, round(255 * PALE))])


def from_pipe(value: float, label: str, color: str) -> Element:
    """The drawing of band 1 of a continuous variable from ``value`` on, in its unit, in one colour; what is below is
    transparent."""
    classes = ((f"{value:.10g}", "", PAPER, 0), ("inf", label, color, 255))
    return _ramp({"minimumValue": value, "maximumValue": value}, classes)


def _ramp(attributes: dict[str, object], classes: Iterable[tuple[str, str, str, int]]) -> Element:
    """Upper bound, label, colour and opacity (0 to 255) of each class of a continuous variable."""
    items = (node("item", dict(zip(CLASS, row, strict=True))) for row in classes)
    kind = {"colorRampType": "DISCRETE", "classificationMode": 1, "clip": 0}
    shader = node("colorrampshader", kind | attributes, *items)
    return _pipe("singlebandpseudocolor", node("rastershader", {}, shader))


def _palette(entries: Iterable[tuple[int, str, str, int]]) -> Element:
    """Value, label, colour and opacity (0 to 255) of each class."""
    palette = (node("paletteEntry", dict(zip(CLASS, entry, strict=True))) for entry in entries)
    return _pipe("paletted", node("colorPalette", {}, *palette))


def _pipe(kind: str, content: Element) -> Element:
    attributes = {"type": kind, "band": 1, "opacity": 1, "alphaBand": -1, "nodataColor": ""}
    return node(
        "pipe", {}, node("rasterrenderer", attributes, content), node("rasterresampler", {"maxOversampling": 2})
    )


def raster_qml(pipe: Element) -> str:
    """The text of the ``.qml`` beside a raster."""
    return document(node("qgis", {"version": VERSION, "styleCategories": "AllStyleCategories"}, pipe), HEAD)


# --- polygons ---------------------------------------------------------------------------------------------


def vector_elements(style: VectorStyle) -> list[Element]:
    """Renderer, labelling and column titles, as they stand in a style and in a layer of a project."""
    rules = (
        node("rule", {"key": f"rule-{place}", "symbol": place, "label": rule.label} | _filter(rule))
        for place, rule in enumerate(style.rules)
    )
    symbols = (fill_symbol(rule, str(place)) for place, rule in enumerate(style.rules))
    renderer = node(
        "renderer-v2",
        {"type": "RuleRenderer", "symbollevels": 0, "enableorderby": 0, "forceraster": 0},
        node("rules", {"key": "rules"}, *rules),
        node("symbols", {}, *symbols),
    )
    aliases = (node("alias", {"field": column, "name": zh}) for column, (_, zh) in style.titles.items())
    labels = [_labeling(style)] if style.label else []
    return [renderer, *labels, node("aliases", {}, *aliases)]


def vector_qml(style: VectorStyle) -> str:
    """The text of a style of a vector layer."""
    attributes = {
        "version": VERSION,
        "styleCategories": "AllStyleCategories",
        "labelsEnabled": int(style.label is not None),
    }
    return document(node("qgis", attributes, *vector_elements(style)), HEAD)


def fill_symbol(rule: Rule, name: str) -> Element:
    """The symbol of a rule: fill and outline, and lines over them where it is hatched."""
    fill = {
        "color": _rgba(rule.fill or PAPER),
        "style": "solid" if rule.fill else "no",
        "outline_color": _rgba(rule.outline),
        "outline_style": "solid" if rule.outline_mm else "no",
        "outline_width": rule.outline_mm,
        "outline_width_unit": "MM",
        "joinstyle": "round",
    }
    layers = [_symbol_layer("SimpleFill", fill)]
    if rule.hatch:
        line = {"line_color": _rgba(rule.hatch), "line_width": 0.25, "line_width_unit": "MM", "line_style": "solid"}
        lines = {"angle": rule.angle, "distance": 1.6, "distance_unit": "MM"}
        stroke = _symbol("line", f"@{name}@1", _symbol_layer("SimpleLine", line))
        layers.append(_symbol_layer("LinePatternFill", lines, stroke))
    return _symbol("fill", name, *layers)


def _symbol(kind: str, name: str, *layers: Element) -> Element:
    return node("symbol", {"type": kind, "name": name, "alpha": 1, "clip_to_extent": 1, "force_rhr": 0}, *layers)


def _symbol_layer(kind: str, properties: dict[str, object], *children: Element) -> Element:
    attributes = {"class": kind, "enabled": 1, "locked": 0, "pass": 0}
    return node("layer", attributes, option_map(properties), *children)


def option_map(values: dict[str, object]) -> Element:
    """Settings as QGIS keeps them: names and texts."""
    entries = (node("Option", {"name": name, "type": "QString", "value": value}) for name, value in values.items())
    return node("Option", {"type": "Map"}, *entries)


def _filter(rule: Rule) -> dict[str, str]:
    text = " AND ".join(_expression(condition) for condition in rule.conditions)
    return {"filter": text} if text else {}


def _expression(condition: Condition) -> str:
    if condition.operator == "null":
        return f'"{condition.column}" IS NULL'
    if isinstance(condition.value, str):
        value = "'" + condition.value.replace("'", "''") + "'"
    else:
        value = f"{condition.value:.10g}"
    return f'"{condition.column}" {condition.operator} {value}'


def _labeling(style: VectorStyle) -> Element:
    """Labels from a column; on a sheet of the atlas its own polygon has none, since the title already names it."""
    text = f'"{style.label}"'
    if style.label_far:
        # a schematic zone says so in its name, and must where the id stands for that
        far = f"""\"{style.label_far}\" || if({text} LIKE '%示意%', ' 示意', '')"""
        text = f"if(@map_scale > {FAR}, {far}, {text})"
    buffer = node(
        "text-buffer",
        {"bufferDraw": 1, "bufferSize": 0.8, "bufferSizeUnits": "MM", "bufferColor": _rgba(PAPER), "bufferOpacity": 1},
    )
    shown = {"fieldName": f"if(@atlas_featureid = $id, NULL, {text})", "isExpression": 1}
    font = text_style(8, shown, buffer)
    place = {"placement": 4, "fitInPolygonOnly": 0, "priority": 5, "centroidInside": 1, "distUnits": "MM"}
    least = style.label_from_mm
    drawn = {"drawLabels": 1, "obstacle": 1, "obstacleType": 1, "labelPerPart": 0, "minFeatureSize": least}
    settings = node("settings", {}, font, node("text-format", {"autoWrapLength": 0}), node("placement", place),
                    node("rendering", drawn))  # fmt: skip
    return node("labeling", {"type": "simple"}, settings)


def text_style(size: float, settings: dict[str, object] | None = None, *children: Element) -> Element:
    """Black text of ``size`` points in the first Chinese font that is there."""
    font = {"fontFamily": FONTS[0], "fontSize": size, "fontSizeUnit": "Point", "fontWeight": 50}
    color = {"textColor": "0,0,0,255", "textOpacity": 1}
    families = node("families", {}, *(node("family", {"name": name}) for name in FONTS))
    return node("text-style", font | color | (settings or {}), families, *children)


def _rgba(color: str) -> str:
    return ",".join(map(str, (*rgb(color), 255)))
