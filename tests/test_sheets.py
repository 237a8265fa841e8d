"""Map sheets: nothing overlaps or is cut off, whatever the zone; the same content gives the same bytes; a sheet is
drawn again only when what it shows has changed."""

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image
from pypdf import PdfReader
from rasterio.transform import from_origin
from tiny_world import ROOT, STANDS, ZONES, World, child_environment

from pipeline.config.run_config import read_config
from pipeline.errors import OutputError
from pipeline.mapping.styles import PALE_ZH, read_styles
from pipeline.outputs.sheets.fonts import bundled_fonts, find_fonts
from pipeline.outputs.sheets.monitoring_sheet import MonitoringSheet
from pipeline.outputs.sheets.overview_sheet import OverviewSheet
from pipeline.outputs.sheets.page import MUTED, Box, Page
from pipeline.outputs.sheets.raster_map import RasterMap
from pipeline.outputs.sheets.year_bars import draw_years
from pipeline.outputs.sheets.zone_sheet import ZoneSheet
from pipeline.outputs.text import group_cells, observed_cells, plan_cells, quality_lines, target_cells
from pipeline.plan import plan_lines
from pipeline.run import prepare
from pipeline.totals.targets import Targets, target_rows

CRS = "EPSG:32649"
CORNER = (420_000.0, 4_500_000.0)
STYLES = read_styles().ramps
ENDS = ("← 碳减少（排放）", "碳增加（吸收）→")
NOTE = "示意，模拟数据 (schematic, simulated)；遥感估算，不作为交易依据 (remote-sensing estimate, not creditable)"


def row_of(zone: str, area_ha: float, **changes) -> dict:
    """A row of the result table as a zone of that area could have it."""
    return {
        "level": "zone",
        "zone_id": zone,
        "name_zh": f"{zone}片区（示意）",
        "ecosystem": "grassland",
        "area_ha": area_ha,
        "area_wanmu": area_ha * 15 / 1e4,
        "declared_wanmu": round(area_ha * 15 / 1e4, 1),
        "observed_fraction": 1.0,
        "clear_obs_median": 6.0,
        "index_name": "ndvi",
        "index_mean": 0.34,
        "fvc_mean": 0.4162,
        "fvc_mean_low95": 0.3,
        "fvc_mean_high95": 0.55,
        "agb_tDM_ha": 0.25,
        "carbon_tC_ha": 1.34,
        "carbon_tC": 1.34 * area_ha,
        "carbon_tC_low95": 0.6 * area_ha,
        "carbon_tC_high95": 2.7 * area_ha,
        "sink_tCO2_ha_yr": -0.157,
        "sink_tCO2_yr": -0.157 * area_ha,
        "sink_tCO2_yr_low95": -0.486 * area_ha,
        "sink_tCO2_yr_high95": 0.078 * area_ha,
        "sink_finding_zh": "变化不显著",
        "comparability_zh": "有条件可比：两期反射率定标来源不同",
        "figure_class": "proxy, not creditable (代理，不可作为交易依据)",
        "status_zh": "正常；3.2%未观测，按其余部分均值计",
    } | changes


def years_of(row: dict, years: range) -> list[dict]:
    names = [f"{figure}{end}" for figure in ("carbon_tC", "fvc_mean") for end in ("", "_low95", "_high95")]
    return [{"zone_id": row["zone_id"], "year": year} | {name: row[name] for name in names} for year in years]


def write_raster(path: Path, zone: shapely.Geometry, pixel_m: float) -> Path:
    """A raster of one value over the box of a zone."""
    left, bottom, right, top = zone.bounds
    shape = [max(1, int(np.ceil(length / pixel_m))) for length in (top - bottom, right - left)]
    with rasterio.open(
        path, "w", driver="GTiff", height=shape[0], width=shape[1], count=1, dtype="int16", crs=CRS, nodata=-32768,
        transform=from_origin(left, top, pixel_m, pixel_m),
    ) as file:  # fmt: skip
        file.scales = (0.005,)
        file.write(np.full(shape, 120, "int16"), 1)
    return path


def plan_of(count: int) -> list[tuple[str, ...]]:
    """A plan table of so many suggestions."""
    row = {"patches": 12, "area_ha": 1234.5, "area_mu": 18517.5, "share": 1 / count}
    return plan_cells([row | {"suggestion_zh": f"措施{n}：退化草原修复与围栏封育"} for n in range(count)])


def sheet_of(folder: Path, width_m: float, height_m: float, pixel_m: float = 10, **changes) -> ZoneSheet:
    """The sheet of a zone of that size, with another zone just beside it."""
    x, y = CORNER
    zone = shapely.Point(x, y).buffer(0.5)
    zone = shapely.transform(zone, lambda points: (points - CORNER) * (width_m, height_m) + CORNER)
    raster = write_raster(folder / "raster.tif", zone, pixel_m)
    row = row_of("G05", zone.area / 1e4)
    return ZoneSheet(
        **{
            "stem": folder / "G05_sheet",
            "fonts": find_fonts("", []),
            "title": "G05 达茂北部荒漠草原片区（示意）",
            "subtitle": "现状期 2023-2025 年，与基准期 2019-2021 年比较",
            "project": "包头市林草湿碳汇监测（示意，模拟数据）",
            "kind": "草原 · 荒漠草原 · 第 17 幅 / 共 22 幅",
            "row": row,
            "by_year": years_of(row, range(2019, 2026)),
            "periods": ((2019, 2020, 2021), (2023, 2024, 2025)),
            "outline": zone,
            "others": [shapely.transform(zone, lambda points: np.add(points, (width_m, height_m)))],
            "crs": CRS,
            "pixel_m": pixel_m,
            "main": RasterMap("碳汇强度图", "碳汇强度，吸收为正", raster, STYLES["sink"], ENDS, PALE_ZH),
            "cover": RasterMap("遥感植被覆盖度图", "遥感植被覆盖度", raster, STYLES["fvc"]),
            "plan": plan_of(6),
            "quality": quality_lines(row),
            "notes": (
                "方法：NDVI三次地上生物量模型 × (1+根茎比) × 含碳率",
                "数据源：Sentinel-2 84 景    坐标系：EPSG:32649",
            ),
            "warning": NOTE,
            "bars_remark": "调查年之间内插，之外不变",
        }
        | changes
    )


def faults(page: Page) -> list[str]:
    """Texts that leave the page or lie over one another, measured as they are drawn; 0.2 mm are forgiven."""
    renderer = FigureCanvasAgg(page.figure).get_renderer()
    grace = 0.2 / 25.4 * page.figure.dpi
    boxes = {}
    for text in page.figure.findobj(Text):
        if text.get_text() and text.get_visible():
            extent = text.get_window_extent(renderer)
            boxes[text] = shapely.box(extent.x0, extent.y0, extent.x1, extent.y1).buffer(-grace, join_style="mitre")
    paper = shapely.box(0, 0, *(page.figure.get_size_inches() * page.figure.dpi))
    found = [f"{text.get_text()} leaves the page" for text, box in boxes.items() if not paper.contains(box)]
    return found + [
        f"{a.get_text()} over {b.get_text()}"
        for a, b in itertools.combinations(boxes, 2)
        if boxes[a].intersects(boxes[b])
    ]


def test_the_measure_finds_what_overlaps_and_what_is_cut_off():
    page = Page(bundled_fonts(), "")
    page.text(100, 100, "碳汇", 10)
    page.text(102, 101, "覆盖度", 10)
    page.text(290, 50, "出了纸", 10)
    assert faults(page) == ["出了纸 leaves the page", "碳汇 over 覆盖度"]


SIZES = {
    "305 万亩": (60_000, 43_000),
    "1.8 万亩": (6_100, 2_500),
    "half a pixel": (60, 60),
    "a river bank, 20:1": (60_000, 3_000),
    "a valley, 1:20": (3_000, 60_000),
    "compact": (9_000, 8_000),
}


@pytest.mark.parametrize("fonts", [find_fonts(""), bundled_fonts()], ids=["installed font", "own font"])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_nothing_overlaps_or_is_cut_off(tmp_path, size, fonts):
    assert faults(sheet_of(tmp_path, *size, pixel_m=120, fonts=fonts).draw()) == []


LONG = "内蒙古自治区包头市达尔罕茂明安联合旗满都拉镇国家级公益林与荒漠草原生态保护修复综合治理示范片区（示意）"


def test_the_foot_says_who_made_the_sheet_and_when(tmp_path):
    page = sheet_of(tmp_path, 9_000, 8_000, organisation="包头市林业和草原局").draw()
    assert f"编制单位：包头市林业和草原局    制图日期：{date.today().isoformat()}" in texts(page)
    assert faults(page) == []
    assert f"制图日期：{date.today().isoformat()}" in texts(sheet_of(tmp_path, 9_000, 8_000).draw())


def test_the_day_stays_whole_beside_a_long_organisation_which_takes_two_lines(tmp_path):
    """Three offices that sign together: of both in one line the end was cut, which is the day."""
    offices = "内蒙古自治区包头市林业和草原局规划财务科、包头市林业和草原事业发展中心、内蒙古自治区林业和草原监测规划院"
    page = sheet_of(tmp_path, 9_000, 8_000, organisation=offices).draw()
    assert f"制图日期：{date.today().isoformat()}" in texts(page)
    first = next(said for said in texts(page) if said.startswith("编制单位："))
    assert first != (made_by := f"编制单位：{offices}")
    assert made_by.removeprefix(first) in texts(page)
    assert all(text.get_size() >= 5 for text in page.figure.findobj(Text))
    assert faults(page) == []


def texts(page: Page) -> list[str]:
    return [text.get_text() for text in page.figure.findobj(Text)]


@pytest.mark.parametrize("size", [(60_000, 20_000), (20_000, 20_000)], ids=["wide", "compact"])
def test_nothing_overlaps_where_a_sheet_says_much(tmp_path, size):
    row = row_of(
        "G05", 203_337.1, status_zh="正常；" + "两期反射率定标来源不同，" * 12,
        unverified_zh="；".join(["榆树、侧柏、杨树含碳率"] * 20),
        plausibility_zh="生物量碳密度 0.871 吨碳/公顷，低于常见范围 1 至 5",
    )  # fmt: skip
    sheet = sheet_of(
        tmp_path, *size, title=f"G05 {LONG}", project=LONG, kind=LONG, row=row,
        by_year=years_of(row, range(1986, 2026)), plan=plan_of(14), quality=quality_lines(row, 0.3),
        organisation=LONG,
    )  # fmt: skip
    assert faults(sheet.draw()) == []


@pytest.mark.parametrize("size", [(60_000, 20_000), (20_000, 20_000)], ids=["wide", "compact"])
def test_a_sheet_of_one_period_says_what_is_not_known(tmp_path, size):
    unknown = dict.fromkeys(
        name for name in row_of("G05", 1) if name.startswith(("sink", "carbon", "ndvi", "fvc", "agb", "clear"))
    )
    row = row_of("G05", 900.0, **unknown, observed_fraction=None, declared_wanmu=None)
    sheet = sheet_of(
        tmp_path, *size, row=row, by_year=[{"year": 2023, "carbon_tC": None}], periods=((), (2023,)),
        plan=None, main=None, cover=None, quality=quality_lines(row),
    )  # fmt: skip
    page = sheet.draw()
    said = [text.get_text() for text in page.figure.findobj(Text)]
    assert faults(page) == []
    assert "未划定图斑" in said
    assert "无图" in said
    assert said.count("—") >= 14


def overview_of(folder: Path, centres: list[tuple[float, float]], code: str = "G", **changes) -> OverviewSheet:
    """The overview of round zones about these places, those below 0 small."""
    zones = {
        f"{code}{place:02d}": shapely.Point(CORNER[0] + x * 30_000, CORNER[1] + y * 30_000).buffer(
            12_000 if y >= 0 else 900
        )
        for place, (x, y) in enumerate(centres)
    }
    rows = [row_of(zone, shape.area / 1e4, **changes) for zone, shape in zones.items()]
    rows += [row_of("city", 1e6, **changes) | {"level": "city", "name_zh": "全部片区合计"}]
    raster = write_raster(folder / "raster.tif", zones[f"{code}00"], 500)
    shown = RasterMap("碳汇强度图", "碳汇强度", raster, STYLES["sink"], ("← 碳减少", "碳增加 →"), PALE_ZH)
    return OverviewSheet(
        stem=folder / "overview", fonts=bundled_fonts(), title="包头市林草湿碳汇监测", subtitle="现状期 2023-2025 年",
        project="总览图", kind="22 个片区", rows=rows, outlines=zones, crs=CRS, rasters={f"{code}00": shown},
        ramps=STYLES, notes=("状态：正常",), warning=NOTE,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("compares", "code"),
    [(True, "G"), (False, "G"), (True, "1502210010")],
    ids=["two periods", "one period", "ids of twelve digits"],
)
def test_nothing_overlaps_on_the_overview(tmp_path, compares, code):
    """22 zones, the smallest of them in a heap."""
    centres = [(x, y) for x in range(3) for y in range(3)] + [(0.1 * x, -1) for x in range(13)]
    changes = {} if compares else dict.fromkeys(("sink_tCO2_yr", "sink_tCO2_ha_yr", "sink_finding_zh"))
    sheet = overview_of(tmp_path, centres, code, **changes)
    page = sheet.draw()
    assert faults(page) == []
    said = [text.get_text() for text in page.figure.findobj(Text)]
    assert said.count(f"{code}21") >= 2  # whole in the table and on the map
    assert (
        "无数据或不计碳汇" if compares else "无数据"
    ) in said  # what the hatching of the zones without a raster means
    if not compares:
        assert "缺1/22个片区" not in said
        sheet.rows[3] |= dict.fromkeys(("carbon_tC", "carbon_tC_low95", "carbon_tC_high95"))
        assert "缺1/22个片区" in texts(sheet.draw())  # beside the city's stock
    assert all(text.get_size() >= 4.5 for text in page.figure.findobj(Text))
    # 1.34 t C/ha by the classes of a stock, though the map, as of withheld totals, shows a sink; 0.157 lost by its own
    bar = {True: STYLES["sink"].colors[3], False: STYLES["carbon_stock"].colors[2]}[compares]
    bars = [patch for patch in page.figure.findobj(Rectangle) if patch.get_edgecolor() == to_rgba(MUTED)]
    assert sum(patch.get_facecolor() == to_rgba(bar) and patch.get_linewidth() == 0.3 for patch in bars) >= 22
    assert page.further == []


@pytest.mark.parametrize(("count", "pages"), [(24, 1), (25, 2), (65, 3)])
def test_the_table_of_many_zones_goes_on_on_further_pages(tmp_path, count, pages):
    """Rows were set closer together without end: those of 65 zones in 4 points."""
    sheet = overview_of(tmp_path, [(place % 20, place // 20) for place in range(count)])
    drawn = [first := sheet.draw(), *first.further]
    assert len(drawn) == sheet.pages == pages
    listed = []
    for number, page in enumerate(drawn, 1):
        assert faults(page) == []
        assert min(text.get_size() for text in page.figure.findobj(Text)) >= 6
        assert texts(page).count(NOTE) == 1
        assert (f"总览图（{number}/{pages}）" if pages > 1 else "总览图") in texts(page)
        listed += [said.removesuffix("片区（示意）") for said in texts(page) if said.endswith("片区（示意）")]
    assert listed == [row["zone_id"] for row in sheet.rows if row["level"] == "zone"]
    assert "全部片区合计" in texts(first)
    first.save(sheet.stem)
    assert len(PdfReader(tmp_path / "overview.pdf").pages) == pages
    assert len(list(tmp_path.glob("overview*.png"))) == pages


PLAN = Targets(
    year=2025, forest_cover_percent=19.3, forest_volume_m3=3_800_000, grassland_cover_percent=38,
    wetland_protection_percent=38, project_wanmu={"forest": 330, "grassland": 1000, "wetland": 10},
)  # fmt: skip
GROUPS = {"forest": "森林", "grassland": "草原", "wetland": "湿地", "city": "全部片区"}


def monitoring_of(folder: Path, plan: Targets | None = PLAN, years: range = range(2019, 2026), **changes):
    """The monitoring sheet of a city of 1547 万亩."""
    rows = []
    for name in GROUPS:
        level = "city" if name == "city" else "ecosystem"
        row = row_of(name, 1_031_333.3, **changes) | {"level": level, "ecosystem": name, "period": "2023-2025"}
        rows.append(
            row | {"volume_m3": 3.2e6, "volume_m3_low95": 2.7e6, "volume_m3_high95": 3.7e6, "stand_stock_year": 2024.0}
        )
    zones = [row_of("F01", 900.0) | {"ecosystem": "forest", "volume_m3": 3.2e6, "stand_area_fraction": 0.9}]
    causes = {"share_biomass_model": 0.62, "share_cover_model": 0.31, "share_area": 0.07}
    intervals = [
        {"zone_id": row["zone_id"], "quantity": quantity, "period": row["period"]} | causes
        for row in rows
        for quantity in ("carbon_tC", "fvc_mean", "sink_tCO2_yr")
    ]
    by_year = {name: years_of(row, years) for name, row in zip(GROUPS, rows, strict=True)}
    city = [row | {"observed_fraction": 0.97} for row in by_year["city"]]
    return MonitoringSheet(
        stem=folder / "monitoring",
        fonts=bundled_fonts(),
        title="包头市林草湿碳汇监测（示意，模拟数据）",
        subtitle="现状期 2023-2025 年，与基准期 2019-2021 年比较",
        project="规划与监测",
        kind="22 个片区 · 1,547.0 万亩",
        targets_title="规划目标 (2025 年) 与本次可测的量",
        targets=target_cells(target_rows(plan, zones + rows, simulated=True)) if plan else [],
        figures=group_cells(rows, intervals, GROUPS),
        observed=observed_cells(city, [{"day": f"{year}-08-01"} for year in years]),
        by_year={GROUPS[name]: by_year[name] for name in list(GROUPS)[:3]},
        periods=((2019, 2020, 2021), (2023, 2024, 2025)),
        notes=("区间所依据的部分系数未核实，见工作簿的“系数”表。", "数据源：Sentinel-2 84 景    坐标系：EPSG:32649"),
        warning=NOTE,
        bars_remark="有小班的片区：储量在调查年之间内插，之外不变",
    )


@pytest.mark.parametrize("years", [range(2024, 2025), range(2019, 2026), range(1986, 2026)], ids=len)
@pytest.mark.parametrize("plan", [PLAN, None], ids=["with targets", "without"])
def test_nothing_overlaps_on_the_monitoring_sheet(tmp_path, plan, years):
    assert faults(monitoring_of(tmp_path, plan, years).draw()) == []


@pytest.mark.parametrize("count", [6, 8])
def test_the_numbers_below_neighbouring_bars_do_not_read_as_one(count):
    """4,090 and 4,150 below two bars of a third of the monitoring sheet, uncut: more than a space lies between."""
    page = Page(bundled_fonts(), "")
    page.figure.set_dpi(1000)  # extents are whole pixels
    rows = [{"year": 2018 + place, "carbon_tC": 4090.0 + 60 * place} for place in range(count)]
    draw_years(page, Box(10, 10, 41, 60), "湿地", rows, "carbon_tC", ((), (2018,)))
    renderer = FigureCanvasAgg(page.figure).get_renderer()
    texts = {text.get_text(): text.get_window_extent(renderer) for text in page.figure.findobj(Text)}
    numbers = [[f"{row['carbon_tC']:,.0f}" for row in rows], [str(row["year"]) for row in rows]]
    for left, right in itertools.chain(*map(itertools.pairwise, numbers)):
        assert (texts[right].x0 - texts[left].x1) / page.figure.dpi * 25.4 > 0.8


@pytest.mark.parametrize("count", [8, 9, 12, 40])
def test_the_newest_year_has_its_number_however_many_bars_there_are(count):
    """Bars have no axis: with more than eight years nothing told how high they are."""
    page = Page(bundled_fonts(), "")
    rows = [{"year": 2026 - count + place, "carbon_tC": 4090.0 + 10 * place} for place in range(count)]
    draw_years(page, Box(10, 10, 41, 60), "湿地", rows, "carbon_tC", ((), (2025,)))
    years = [said for said in texts(page) if said.startswith(("19", "20"))]
    numbers = [said for said in texts(page) if said.startswith("4,")]
    assert years[-1] == "2025"
    assert numbers == [f"{row['carbon_tC']:,.0f}" for row in rows if str(row["year"]) in years]
    assert faults(page) == []


def test_the_monitoring_sheet_says_what_is_measured_beside_each_target(tmp_path):
    sheet = monitoring_of(tmp_path)
    cells = {row[0]: row[1:] for row in sheet.targets}
    assert cells["森林蓄积量"][:5] == (
        "380 万立方米", "1/1个森林片区小班活立木蓄积，2024年（模拟数据）", "320", "270 至 370", "不能判定",
    )  # fmt: skip
    assert cells["草原综合植被盖度"][2:4] == ("42", "30 至 55")
    assert cells["湿地保护率"][1:4] == ("—", "—", "—")
    assert sheet.figures[1] == (
        "",
        "生物量碳储量 (吨碳)",
        "1,400,000",
        "600,000 至 2,800,000",
        "生物量模型 62%、覆盖度模型 31%",
    )
    assert sheet.observed[0] == ("2019", "1", "97.0")


def test_the_monitoring_sheet_of_one_period_without_draws_says_what_is_not_known(tmp_path):
    unknown = dict.fromkeys(name for name in row_of("G05", 1) if name.startswith("sink") or name.endswith("95"))
    sheet = monitoring_of(tmp_path, **unknown)
    sheet = replace(sheet, figures=group_cells(
        [{**row_of("city", 900.0, **unknown), "period": "2025", "level": "city"}], [], {"city": "全部片区"}
    ), by_year={"森林": [{"year": 2025, "carbon_tC": None, "fvc_mean": None}]}, periods=((), (2025,)))  # fmt: skip
    assert faults(sheet.draw()) == []
    assert [row[1:] for row in sheet.figures] == [
        ("遥感植被覆盖度 (%)", "41.6", "—", "—"), ("生物量碳储量 (吨碳)", "1,206", "—", "—"),
    ]  # fmt: skip


def test_a_missing_glyph_is_an_error_not_a_box(tmp_path):
    with pytest.raises(OutputError, match=r"no 𪚥 \(U\+2A6A5\); install Noto"):
        sheet_of(tmp_path, 9_000, 8_000, title="G05 𪚥片区").draw()


def test_the_same_sheet_has_the_same_bytes(tmp_path):
    found = []
    for name in ("first", "second"):
        sheet = replace(sheet_of(tmp_path, 9_000, 8_000), stem=tmp_path / name)
        sheet.draw().save(sheet.stem)
        found.append([sheet.stem.with_suffix(kind).read_bytes() for kind in (".pdf", ".png")])
    assert found[0] == found[1]
    assert not list(tmp_path.glob("*.part"))


# --- by a run ---------------------------------------------------------------------------------------------


def drawn(world: World) -> dict[str, int]:
    """When each sheet was written."""
    found = [path for name in ("zones/*/*_sheet", "overview", "monitoring") for path in world.results.glob(f"{name}.*")]
    found.append(world.results / "atlas.pdf")
    return {path.name: path.stat().st_mtime_ns for path in found}


@pytest.fixture
def undrawn(tmp_path):
    """A world with a finished run that is to have sheets."""
    return with_sheets(World.finished(tmp_path))


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory):
    """A world whose sheets were drawn one after the other."""
    world = with_sheets(World.finished(tmp_path_factory.mktemp("drawn")))
    world.run(workers=1)
    return world


@pytest.fixture
def world(tmp_path, one_by_one):
    """A world with all its sheets."""
    world = with_sheets(World.at(tmp_path))
    shutil.copytree(one_by_one.out, world.out)
    return world


def with_sheets(world: World) -> World:
    world.settings["deliverables"] = ["sheets"]
    world.write_config()
    return world


def test_a_run_draws_every_zone_and_the_city_in_parallel(undrawn, one_by_one):
    world = undrawn
    world.run(workers=2)
    parallel = {path.name: path.read_bytes() for path in world.results.rglob("*") if path.name in drawn(world)}
    names = [f"{zone}_sheet.{kind}" for zone in ("F01", "F02", "G01", "W01") for kind in ("pdf", "png")]
    names += [f"{name}.{kind}" for name in ("overview", "monitoring") for kind in ("pdf", "png")]
    assert sorted(parallel) == sorted([*names, "atlas.pdf"])
    alone = {path.name: path.read_bytes() for path in one_by_one.results.rglob("*") if path.name in parallel}
    assert alone == parallel

    atlas = PdfReader(world.results / "atlas.pdf")
    assert [round(float(side) / 72 * 25.4) for side in atlas.pages[0].mediabox[2:]] == [297, 210]
    assert [entry.title for entry in atlas.outline] == [
        "总览图", "规划与监测", "F01 F01 (示意)", "F02 F02 (示意)", "G01 G01 (示意)", "W01 W01 (示意)",
    ]  # fmt: skip
    said = atlas.pages[2].extract_text()
    assert "不作为交易依据" in said
    assert "示意，模拟数据" in said
    assert "2019-2021 → 2023-2025" in said
    season = "每年7月15日–8月31日"
    assert f"数据源：小班蓄积 2020、2024 年；模拟 Sentinel-2 12 景，{season}，2019-08-01 至 2025-08-11" in said
    assert "不是永久碳汇" not in said
    assert "地上与根系生物量，年际变化随水热波动，不是永久碳汇" in atlas.pages[4].extract_text()
    assert "地上生物量，年际变化随水位和水热波动，不是永久碳汇" in atlas.pages[5].extract_text()
    assert "像元 30 m" in said
    assert re.search(r"各年合计中位 \d+ 次", said)
    assert "取时段中点蓄积，调查年之间内插，首末调查年之外不变；碳汇的间隔年数为两期蓄积时点之差" in said
    assert "有小班的片区：储量在调查年之间内插，之外不变" in atlas.pages[1].extract_text()
    assert "部分系数未核实，见 run.json。" in atlas.pages[1].extract_text()  # no workbook is delivered
    without_stands = atlas.pages[4].extract_text()
    assert "小班" not in without_stands
    assert "内插" not in without_stands
    with Image.open(world.results / "overview.png") as picture:
        assert picture.size == (2338, 1653)


def test_the_pages_of_the_overview_are_in_the_atlas_drawn_again_when_lost_and_removed_when_outdated(
    undrawn, monkeypatch
):
    world = undrawn
    monkeypatch.setattr("pipeline.outputs.sheets.overview_sheet.FIRST_PAGE", 2)
    monkeypatch.setattr("pipeline.outputs.sheets.overview_sheet.FURTHER_PAGE", 1)
    world.run(workers=1)
    atlas = PdfReader(world.results / "atlas.pdf")
    assert len(atlas.pages) == 3 + 1 + len(ZONES)
    places = [atlas.get_destination_page_number(entry) for entry in atlas.outline]
    assert places == [0, 3, 4, 5, 6, 7]
    second = world.results / "overview_2.png"
    second.unlink()
    assert "   file missing: overview" in planned(world)
    world.run(workers=1)
    assert second.is_file()
    assert "4 publish: 0 of 6 sheets to draw" in planned(world)
    monkeypatch.undo()
    world.run(workers=1)
    assert not list(world.results.glob("overview_*"))


def test_a_sheet_names_no_vegetation_type_that_the_boundaries_do_not_give(undrawn):
    world = undrawn
    world.settings["zones"]["columns"]["stratum"] = None
    world.write_config()
    world.run(workers=1)
    by_stands, by_index = (PdfReader(world.results / "atlas.pdf").pages[place].extract_text() for place in (2, 3))
    assert "植被类型未给出" in by_stands
    assert "落叶松人工林" not in by_stands
    assert "按落叶松人工林中龄林计" in by_index


def planned(world: World) -> str:
    return "\n".join(plan_lines(prepare(read_config(world.config), world.out), 2))


def test_a_plan_names_the_sheets_to_draw_and_why(undrawn):
    world = undrawn
    of = len(ZONES) + 2
    assert f"4 publish: {of} of {of} sheets to draw" in planned(world)
    world.run(workers=1)
    assert f"4 publish: 0 of {of} sheets to draw, more if a figure or text on them changes; Geo" in planned(world)
    world.change_coefficient("wetland", "value: 530", "value: 400")
    (world.results / "zones" / "G01" / "G01_sheet.png").unlink()
    said = planned(world)
    assert f"4 publish: 3 of {of} sheets to draw" in said
    assert "   rasters changed: overview, W01_sheet" in said
    assert "   file missing: G01_sheet" in said
    mark = world.results / "work" / "marks" / f"sheet-{world.results.name}-monitoring.json"
    mark.write_text(json.dumps(json.loads(mark.read_text("utf-8")) | {"code": "of before"}), encoding="utf-8")
    assert "   code changed: monitoring" in planned(world)


def test_only_sheets_that_are_lost_or_show_something_else_are_drawn_again(world):
    before = drawn(world)
    (world.results / "zones" / "G01" / "G01_sheet.png").unlink()
    dropped = world.results / "zones" / "X9" / "X9_sheet.pdf"
    dropped.parent.mkdir()
    dropped.touch()
    world.run(workers=1)
    again = drawn(world)
    assert {name for name in again if again[name] != before[name]} == {"G01_sheet.pdf", "G01_sheet.png"}
    assert not dropped.exists()

    world.write_stands([(kind, then, now * 1.1, shape) for kind, then, now, shape in STANDS])  # they stand in F01
    world.run(workers=1)
    after = drawn(world)
    changed = {name for name in after if after[name] != again[name]}
    names = [f"{name}.{kind}" for name in ("F01_sheet", "overview", "monitoring") for kind in ("pdf", "png")]
    assert changed == {*names, "atlas.pdf"}


def test_force_draws_every_sheet_again(world, sinkmap, monkeypatch):
    monkeypatch.setattr("pipeline.execution.engine.available_cores", lambda: 1)
    before = drawn(world)
    done = sinkmap("zones", world.config, "--out", world.out, "--force")
    assert done.code == 0, done.err
    after = drawn(world)
    assert {name for name in after if after[name] == before[name]} == set()


DRAWS_AND_WAITS = """
import os, time
from types import SimpleNamespace
from pipeline.outputs.sheets.atlas import _drawing
with _drawing(SimpleNamespace(has_processes=False, workers=2), 3) as draw:
    (pool,) = draw.args
    pool.submit(os.getpid).result()
    print("drawing", flush=True)
    time.sleep(600)
"""


def test_processes_that_draw_end_when_the_run_is_killed():
    """They share its output, which ends when the last of them has."""
    run = subprocess.Popen([sys.executable, "-c", DRAWS_AND_WAITS], cwd=ROOT, env=child_environment(),
                           stdout=subprocess.PIPE, text=True, start_new_session=True)  # fmt: skip
    try:
        assert run.stdout.readline() == "drawing\n"
        run.kill()
        run.communicate(timeout=20)
    finally:
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
