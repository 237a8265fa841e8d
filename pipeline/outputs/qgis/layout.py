"""The print layout of the QGIS project: one A4 sheet per zone, drawn by the atlas of QGIS. Lengths are in mm."""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from textwrap import fill
from xml.etree.ElementTree import Element

from pipeline.mapping.styles import RampStyle
from pipeline.outputs.note import HYPHEN_MINUS, images, stands_of
from pipeline.outputs.qgis.layers import ProjectLayer
from pipeline.outputs.results import Results
from pipeline.outputs.styling.qml import FONTS, fill_symbol, text_style
from pipeline.outputs.styling.vector_styles import PAPER, Rule
from pipeline.outputs.styling.xml import node
from pipeline.totals.zone_totals import COLUMNS, PER_HA

WIDTH, HEIGHT = 297, 210
PAGE, MAP, PICTURE, LABEL, LEGEND, SCALE_BAR = 65638, 65639, 65640, 65641, 65642, 65646
"""QGIS's numbers for the kinds of layout items."""

NORTH = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 13 20 23">'
    '<path d="M10 14 L17 35 L10 30 L3 35 Z" fill="#222"/></svg>'
)
"""A north arrow; it is stored in the project."""

LEFT, RIGHT, CENTRE = 1, 2, 4
"""QGIS's numbers for the alignment of text."""

FILE_NAME = r"""coalesce("zone_id" || '_' || regexp_replace(nullif("name_zh", ''), '[\\\\/:*?"<>|]', '_'), "zone_id")"""
"""Name of a sheet that the atlas exports, without signs that no file on Windows can have."""

Box = tuple[float, float, float, float]
"""Left, top, width and height on the sheet."""


@dataclass(frozen=True)
class MapView:
    """A map of the sheet: the view it follows, a layer whose legend serves for all zones, its classes, and a remark on
    its colours."""

    theme: str
    layer: ProjectLayer
    ramp: RampStyle
    remark: str = ""


def atlas_layout(
    results: Results, views: list[MapView], zones: ProjectLayer, locator: str, extent: Iterable[float]
) -> Element:
    """A sheet for each feature of the layer ``zones``: two maps with legends, a scale bar, a north arrow, a map that
    shows the place (view ``locator`` over ``extent``), key figures, date and source."""
    left, right = views
    items = [
        _label((10, 6, 215, 10), "title", '[% coalesce(nullif("name_zh", \'\'), "zone_id") %]', 18, bold=True),
        _label((225, 6, 62, 5.5), "sheet", "[% @atlas_featurenumber %] / [% @atlas_totalfeatures %]", 10, align=RIGHT),
        _label((225, 11.5, 62, 4.5), "date", "制图日期：[% format_date(now(), 'yyyy-MM-dd') %]", 7, align=RIGHT),
        _label((10, 16, 277, 6), "subtitle", _subtitle(results), 9),
        _label((10, 24, 136, 6), "left heading", _heading(left), 10, bold=True),
        _label((151, 24, 136, 6), "right heading", _heading(right), 10, bold=True),
        _map((10, 30, 136, 102), "left map", left.theme, extent),
        _map((151, 30, 136, 102), "right map", right.theme, extent),
        _scale_bar((10, 134, 90, 11), "left map"),
        _label((138, 133.3, 8, 4), "north", "北", 8, align=CENTRE),
        _picture((138, 137.5, 8, 8), "north arrow", NORTH),
        _label((95, 140, 40, 5), "left remark", left.remark, 7, align=RIGHT),
        _label((151, 139, 86, 5), "right remark", right.remark, 7),
        _label((151, 133, 86, 6), "crs", f"两图比例尺 1:{SCALE}；坐标系 {results.grid_crs}；斜线：无数据", 7),
        _legend((10, 147, 136, 14), "left legend", left, 5),
        _legend((151, 147, 86, 14), "right legend", right, 4),
        _map((239, 135, 48, 52), "locator", locator, extent, follows="left map"),
        _label((10, 162, 112, 26), "area and cover", _figures(AREA_AND_COVER), 8.5),
        _label((124, 162, 112, 26), "carbon", f"{_figures(CARBON)}\n变化判定：{_said('sink_finding_zh')}", 8.5),
        _label((10, 188, 277, 15), "source", f"{QUALITY}\n{_source(results)}", 7),
        _label((10, 203, 175, 5), "note", _plain(results.note), 6),
        made_by(results.organisation),
    ]
    atlas = {
        "enabled": 1,
        "coverageLayer": zones.id,
        "coverageLayerName": zones.name,
        "coverageLayerSource": zones.source,
        "coverageLayerProvider": zones.provider,
        "hideCoverage": 0,
        "sortFeatures": 1,
        "sortKey": '"zone_id"',
        "sortAscending": 1,
        "filterFeatures": 0,
        "pageNameExpression": '"zone_id"',
        "filenamePattern": FILE_NAME,
    }
    page = _item(PAGE, (0, 0, WIDTH, HEIGHT), "page")
    page.append(fill_symbol(Rule("", fill=PAPER, outline_mm=0), ""))
    pages = node("PageCollection", {}, fill_symbol(Rule("", fill=PAPER, outline_mm=0), ""), page)
    # the first item lies on top
    return node("Layout", {"name": "片区图集", "units": "mm", "printResolution": 300}, pages, *reversed(items),
                node("Atlas", atlas))  # fmt: skip


# --- words ------------------------------------------------------------------------------------------------

AREA_AND_COVER = (
    ("面积", "area_wanmu", 1, 2, "万亩"),
    ("申报面积", "declared_wanmu", 1, 2, "万亩"),
    ("遥感植被覆盖度", "fvc_mean", 100, 1, "%"),
    ("平均[% coalesce(upper(\"index_name\"), '植被指数') %]", "index_mean", 1, 3, ""),
    ("地上生物量", "agb_tDM_ha", 1, 2, "吨干物质/公顷"),
    ("有效观测面积", "observed_fraction", 100, 1, "%"),
)
CARBON = (
    ("生物量碳储量", "carbon_tC", 1, 0, "吨碳"),
    ("生物量碳密度", "carbon_tC_ha", 1, 2, "吨碳/公顷"),
    ("基准期生物量碳密度", "baseline_carbon_tC_ha", 1, 2, "吨碳/公顷"),
    ("碳汇量（吸收为正）", "sink_tCO2_yr", 1, 0, "吨CO2/年"),
    ("碳汇强度", "sink_tCO2_ha_yr", 1, 3, "吨CO2/(公顷·年)"),
)
"""Key figures: name, column of the zones, factor, decimals, unit."""


def _said(column: str, nothing: str = "'无'") -> str:
    return f"""[% regexp_replace(coalesce("{column}", {nothing}), '{HYPHEN_MINUS}', '\\\\1−') %]"""


SCALE = """[% with_variable('scale', map_get(item_variables('left map'), 'map_scale'),
replace(format_number(round(@scale, 2 - floor(log10(@scale))), 0), ',', ' ')) %]"""
"""The scale of both maps to three digits, written as on the sheets: 217 000."""

UNUSUAL = """if("carbon_tC_ha" is null, '无', '未见异常')"""
"""Text if no figure is unusual; without figures nothing was judged."""

QUALITY = (
    f"状态：{_said('status_zh')}    可比性：{_said('comparability_zh')}    "
    f"合理性：{_said('plausibility_zh', UNUSUAL)}    方法：{_said('method_zh')}"
)
"""How reliable the figures are; with real data this takes more than one line."""


def _figures(figures: Iterable[tuple[str, str, int, int, str]]) -> str:
    """A line for each figure with its 95 % interval where there is one; what is not known says so."""
    return "\n".join(f"{name}：[% coalesce(replace({_figure(*how)}, '-', '−'), '无数据') %]" for name, *how in figures)


def _figure(column: str, factor: int, decimals: int, unit: str) -> str:
    """A figure and its interval to the digits of `with_interval`; alone to ``decimals``."""
    alone = f"{_number(column, factor, decimals)} || ' {unit}'"
    low, high = f"{PER_HA.get(column, column)}_low95", f"{PER_HA.get(column, column)}_high95"
    if low not in COLUMNS:
        return alone
    per = ' / "area_ha"' if column in PER_HA else ""
    value, low, high = (f'"{name}"{of} * {factor}' for name, of in ((column, ""), (low, per), (high, per)))
    shown, least, most = (f"format_number(round({part}, @places), max(0, @places))" for part in (value, low, high))
    least, most = (_end(part, rounded) for part, rounded in ((low, least), (high, most)))
    both = f"{shown} || ' {unit}（95%区间 ' || {least} || ' 至 ' || {most} || '）'"
    places = f"1 - floor(log10(({high} - {low}) / 2))"
    return f"if(coalesce({high} > {low}, false), with_variable('places', {places}, {both}), {alone})"


def _end(value: str, rounded: str) -> str:
    """An end of an interval as it is ``rounded``, or with the one digit that keeps it from being zero."""
    finer = f"with_variable('places', -floor(log10(abs({value}))), {rounded})"
    return f"if(round({value}, @places) = 0 and round({value}, @places + 3) <> 0, {finer}, {rounded})"


def _number(column: str, factor: int, decimals: int) -> str:
    """With two more decimals if the figure would show one digit or none, as for a zone smaller than a pixel."""
    value = f'"{column}" * {factor}'
    return f"format_number({value}, if(abs({value}) < {10.0 ** (1 - decimals):g}, {decimals + 2}, {decimals}))"


def _plain(text: str) -> str:
    """A text that others wrote, for a label: its [% would begin an expression, which QGIS evaluates."""
    return text.replace("[%", "[% '[%' %]")


def _heading(view: MapView) -> str:
    unit = view.ramp.unit_zh
    return _plain(f"{view.theme} ({unit})" if unit else view.theme)


def _subtitle(results: Results) -> str:
    years = f"现状期 {results.current.label}"
    if results.baseline:
        years = f"基准期 {results.baseline.label}，{years}"
    return f'{_plain(results.title)}  |  片区 [% "zone_id" %]  |  {years}'


def made_by(organisation: str) -> Element:
    """In a line of its own, which holds 40 characters; a longer text is set smaller in two lines of 56, since QGIS cuts
    what leaves the box, and from 3.24 on breaks lines at spaces only."""
    text = f"编制单位：{organisation}" if organisation else ""
    return _label((187, 203, 100, 5.5), "made", _plain(fill(text, 56)), 7 if len(text) <= 40 else 5, align=RIGHT)


def _source(results: Results) -> str:
    """The stands of the zone if its carbon is computed from them, and the scenes of the whole run."""
    zones: dict[str, list[str]] = {}
    for zone, years in results.inventories.items():
        zones.setdefault(stands_of(years), []).append(f"'{zone}'")
    cases = "".join(f""" WHEN "zone_id" IN ({",".join(ids)}) THEN '{stands}'""" for stands, ids in zones.items())
    stands = cases and f"[% CASE{cases} ELSE '' END %]"
    return f"数据源：{stands}{_plain(images(results.scenes, results.season, results.simulated))}（全部片区）"


# --- items ------------------------------------------------------------------------------------------------


def _item(kind: int, box: Box, name: str, **attributes: object) -> Element:
    left, top, width, height = box
    common = {
        "type": kind,
        "id": name,
        "uuid": f"{{{name}}}",
        "templateUuid": f"{{{name}}}",
        "position": f"{left},{top},mm",
        "positionOnPage": f"{left},{top},mm",
        "size": f"{width},{height},mm",
        "referencePoint": 0,
        "visibility": 1,
        "opacity": 1,
        "background": False,
        "frame": False,
    }
    return node("LayoutItem", common | attributes)


def _label(box: Box, name: str, text: str, size: float, bold: bool = False, align: int = LEFT) -> Element:
    item = _item(LABEL, box, name, labelText=text, htmlState=0, halign=align, valign=32, marginX=0, marginY=0)
    item.append(node("LabelFont", {"description": _font(size, bold), "style": ""}))
    return item


def _font(size: float, bold: bool = False) -> str:
    return f"{FONTS[0]},{size},-1,5,{75 if bold else 50},0,0,0,0,0"


def _map(box: Box, name: str, theme: str, extent: Iterable[float], follows: str | None = None) -> Element:
    """A map of a view. It moves from zone to zone; if it ``follows`` another map, it stays and shows the place of that
    map."""
    left, bottom, right, top = _fitted(extent, box[2] / box[3])
    item = _item(
        MAP, box, name, followPreset=True, followPresetName=theme, keepLayerSet=False, frame=True, background=True,
        mapRotation=0, drawCanvasItems=False,
    )  # fmt: skip
    item.append(node("Extent", {"xmin": left, "ymin": bottom, "xmax": right, "ymax": top}))
    if follows:
        red = fill_symbol(Rule("", outline="#d7191c", outline_mm=0.5), "")
        frame = {"name": "frame", "uuid": "{frame}", "show": 1, "position": 3, "frameMap": f"{{{follows}}}"}
        item.append(node("ComposerMapOverview", frame | {"inverted": 0, "centered": 0}, red))
    item.append(node("AtlasMap", {"atlasDriven": int(not follows), "scalingMode": 2, "margin": 0.1}))
    return item


def _fitted(extent: Iterable[float], shape: float) -> Box:
    """The extent with 5 % around it, widened to ``shape`` (width by height)."""
    left, bottom, right, top = extent
    width = max((right - left) * 1.1, (top - bottom) * 1.1 * shape)
    x, y = (left + right) / 2, (bottom + top) / 2
    return x - width / 2, y - width / shape / 2, x + width / 2, y + width / shape / 2


def _scale_bar(box: Box, map_name: str) -> Element:
    """A bar of two segments whose length QGIS rounds to fit each zone."""
    item = _item(
        SCALE_BAR, box, "scale bar", mapUuid=f"{{{map_name}}}", style="Single Box", unitType="km", unitLabel="公里",
        numMapUnitsPerScaleBarUnit=1, numUnitsPerSegment=5, numSegments=2, numSegmentsLeft=0, segmentSizeMode=1,
        minBarWidth=25, maxBarWidth=75, height=2, labelBarSpace=1, boxContentSpace=1, outlineWidth=0.2,
    )  # fmt: skip
    item.append(text_style(8))
    return item


def _picture(box: Box, name: str, svg: str) -> Element:
    content = b64encode(svg.encode()).decode()
    return _item(PICTURE, box, name, file=f"base64:{content}", mode=0, resizeMode=0, anchorPoint=4, pictureRotation=0)


def _legend(box: Box, name: str, view: MapView, columns: int) -> Element:
    """The classes of a view; their unit stands over the map."""
    labels = view.ramp.labels
    places = range(1, len(labels) + 1)  # 0 is the name of the band
    own = {f"legend/label-{place}": label for place, label in zip(places, labels, strict=True)}
    settings = {"legend/node-order": ",".join(map(str, places)), "legend/title-style": "hidden"} | own
    item = _item(
        LEGEND, box, name, columnCount=columns, splitLayer=1, equalColumnWidth=0, columnSpace=3, boxSpace=0,
        symbolWidth=6, symbolHeight=3.5, resizeToContents=1, map_uuid="{left map}", legendFilterByAtlas=0, title="",
    )  # fmt: skip
    spaces = {"symbol": {"marginTop": 1}, "symbolLabel": {"marginTop": 1, "marginLeft": 1}}
    styles = (
        node("style", {"name": part} | space, node("styleFont", {"description": _font(8), "style": ""}))
        for part, space in spaces.items()
    )
    item.append(node("styles", {}, *styles))
    item.append(node("layer-tree-group", {}, node("customproperties"), view.layer.tree_entry(True, settings)))
    return item
