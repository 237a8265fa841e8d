"""What the sheets of a run show, taken from its results."""

from pathlib import Path

import geopandas as gpd
import rasterio
import shapely
from pyproj import CRS

from pipeline import __version__
from pipeline.mapping.cover_classes import OPEN_WATER
from pipeline.mapping.patches import plan_rows
from pipeline.mapping.styles import PALE_ZH
from pipeline.outputs.note import source_line, true_minus
from pipeline.outputs.results import Results
from pipeline.outputs.sheets.fonts import Fonts
from pipeline.outputs.sheets.monitoring_sheet import MonitoringSheet
from pipeline.outputs.sheets.overview_sheet import OverviewSheet
from pipeline.outputs.sheets.raster_map import LINED_WATER_ZH, RasterMap, Water
from pipeline.outputs.sheets.year_bars import Periods
from pipeline.outputs.sheets.zone_sheet import ZoneSheet
from pipeline.outputs.text import (
    SEASONAL,
    by_chance,
    group_cells,
    in_workbook,
    left_out_years,
    observed_cells,
    plan_cells,
    quality_lines,
    skew,
    target_cells,
    trend,
)
from pipeline.totals.group_totals import as_counted
from pipeline.zones.outlines import in_crs

FRAME_MM, FINEST_MM = 170, 0.05
"""Width of the widest map, and the detail that print does not resolve: outlines are simplified to it."""

STAND_DATES = "取时段中点蓄积，调查年之间内插，首末调查年之外不变；碳汇的间隔年数为两期蓄积时点之差"
"""The date of the stock of stands."""

TRENDS = {
    "forest": ("fvc_mean", "覆盖度"),
    "grassland": ("fvc_mean", "覆盖度"),
    "wetland": ("open_water_fraction", "开阔水面"),
}
"""What is shown of the years besides the stock, by ecosystem."""

SINK_ENDS = ("← 碳减少（排放）", "碳增加（吸收）→")


def zones_to_draw(results: Results) -> gpd.GeoDataFrame:
    """The zones in the CRS of the grid, with their outlines ``from_afar``, no finer than print resolves in the locator
    of another."""
    zones = in_crs(results.zones, results.grid_crs)
    return zones.assign(from_afar=zones.simplify(_finest(_breadth(zones) / 4)))


def zone_sheet(results: Results, zones: gpd.GeoDataFrame, zone: str, fonts: Fonts, number: str) -> ZoneSheet:
    """The sheet of a zone; ``zones`` are `zones_to_draw`, ``number`` says which of all pages it is."""
    record = zones[zones["id"] == zone].iloc[0]
    ecosystem, row = results.ecosystems[record.ecosystem], results.row(zone)
    main = _main_map(results, zone)
    outline, others = _outlines(zones, zone)
    pixel_m = _pixel_m(next(iter(results.rasters[zone].values())))
    vegetation = ecosystem.strata[record.stratum].names[0] if record.stratum_given else "植被类型未给出"
    patches, stands = results.patches.get(zone), results.inventories_of(zone)
    by_year = [year for year in results.by_year if year["zone_id"] == zone]
    method = f"方法：{row['method_zh']}{f'；{STAND_DATES}' if stands else ''}"
    return ZoneSheet(
        stem=results.folder / "zones" / zone / f"{zone}_sheet",
        fonts=fonts,
        title=f"{zone} {record['name']}",
        subtitle=results.periods_zh,
        project=results.title,
        kind=f"{results.styles.ecosystems[record.ecosystem].zh} · {vegetation} · {number}",
        row=row | {"gain_loss_tCO2_yr": results.gain_loss_of(zone)},
        by_year=by_year,
        periods=_period_years(results),
        outline=outline,
        others=others,
        crs=results.grid_crs,
        pixel_m=pixel_m,
        main=main,
        cover=_map(results, zone, "fvc", results.current.label),
        plan=None if patches is None or patches.empty else plan_cells(plan_rows(patches)),
        quality=quality_lines(row, results.clamped_of(zone)),
        notes=(
            "    ".join(filter(None, (method, SEASONAL.get(record.ecosystem)))),
            f"{_source(results, zone)}    {_crs_line(results)}    像元 {pixel_m:g} m",
        ),
        warning=results.note_of(zone),
        organisation=results.organisation,
        bars_remark="调查年之间内插，之外不变" if stands else trend(by_year, *TRENDS[record.ecosystem]),
    )


def overview_sheet(results: Results, zones: gpd.GeoDataFrame, shown: list[str], fonts: Fonts) -> OverviewSheet:
    """The overview of the zones that are ``shown``, those that have rasters; ``zones`` are `zones_to_draw`."""
    found = {zone: shown_map for zone in shown if (shown_map := _main_map(results, zone))}
    first = next((m for m in found.values() if m.ends), next(iter(found.values())))
    shapes = zones.geometry.simplify(_finest(_breadth(zones)))
    city = results.row("city")
    conditional = any(row["sink_finding"] and row["comparability"] == "conditional" for row in results.rows)
    remarks = (f"状态：{true_minus(city['status_zh'])}", "* 有条件可比" if conditional else "", by_chance(results.rows))
    remarks += (skew(results.intervals, results.current.label),)
    return OverviewSheet(
        stem=results.folder / "overview",
        fonts=fonts,
        title=results.title,
        subtitle=results.periods_zh,
        project="总览图",
        kind=_extent(results),
        rows=results.rows,
        outlines=dict(zip(zones["id"], shapes, strict=True)),
        crs=results.grid_crs,
        rasters={zone: m for zone, m in found.items() if m.legend == first.legend},
        ramps={name: results.styles.ramps[name] for name in ("sink", "carbon_stock")},
        notes=tuple(filter(None, ("    ".join(filter(None, remarks)), f"{_source(results)}    {_crs_line(results)}"))),
        warning=results.note,
        organisation=results.organisation,
    )


def monitoring_sheet(results: Results, fonts: Fonts) -> MonitoringSheet:
    """The sheet of targets, groups and years."""
    groups = [row for row in results.rows if row["level"] != "zone"]
    names = results.group_names
    years = {row["zone_id"]: [year for year in results.by_year if year["zone_id"] == row["zone_id"]] for row in groups}
    by_year = {names[row["zone_id"]]: years[row["zone_id"]] for row in groups if row["level"] == "ecosystem"}
    unverified = any(row["unverified"] for row in groups)
    place = in_workbook("系数", results.deliverables)
    remarks = [f"数值与区间所依据的部分系数未核实，见{place}。"] if unverified else []
    remarks.append(left_out_years([row for rows in by_year.values() for row in rows]))
    has_stands = results.inventories_of(*results.zones["id"])
    return MonitoringSheet(
        stem=results.folder / "monitoring",
        fonts=fonts,
        title=results.title,
        subtitle=results.periods_zh,
        project="规划与监测",
        kind=_extent(results),
        targets_title=f"规划目标（{results.targets[0]['year']} 年）与本次可测的量" if results.targets else "",
        targets=target_cells(results.targets),
        figures=group_cells(as_counted(results.with_gain_loss(), results.min_observed), results.intervals, names),
        observed=observed_cells(years["city"], results.scenes),
        by_year=by_year,
        periods=_period_years(results),
        notes=tuple(filter(None, ("    ".join(filter(None, remarks)), f"{_source(results)}    {_crs_line(results)}"))),
        warning=results.note,
        organisation=results.organisation,
        bars_remark="有小班的片区：储量在调查年之间内插，之外不变" if has_stands else "",
    )


def _main_map(results: Results, zone: str) -> RasterMap | None:
    """The sink, or the carbon stock where the periods give none."""
    sink = _map(results, zone, "sink", results.sink_label)
    return sink or _map(results, zone, "carbon_stock", results.current.label)


def _map(results: Results, zone: str, variable: str, label: str | None) -> RasterMap | None:
    path = results.rasters[zone].get((variable, label))
    if path is None:
        return None
    names = {"sink": ("碳汇强度", "吸收为正"), "carbon_stock": ("生物量碳密度", ""), "fvc": ("遥感植被覆盖度", "")}
    name, sense = names[variable]
    water = _water(results, zone, label) if variable == "fvc" else None
    hint = PALE_ZH if variable == "sink" and results.intervals else LINED_WATER_ZH if water else ""
    return RasterMap(
        title=f"{name}图  {label.replace('_', ' → ')}",
        legend=f"{name}，{sense}" if sense else name,
        path=path,
        style=results.styles.ramps[variable],
        ends=SINK_ENDS if variable == "sink" else None,
        hint=hint,
        water=water,
    )


def _water(results: Results, zone: str, label: str) -> Water | None:
    """The open water of a zone; None where there is none."""
    path = results.rasters[zone].get(("water_occurrence", label))
    return path and Water(path, results.styles.class_of("cover_class", OPEN_WATER.key).color)


def _outlines(zones: gpd.GeoDataFrame, zone: str) -> tuple[shapely.Geometry, list[shapely.Geometry]]:
    """The outline of a zone and those of the others, no finer than print resolves on its map or in its locator."""
    own = zones.geometry[zones["id"] == zone].iloc[0]
    left, bottom, right, top = own.bounds
    span = max(right - left, top - bottom)
    around = shapely.box(left - 2 * span, bottom - 2 * span, right + 2 * span, top + 2 * span)
    others, fine = zones[zones["id"] != zone], _finest(span)
    near = others.intersects(around)
    return own.simplify(fine), [*others.geometry[near].simplify(fine), *others["from_afar"][~near]]


def _breadth(zones: gpd.GeoDataFrame) -> float:
    return zones.total_bounds[2] - zones.total_bounds[0]


def _finest(breadth: float) -> float:
    """The detail in metres that print does not resolve on a map so many metres wide."""
    return breadth / FRAME_MM * FINEST_MM


def _extent(results: Results) -> str:
    return f"{len(results.zones)} 个片区 · {results.row('city')['area_wanmu']:,.1f} 万亩"


def _period_years(results: Results) -> Periods:
    return results.baseline.years if results.baseline else (), results.current.years


def _source(results: Results, zone: str | None = None) -> str:
    """The sources of a zone, or of the whole run."""
    scenes = results.scenes_of(zone) if zone else results.scenes
    zones = [zone] if zone else results.zones["id"]
    return source_line(scenes, results.inventories_of(*zones), results.season, results.simulated)


def _crs_line(results: Results) -> str:
    drawn = f"坐标系：图面 {results.grid_crs}（{CRS(results.grid_crs).name}），经纬网与面积 CGCS2000 (EPSG:4490)"
    return f"{drawn}    sinkmap {__version__}"


def _pixel_m(path: Path) -> float:
    with rasterio.open(path) as file:
        return abs(file.transform.e)
