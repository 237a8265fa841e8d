"""What a map sheet is made of: fonts, figures in words, lines of text, scale, graticule, rasters."""

import re
from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from conftest import write_tif
from geopandas.base import GeoPandasBase
from matplotlib.colors import to_hex
from matplotlib.font_manager import FontEntry, fontManager
from rasterio.transform import from_origin

from pipeline.errors import OutputError
from pipeline.mapping.styles import PALE_ZH, RampStyle
from pipeline.outputs import text as say
from pipeline.outputs.note import source_line
from pipeline.outputs.sheets.content import _outlines, zones_to_draw
from pipeline.outputs.sheets.fonts import MARKS, bundled_fonts, find_fonts
from pipeline.outputs.sheets.maps import MapFrame, angle, label_places, outline_pt, round_scale
from pipeline.outputs.sheets.page import Box, Page
from pipeline.outputs.sheets.raster_image import coloured, read_decimated
from pipeline.outputs.sheets.raster_map import RasterMap, Water, draw_legend, draw_raster
from pipeline.scenes.season import PEAK, Season
from pipeline.totals.group_totals import as_counted
from pipeline.totals.zone_totals import COLUMNS

# Fonts


def test_without_an_installed_chinese_font_the_own_one_serves():
    fonts = find_fonts("大青山", [])
    assert fonts == bundled_fonts()
    assert fonts.regular[0].endswith("NotoSansSC-Regular.ttf")
    assert fonts.missing(MARKS + "包头市林草湿碳汇") == []


def test_an_installed_font_is_taken_only_if_it_holds_every_character():
    latin = next(entry for entry in fontManager.ttflist if entry.name == "DejaVu Sans" and entry.weight == 400)
    own = bundled_fonts()
    poor = FontEntry(fname=latin.fname, name="Noto Sans CJK SC", weight=400)
    good = FontEntry(fname=own.regular[0], name="SimHei", weight=400)
    assert find_fonts("碳", [poor]) == own
    assert find_fonts("碳", [poor, good]).name == "SimHei"
    assert find_fonts("碳", [FontEntry(fname=own.regular[0], name="A Latin font", weight=400)]) == own


def test_a_character_that_no_font_holds_is_named():
    with pytest.raises(OutputError, match=r"'𪚥林': the font Noto Sans SC has no 𪚥 \(U\+2A6A5\)"):
        find_fonts("𪚥林", [])
    with pytest.raises(OutputError, match=r"^'𪚥林': the font"):  # the name alone, not all that is on the sheets
        find_fonts("包头\n𪚥林\nF01", [])


def test_a_chinese_character_is_one_em_wide():
    assert bundled_fonts().width_mm("碳汇", 72) == pytest.approx(2 * 25.4)


# Figures in words


@pytest.mark.parametrize(
    ("value", "text"),
    [(461_839.06, "461,839"), (-64_465.8, "−64,466"), (24.02, "24.0"), (2.344, "2.34"), (0.1568, "0.157"), (0.0, "0"),
     (-0.0004, "0.000"), (None, "—"), (float("nan"), "—")],
)  # fmt: skip
def test_numbers_keep_three_digits_and_a_true_minus(value, text):
    assert say.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(20_797, "20,800"), (-64_465.8, "−64,500"), (517.3, "517"), (9.996, "10.0"), (1.6452, "1.65"), (0.157, "0.157"),
     (0.016452, "0.0165"), (0.016981, "0.0170"), (0.0016452, "0.00165"), (0.0000164, "0.00002"),
     (1e-17, "0"), (0.0, "0")],
)  # fmt: skip
def test_figures_that_are_compared_keep_three_significant_digits(value, text):
    """Two years of a small wetland, 0.01645 and 0.01698, are no longer the same 0.017."""
    assert say.three_digits(value) == text


def test_words_of_a_table_are_printed_with_a_true_minus_but_ranges_and_names_keep_their_hyphen():
    """In the table itself they keep it: GBK, of Shapefiles, has no true minus."""
    row = {"status_zh": "与申报面积相差-3.20%", "plausibility_zh": "年变化 -0.639（依据：大青山 2024（9-15），GF-6）"}
    said = ("状态：与申报面积相差−3.20%", "合理性：年变化 −0.639（依据：大青山 2024（9-15），GF-6）")
    assert say.quality_lines(row) == said


def test_a_forest_says_what_its_stands_cover():
    row = {"area_wanmu": 22.3, "area_ha": 14_868.0, "declared_wanmu": 22.3, "stand_area_fraction": 0.915}
    drawn = "面积 22.30 万亩（14,868 公顷）；申报 22.30 万亩"
    assert say.area_line(row) == f"{drawn}；小班覆盖 92%，其余计0"
    assert (
        say.area_line(row | {"stand_area_fraction": None}) == say.area_line(row | {"stand_area_fraction": 1}) == drawn
    )
    assert say.area_line(row | {"stand_area_fraction": None, "declared_wanmu": None}) == drawn.partition("；")[0]


def test_years_of_groups_that_lack_a_zone_are_said_to_be_left_out():
    """One cloudy zone empties the charts of its ecosystem, beside figures of the others."""
    whole = {"carbon_tC": 1.0, "fvc_mean": 0.5}
    assert say.left_out_years([whole, whole]) == ""
    said = "各年的值须分类内全部片区都有值，否则不计，记“—”。"
    assert say.left_out_years([whole, whole | {"fvc_mean": None}]) == said  # the stock is by stands
    assert say.left_out_years([dict.fromkeys(whole)]) == said


def test_a_sink_shows_its_sign_and_zero_has_none():
    assert [say.number(value, signed=True) for value in (17_239.05, -2.34, 0)] == ["+17,239", "−2.34", "0"]


def test_an_interval_per_ha_is_that_of_the_total_by_the_area():
    row = {"area_ha": 200.0, "sink_tCO2_yr_low95": -100.0, "sink_tCO2_yr_high95": 500.0, "fvc_mean_low95": 0.3,
           "fvc_mean_high95": 0.505, "carbon_tC_low95": None, "carbon_tC_high95": None}  # fmt: skip
    assert say.bounds(row, "sink_tCO2_ha_yr") == (-0.5, 2.5)
    row |= {"sink_tCO2_ha_yr": 1.04, "fvc_mean": 0.4162, "carbon_tC_ha": 19.687, "ndvi_mean": None}
    assert say.figure(row, "sink_tCO2_ha_yr", signed=True) == ("+1.0", "−0.5 至 2.5")
    assert say.figure(row, "fvc_mean", 100) == ("42", "30 至 50")
    assert say.figure(row, "carbon_tC_ha") == ("19.7", "—")
    assert say.figure(row, "ndvi_mean") == ("—", "—")


@pytest.mark.parametrize(
    ("figure", "printed"),
    [
        ((4_056_895, 2_437_996, 5_216_719), ("+4,100,000", "2,400,000 至 5,200,000")),
        ((117_186, -191_179, 434_904), ("+120,000", "−190,000 至 430,000")),
        ((-82.2, -12_946, 13_325), ("0", "−13,000 至 13,000")),
        ((-5.78, -230, 220), ("−10", "−230 至 220")),
        ((0.1768, 0.0597, 0.3424), ("+0.18", "0.06 至 0.34")),
        ((24.97, 14.2, 32.6), ("+25.0", "14.2 至 32.6")),
        ((0.93, -0.016, 2.377), ("+0.9", "−0.02 至 2.4")),  # no change can be told, and the end says so
        ((34_033, 300, 85_030), ("+34,000", "300 至 85,000")),
        ((0.5, 0.0, 1.0), ("+0.50", "0.00 至 1.00")),
        ((0.5, -1e-17, 1.0), ("+0.50", "0.00 至 1.00")),
        ((0.0, 0.0, 0.0), ("0", "0 至 0")),
        ((3.0, 3.0, 3.0), ("+3.00", "3.00 至 3.00")),
        ((None, 10.0, 20.0), ("—", "10.0 至 20.0")),
        ((1_234.5, None, None), ("+1,234", "—")),
    ],
)
def test_a_figure_is_printed_to_the_digits_that_its_interval_supports(figure, printed):
    """Two significant digits of the half-width: 1.4 million, 310 000, 13 000, 230, 0.14, 9.2."""
    assert say.with_interval(*figure, signed=True) == printed


def test_the_estimate_is_not_the_mean_of_the_draws():
    stock = {"zone_id": "city", "quantity": "carbon_tC", "period": "2025"}
    rows = [stock | {"period": "2024"}, stock | {"estimate": 5_166_119.0, "mean": 4_897_646.0, "median": 4_871_976.0}]
    said = "95%区间不对称：全部片区生物量碳储量估计值 517、模拟均值 490、中位数 487 万吨碳；各指标见 intervals.csv"
    assert say.skew(rows, "2025") == said
    assert say.skew([], "2025") == ""


def wetland(water: tuple[float, ...], now: float, **changes) -> tuple[dict, list[dict]]:
    """A wetland of 10 t C/ha in the baseline with the water of four years, two of them in either period."""
    row = dict.fromkeys(COLUMNS) | {
        "ecosystem": "wetland", "carbon_tC_ha": now, "baseline_carbon_tC_ha": 10.0, "sink_tCO2_yr": now - 10,
        "sink_finding": "gain",
    }  # fmt: skip
    years = [{"year": 2019 + place, "open_water_fraction": part, "carbon_tC": 9.0} for place, part in enumerate(water)]
    return row | changes, years


PERIODS = (2019, 2020), (2021, 2022)
SHRINKS = (0.31, 0.29, 0.21, 0.19)


@pytest.mark.parametrize(
    ("zone", "value", "said"),
    [
        (wetland(SHRINKS, 11.5), "30.0 → 20.0", "碳增加主要来自水面转为植被"),  # a seventh more land, 15 % more carbon
        (wetland(SHRINKS, 14.0), "30.0 → 20.0", "—"),  # the reeds themselves grew
        (wetland(SHRINKS, 9.0), "30.0 → 20.0", "—"),
        (wetland(SHRINKS, 11.5, sink_finding="unclear"), "30.0 → 20.0", "—"),
        (wetland(SHRINKS, 11.5, sink_tCO2_yr=None, sink_finding=None), "30.0 → 20.0", "—"),
        (wetland((0.3, 0.3, 0.28, 0.28), 10.1), "30.0 → 28.0", "—"),  # by no more than two points
        (wetland((1.0, 1.0, 0.2, 0.2), 5.0, baseline_carbon_tC_ha=0.0), "100.0 → 20.0", "碳增加主要来自水面转为植被"),
        (wetland(SHRINKS, 5.0, baseline_carbon_tC_ha=0.0), "30.0 → 20.0", "—"),  # on bare ground
    ],
)
def test_a_wetland_shows_its_open_water_and_where_its_carbon_comes_from(zone, value, said):
    assert say.water_figure(*zone, PERIODS) == ("开阔水面（%，基准期 → 现状期）", value, said)


def test_open_water_that_is_not_known_or_never_was_is_no_figure():
    assert say.water_figure(*wetland((0.0,) * 4, 11.0), PERIODS) is None
    assert say.water_figure(*wetland((None,) * 4, 11.0), PERIODS) is None
    assert say.water_figure(*wetland(SHRINKS, 11.0), ((), (2021, 2022))) == ("开阔水面（%，现状期）", "20.0", "—")


def test_a_trend_goes_from_the_first_year_that_is_known_to_the_last():
    covers = None, 0.331, 0.4, 0.447
    years = [{"year": 2019 + place, "fvc_mean": cover, "carbon_tC": 9.0} for place, cover in enumerate(covers)]
    assert say.trend(years, "fvc_mean", "覆盖度") == "覆盖度 2020年33.1% → 2022年44.7%"
    assert say.trend(years[:2], "fvc_mean", "覆盖度") == ""


def test_a_year_that_was_hardly_seen_is_no_end_of_a_trend_and_no_part_of_the_open_water():
    """A corner of the wetland, half of it a pond, was all that was seen in 2022."""
    row, years = wetland((0.31, 0.29, 0.21, 0.5), 11.0)
    years[-1]["carbon_tC"] = None
    assert say.trend(years, "open_water_fraction", "开阔水面") == "开阔水面 2019年31.0% → 2021年21.0%"
    assert say.water_figure(row, years, PERIODS)[1] == "30.0 → 21.0"


def test_of_22_zones_that_did_not_change_about_one_seems_to():
    zones = [{"level": "zone", "sink_finding": "unclear"}] * 20 + [{"level": "zone", "sink_finding": "gain"}] * 2
    others = [{"level": "city", "sink_finding": "gain"}, {"level": "zone", "sink_finding": None}]
    assert say.by_chance(zones + others) == "逐片区判定：22个片区即使均无变化，平均也有约1个偶然判为增减"
    assert say.by_chance(zones[:9] + others) == ""  # 0.45 of a zone


def test_the_areas_of_the_plan_have_three_digits():
    (row, total) = say.plan_cells(
        [{"suggestion_zh": "补植", "patches": 1200, "area_mu": 20_797.4, "area_ha": 1386.49, "share": 0.093}]
    )
    assert row == ("补植", "1,200", "20,800", "1,390", "9.3")
    assert total[1:] == row[1:]


def test_the_plan_closes_with_its_total():
    rows = [
        {"suggestion_zh": "封育", "patches": 1, "area_mu": 900.0, "area_ha": 60.0, "share": 0.6},
        {"suggestion_zh": "补植", "patches": 2, "area_mu": 600.0, "area_ha": 40.0, "share": 0.4},
    ]
    assert say.plan_cells(rows) == [
        ("封育", "1", "900", "60.0", "60.0"),
        ("补植", "2", "600", "40.0", "40.0"),
        ("合计", "3", "1,500", "100", "100.0"),
    ]


def test_sources_are_counted_by_sensor():
    scenes = [{"sensor": "sentinel-2", "day": "2023-08-20"}, {"sensor": "sentinel-2", "day": "2019-07-23"},
              {"sensor": "GF-6", "day": "2021-08-01"}]  # fmt: skip
    said = "数据源：GF-6 1 景、Sentinel-2 2 景，每年7月15日–8月31日，2019-07-23 至 2023-08-20"
    assert source_line(scenes, (), PEAK, False) == f"{said}（含修改后的 Copernicus Sentinel 数据）"
    said = "数据源：GF-6 1 景，每年7月15日–8月31日，2021-08-01 至 2021-08-01"
    assert source_line(scenes[2:], (), PEAK, False) == said


def test_sources_name_the_inventories_and_what_is_simulated():
    scenes = [{"sensor": "sentinel-2", "day": "2023-08-20"}]
    said = source_line(scenes, (2020, 2024), Season((6, 1), (9, 30)), True)
    assert said == "数据源：小班蓄积 2020、2024 年；模拟 Sentinel-2 1 景，每年6月1日–9月30日，2023-08-20 至 2023-08-20"
    assert source_line([], (2020,), PEAK, False) == "数据源：小班蓄积 2020 年；无影像"


@pytest.mark.parametrize(("clamped", "said"), [(None, False), (0.05, False), (0.124, True)])
def test_a_sheet_says_where_much_of_a_zone_is_beyond_the_range_of_its_model(clamped, said):
    lines = say.quality_lines({"status_zh": "正常"}, clamped)
    assert lines == ("状态：正常", *(["模型标定：12% 面积超出模型标定范围"] if said else []))


def test_a_sheet_gives_the_gain_of_stands_by_increment_beside_the_sink():
    """Among the key figures of a zone and of all forest; without a sink there is nothing to set it beside."""
    known = dict.fromkeys(COLUMNS) | {"level": "zone", "ecosystem": "forest", "area_ha": 900.0, "sink_tCO2_yr": 7000.0}
    known["gain_loss_tCO2_yr"] = 3667.0
    assert say.key_figures(known)[1] == ("生长量法 (吨CO2/年)，另一口径", "+3,670", "不相加；碳汇区间不含方法选择")
    assert "生长量法" not in str(say.key_figures(known | {"sink_tCO2_yr": None}))
    without = known | {"gain_loss_tCO2_yr": None}
    assert "生长量法" not in str(say.key_figures(without))
    group = known | {"zone_id": "forest", "level": "ecosystem"}
    assert say.group_cells([known, without, group], [], {"forest": "森林"})[-1] == (
        "", "生长量法 (吨CO2/年)，缺1/2个片区", "+3,670", "另一口径，不与碳汇相加", "碳汇区间不含方法选择",
    )  # fmt: skip


def test_a_cover_of_a_group_says_which_zones_it_goes_without():
    """W05 was seen to a half, which is too little here: the mean is that of W01."""
    known = dict.fromkeys(COLUMNS) | {"level": "zone", "ecosystem": "wetland", "area_ha": 900.0, "fvc_mean": 0.7}
    zones = [known | {"zone_id": "W01", "observed_fraction": 1.0}, known | {"zone_id": "W05", "observed_fraction": 0.5}]
    rows = [*zones, known | {"zone_id": "wetland", "level": "ecosystem"}]
    (cell,) = say.group_cells(as_counted(rows, 0.6), [], {"wetland": "湿地"})
    assert cell[:3] == ("湿地", "遥感植被覆盖度 (%)，缺1/2个片区", "70.0")


# Lines


def test_a_line_is_set_smaller_and_then_cut_but_never_too_small_to_read():
    page = Page(bundled_fonts(), "")
    fits, smaller, cut = (page.text(0, 0, "达茂旗" * count, 7, width=30) for count in (2, 5, 30))
    assert (fits.get_size(), fits.get_text()) == (7, "达茂旗达茂旗")
    assert 4.5 < smaller.get_size() < 7
    assert (cut.get_size(), cut.get_text()[-1]) == (4.5, "…")
    assert 25 < page.fonts.width_mm(cut.get_text(), 4.5) <= 30.1


def test_lines_fit_their_width_and_lose_nothing():
    page = Page(bundled_fonts(), "")
    text = "状态：正常（carbon_tC_ha outside 1 to 5）；内蒙古自治区包头市达尔罕茂明安联合旗，荒漠草原（示意）。" * 3
    lines = page.broken(text, 60, 7)
    assert all(page.fonts.width_mm(line, 7) <= 60 for line in lines)
    assert re.sub(r"\s", "", "".join(lines)) == re.sub(r"\s", "", text)
    assert not any(line[0] in "，。；）" for line in lines)
    assert page.broken("two words", 10, 7) == ["two", "words"]


def test_no_line_begins_with_a_mark_that_closes_or_ends_with_one_that_opens():
    """The texts of a run have Latin commas and brackets between Chinese characters."""
    page = Page(bundled_fonts(), "")
    text = "储量（依据样方，未核实），见工作簿的“系数”表；荒漠草原：盛期；典型草原（示意），草甸。" * 3
    for width in range(12, 60):
        lines = page.broken(text, width, 7)
        assert not [line for line in lines if line[0] in "，。；：、）”,.;:)" or line[-1] in "（“("], width


# Maps


@pytest.mark.parametrize(("needed", "scale"), [(123_400, 140_000), (250_000, 250_000), (9_100, 10_000), (101, 120)])
def test_scales_are_round_and_show_no_less_than_is_needed(needed, scale):
    assert round_scale(needed) == scale


def test_the_outline_of_scattered_plots_leaves_their_colours_to_be_seen():
    """Of a forest farm in plots of 1.2 mm a line of 0.9 points hid half: half of its breadth lies inside."""
    plots = shapely.union_all([shapely.box(x, y, x + 1.2, y + 1.2) for x in range(0, 50, 5) for y in range(0, 50, 5)])
    inside_mm = outline_pt(plots) * 25.4 / 72 / 2
    assert inside_mm * plots.length / plots.area < 0.16
    assert outline_pt(plots) >= 0.25  # still printed
    assert outline_pt(shapely.box(0, 0, 120, 60)) == outline_pt(shapely.box(0, 0, 150, 5)) == 0.9
    assert outline_pt(shapely.Polygon()) == 0.9


def test_a_frame_shows_its_zone_with_a_margin():
    bounds = (400_000, 4_500_000, 430_000, 4_510_000)
    frame = MapFrame.around(Box(10, 20, 150, 80), "EPSG:32649", bounds)
    assert frame.scale == 220_000  # 30 km over 150 mm less the margin of 8 % are 1:217 391
    assert shapely.box(*frame.bounds).contains(shapely.box(*bounds))
    centre, corner = frame.to_page(np.array([(415_000, 4_505_000), (frame.bounds[0], frame.bounds[1])]))
    assert tuple(centre) == (85, 60)
    assert tuple(corner) == pytest.approx((10, 20))


def test_a_zone_smaller_than_a_pixel_still_has_surroundings():
    frame = MapFrame.around(Box(0, 0, 100, 100), "EPSG:32649", (400_000, 4_500_000, 400_010, 4_500_010), least_m=1200)
    assert frame.bounds[3] - frame.bounds[1] == pytest.approx(1200)


def test_true_north_turns_with_the_distance_to_the_central_meridian():
    """The convergence of UTM is about (lon - lon0) sin(lat): 1 degree west of 111 E at 41 N turns north by 0.66 to
    the east of grid north."""
    west = MapFrame(Box(0, 0, 100, 100), "EPSG:32649", (415_846, 4_540_000), 100)  # 110 E
    assert west.degrees(np.array([west.centre]))[0][0] == pytest.approx(110, abs=0.01)
    assert west.north_degrees() == pytest.approx(0.656, abs=0.01)
    assert MapFrame(Box(0, 0, 100, 100), "EPSG:32649", (500_000, 4_540_000), 100).north_degrees() == pytest.approx(0)


@pytest.mark.parametrize(
    ("degrees", "side", "step", "text"),
    [(110.5, "E", 1800, "110°30′E"), (41, "N", 3600, "41°N"), (15 + 58 / 60 + 15 / 3600, "E", 15, "15°58′15″E"),
     (-70.25, "E", 900, "70°15′W"), (109 + 59.99999 / 60, "E", 300, "110°00′E")],
)  # fmt: skip
def test_angles_are_written_as_on_map_edges(degrees, side, step, text):
    assert angle(degrees, side, step) == text


def test_a_raster_is_read_no_finer_than_asked_in_its_unit(tmp_path):
    path = tmp_path / "sink.tif"
    stored = np.full((400, 1000), 200, "int16")
    stored[:, :500] = -32768
    with rasterio.open(
        path, "w", driver="GTiff", height=400, width=1000, count=1, dtype="int16", nodata=-32768, crs="EPSG:32649",
        transform=from_origin(0, 4000, 10, 10),
    ) as file:  # fmt: skip
        file.scales = (0.005,)
        file.write(stored, 1)
    values, bounds = read_decimated(path, 100)
    assert values.shape == (1, 40, 100)
    assert np.isnan(values[0, :, :50]).all()
    assert (values[0, :, 50:] == 1).all()
    assert bounds == (0, 0, 10_000, 4000)


def test_classes_are_coloured_as_the_style_says():
    style = RampStyle(breaks=(0, 1), colors=("#ff0000", "#00ff00", "#0000ff"), unit_zh="")
    values = np.array([[-1, 0], [1, np.nan]])
    image = coloured(values, style)
    assert image.tolist() == [[[255, 0, 0, 255], [0, 255, 0, 255]], [[0, 0, 255, 255], [0, 0, 0, 0]]]
    pale = coloured(values, style, np.array([[True, False], [False, True]]))
    assert pale.tolist() == [[[255, 183, 183, 255], [0, 255, 0, 255]], [[0, 0, 255, 255], [0, 0, 0, 0]]]


def test_a_legend_shows_the_pale_colours_below_the_full_ones(tmp_path):
    style = RampStyle(breaks=(0.5,), colors=("#000000", "#00ff00"), unit_zh="")
    shown = {}
    for hint in ("", PALE_ZH):
        page = Page(bundled_fonts(), "")
        draw_legend(page, Box(10, 10, 80, 14), RasterMap("", "碳汇强度", tmp_path, style, ("减少", "增加"), hint))
        shown[hint] = [(patch.get_y(), to_hex(patch.get_facecolor())) for patch in page.axes.patches]
    assert [color for _, color in shown[""]] == ["#000000", "#00ff00"]
    assert [color for _, color in shown[PALE_ZH]] == ["#000000", "#00ff00", "#b8b8b8", "#b8ffb8"]
    assert shown[PALE_ZH][2][0] < shown[PALE_ZH][0][0]


def test_a_change_that_may_be_zero_is_pale(tmp_path):
    """No larger than what can be told from none, the last band: so also where both are 0, as on open water."""
    bands = np.array([[[0, 1, 2]], [[0, 9, 9]], [[0, 1, 1.9]]], "float32")
    write_tif(tmp_path / "sink.tif", bands, left=500_000, top=4_540_010, nodata=np.nan)
    zone = shapely.box(500_000, 4_540_000, 500_030, 4_540_010)
    page = Page(bundled_fonts(), "")
    style = RampStyle(breaks=(0.5,), colors=("#000000", "#00ff00"), unit_zh="")
    frame = MapFrame.around(Box(0, 0, 100, 100), "EPSG:32649", zone.bounds)
    draw_raster(page, frame, RasterMap("", "", tmp_path / "sink.tif", style, ("减少", "增加")), zone)
    (image,) = page.axes.images
    assert image.get_array().tolist() == [[[183, 183, 183, 255], [183, 255, 183, 255], [0, 255, 0, 255]]]


def test_open_water_lies_over_the_cover(tmp_path):
    """A pixel that was water in half of its years is blue, whatever its cover; nothing known stays transparent."""
    files = {
        "cover": ("int16", 1e-4, -32768, [[8000, 0], [100, -32768]]),
        "water": ("uint8", 0.01, 255, [[0, 50], [33, 255]]),
    }
    for name, (dtype, scale, nodata, stored) in files.items():
        with rasterio.open(
            tmp_path / f"{name}.tif", "w", driver="GTiff", height=2, width=2, count=1, dtype=dtype, nodata=nodata,
            crs="EPSG:32649", transform=from_origin(500_000, 4_540_020, 10, 10),
        ) as file:  # fmt: skip
            file.scales = (scale,)
            file.write(np.array(stored, dtype), 1)
    zone = shapely.box(500_000, 4_540_000, 500_020, 4_540_020)
    page = Page(bundled_fonts(), "")
    frame = MapFrame.around(Box(0, 0, 100, 100), "EPSG:32649", zone.bounds)
    style = RampStyle(breaks=(0.5,), colors=("#ffffff", "#00ff00"), unit_zh="")
    water = Water(tmp_path / "water.tif", "#0000ff")
    draw_raster(page, frame, RasterMap("", "", tmp_path / "cover.tif", style, water=water), zone)
    (image,) = page.axes.images
    shown = image.get_array()
    half = len(shown) // 2
    land, wet, bare, unknown = shown[:half, :half], shown[:half, half:], shown[half:, :half], shown[half:, half:]
    assert [np.unique(part.reshape(-1, 4), axis=0).tolist() for part in (land, bare, unknown)] == [
        [[0, 255, 0, 255]], [[255, 255, 255, 255]], [[0, 0, 0, 0]]
    ]  # fmt: skip
    lines = (wet == 255).all(axis=2)
    assert 0.1 < lines.mean() < 0.2
    assert (lines == lines[:, :1]).all()  # level
    assert (wet[~lines] == (0, 0, 255, 255)).all()


def test_a_loss_that_can_be_told_from_none_is_lined_as_its_class_in_the_legend(tmp_path):
    """Printed without colours the darkest loss is as dark as the darkest gain: only white lines tell them apart."""
    bands = np.array([[[-4, -4, 4, np.nan]], [[1, 9, 1, np.nan]]], "float32")
    write_tif(tmp_path / "sink.tif", bands, left=500_000, top=4_540_010, nodata=np.nan)
    zone = shapely.box(500_000, 4_540_000, 500_040, 4_540_010)
    page = Page(bundled_fonts(), "")
    style = RampStyle(breaks=(-3, -1, 1), colors=("#543005", "#bf812d", "#dbd9d4", "#003c30"), unit_zh="")
    frame = MapFrame.around(Box(0, 0, 100, 100), "EPSG:32649", zone.bounds)
    draw_raster(page, frame, RasterMap("", "", tmp_path / "sink.tif", style, ("减少", "增加")), zone)
    (image,) = page.axes.images
    lined = [(part == 255).all(axis=2).mean() for part in np.split(image.get_array(), 4, axis=1)]
    assert 0.1 < lined[0] < 0.2
    assert lined[1:] == [0, 0, 0]  # pale, a gain, nothing known

    def hatched(ends):
        sheet = Page(bundled_fonts(), "")
        draw_legend(sheet, Box(10, 10, 80, 14), RasterMap("", "碳汇强度", tmp_path, style, ends))
        return [(patch.get_x(), patch.get_width()) for patch in sheet.axes.patches if patch.get_hatch()]

    assert hatched(("减少", "增加")) == [(10, 40)]
    assert hatched(None) == []


def test_a_label_lies_on_no_other_shape_while_there_is_room_beside_it():
    """On a large neighbour it would name that one; where all around is another's, it stays near."""
    shapes = {"large": shapely.box(10, 10, 50, 50), "small": shapely.box(7, 29, 9, 31)}
    places = label_places(Box(0, 0, 100, 100), shapes, dict.fromkeys(shapes, (8, 3)))
    small = shapely.box(places["small"].left, places["small"].bottom, places["small"].right, places["small"].top)
    assert not small.intersects(shapes["large"])
    assert small.distance(shapes["small"]) < 2
    island = {"sea": shapely.box(0, 0, 100, 100) - shapely.box(49, 49, 51, 51), "isle": shapely.box(49, 49, 51, 51)}
    isle = label_places(Box(0, 0, 100, 100), island, dict.fromkeys(island, (8, 3)))["isle"]
    assert shapely.box(isle.left, isle.bottom, isle.right, isle.top).distance(island["isle"]) < 2


def test_outlines_of_zones_that_are_far_are_simplified_once_for_all_sheets(monkeypatch):
    """For each sheet anew, 120 zones of 6000 vertices took a minute; those beside a zone have its own tolerance."""
    circles = [shapely.Point(x, 0).buffer(900, quad_segs=500) for x in (0, 2_000, 30_000, 60_000, 90_000)]
    zones = gpd.GeoDataFrame({"id": list("ABCDE")}, geometry=circles, crs="EPSG:32649")
    simplified, simplify = [], GeoPandasBase.simplify
    monkeypatch.setattr(
        GeoPandasBase, "simplify", lambda self, *args: (simplified.extend(self.geometry), simplify(self, *args))[1]
    )
    drawn = zones_to_draw(SimpleNamespace(zones=zones, grid_crs=zones.crs))
    sheets = [_outlines(drawn, zone) for zone in zones["id"]]
    assert len(simplified) == 5 + 2  # A and B lie beside each other
    own, (beside, *far) = sheets[0]
    assert own.equals(circles[0].simplify(1_800 / 170 * 0.05))
    assert beside.equals(circles[1].simplify(1_800 / 170 * 0.05))
    coarse = 91_800 / 4 / 170 * 0.05
    assert all(shape.equals(circle.simplify(coarse)) for shape, circle in zip(far, circles[2:], strict=True))


def test_a_label_that_finds_no_place_in_its_map_is_left_out():
    """Of 300 zones the names lay in heaps on the table beside the map."""
    shapes = {str(number): shapely.Point(5, 5).buffer(1) for number in range(9)}
    places = label_places(Box(0, 0, 10, 10), shapes, dict.fromkeys(shapes, (8, 3)))
    assert 0 < len(places) < 9
    assert all(min(p.left, p.bottom) >= 0 and max(p.right, p.top) <= 10 for p in places.values())


@pytest.mark.parametrize(("across", "all_named"), [(6, True), (10, False)])
def test_a_label_goes_far_from_its_shape_where_shapes_are_few_alone(across, all_named):
    """The lines of 300 zones to far labels made a tangle on the overview, over which no label could be read."""
    shapes = {f"{x}-{y}": shapely.box(40 + x, 40 + y, 40.5 + x, 40.5 + y) for x in range(across) for y in range(across)}
    places = label_places(Box(0, 0, 100, 100), shapes, dict.fromkeys(shapes, (8, 3)))
    far = [shapely.box(p.left, p.bottom, p.right, p.top).distance(shapes[name]) for name, p in places.items()]
    assert len(places) == len(shapes) if all_named else 0 < len(places) < len(shapes)
    assert (max(far) < 8) != all_named


def test_labels_lie_on_large_shapes_and_beside_small_ones():
    shapes = {
        "large": shapely.box(10, 10, 50, 50),
        "small": shapely.box(70, 70, 71, 71),
        "edge": shapely.box(99, 0, 100, 1),
    }
    places = label_places(Box(0, 0, 100, 100), shapes, dict.fromkeys(shapes, (8, 3)))
    boxes = {name: shapely.box(p.left, p.bottom, p.right, p.top) for name, p in places.items()}
    assert shapes["large"].contains(boxes["large"])
    assert 0 < boxes["small"].distance(shapes["small"]) < 2
    assert shapely.box(0, 0, 100, 100).contains(boxes["edge"])
