"""Styles as Styled Layer Descriptors (OGC SLD 1.1, Symbology Encoding 1.1), for GIS other than QGIS. Pure."""

from xml.etree.ElementTree import Element

from pipeline.outputs.styling.qml import FONTS
from pipeline.outputs.styling.vector_styles import Condition, Rule, VectorStyle
from pipeline.outputs.styling.xml import document, node

NAMESPACES = {
    "xmlns": "http://www.opengis.net/sld",
    "xmlns:se": "http://www.opengis.net/se",
    "xmlns:ogc": "http://www.opengis.net/ogc",
    "version": "1.1.0",
}
PX_PER_MM = 1 / 0.28
"""An SLD counts in pixels of 0.28 mm."""

_OPERATORS = {"=": "PropertyIsEqualTo", ">=": "PropertyIsGreaterThanOrEqualTo", "<": "PropertyIsLessThan"}
_HATCHES = {45: "slash", 135: "backslash"}


def vector_sld(layer: str, style: VectorStyle) -> str:
    """The text of the style of a layer."""
    rules = [_rule(rule) for rule in style.rules]
    if style.label:
        rules.append(node("se:Rule", {}, _text(style.label)))
    kinds = node("se:FeatureTypeStyle", {}, *rules)
    user = node("UserStyle", {}, node("se:Name", text=layer), kinds)
    named = node("NamedLayer", {}, node("se:Name", text=layer), user)
    return document(node("StyledLayerDescriptor", NAMESPACES, named), '<?xml version="1.0" encoding="UTF-8"?>')


def _rule(rule: Rule) -> Element:
    title = node("se:Description", {}, node("se:Title", text=rule.label))
    outline = {"stroke": rule.outline, "stroke-width": round(rule.outline_mm * PX_PER_MM, 2)}
    fill = [node("se:Fill", {}, *_parameters({"fill": rule.fill}))] if rule.fill else []
    drawn = [node("se:PolygonSymbolizer", {}, *fill, node("se:Stroke", {}, *_parameters(outline)))]
    if rule.hatch:
        drawn.append(node("se:PolygonSymbolizer", {}, node("se:Fill", {}, _hatching(rule))))
    return node("se:Rule", {}, node("se:Name", text=rule.label), title, *_filter(rule.conditions), *drawn)


def _hatching(rule: Rule) -> Element:
    stroke = node("se:Stroke", {}, *_parameters({"stroke": rule.hatch, "stroke-width": 1}))
    mark = node("se:Mark", {}, node("se:WellKnownName", text=_HATCHES[rule.angle]), stroke)
    return node("se:GraphicFill", {}, node("se:Graphic", {}, mark, node("se:Size", text="6")))


def _filter(conditions: tuple[Condition, ...]) -> list[Element]:
    tests = [_test(condition) for condition in conditions]
    if not tests:
        return []
    return [node("ogc:Filter", {}, tests[0] if len(tests) == 1 else node("ogc:And", {}, *tests))]


def _test(condition: Condition) -> Element:
    column = node("ogc:PropertyName", text=condition.column)
    if condition.operator == "null":
        return node("ogc:PropertyIsNull", {}, column)
    value = condition.value if isinstance(condition.value, str) else f"{condition.value:.10g}"
    return node(f"ogc:{_OPERATORS[condition.operator]}", {}, column, node("ogc:Literal", text=value))


def _text(column: str) -> Element:
    white = node("se:Fill", {}, *_parameters({"fill": "#ffffff"}))
    middle = (node("se:AnchorPointX", text="0.5"), node("se:AnchorPointY", text="0.5"))
    place = node("se:PointPlacement", {}, node("se:AnchorPoint", {}, *middle))
    return node(
        "se:TextSymbolizer",
        {},
        node("se:Label", {}, node("ogc:PropertyName", text=column)),
        node("se:Font", {}, *_parameters({"font-family": FONTS[0], "font-size": 11})),
        node("se:LabelPlacement", {}, place),
        node("se:Halo", {}, node("se:Radius", text="2"), white),
        node("se:Fill", {}, *_parameters({"fill": "#000000"})),
    )


def _parameters(values: dict[str, object]) -> list[Element]:
    return [node("se:SvgParameter", {"name": name}, text=str(value)) for name, value in values.items()]
