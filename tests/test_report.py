"""The report, reopened: it says what the tables say, in Word's own headings and tables."""

import re
import zipfile

import docx
import pytest
from docx.shared import Cm, Pt
from tiny_world import DAYS, STANDS, WATER, YEARS, ZONES, World, box, clouds_over, read_csv, sky

from pipeline.outputs.report import NO_XML, _clean, write_report
from pipeline.outputs.report_text import Grid, report_sections
from pipeline.outputs.text import UNKNOWN, figure

PLAN = {"year": 2025, "forest_cover_percent": 19.3, "forest_volume_m3": 3_800_000}


def world_with_report(folder, **settings) -> World:
    world = World.finished(folder)
    world.settings |= {"deliverables": ["patches", "report"], "uncertainty": {"draws": 200}} | settings
    world.write_config()
    world.done = world.run()
    return world


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return world_with_report(
        tmp_path_factory.mktemp("report"), targets=PLAN, organisation="包头市林业和草原局", title="包头市<监测>"
    )


@pytest.fixture(scope="module")
def report(world):
    return docx.Document(world.results / "tiny.docx")


def said(report) -> str:
    return "\n".join(paragraph.text for paragraph in report.paragraphs)


def titles(report) -> list[str]:
    return [paragraph.text for paragraph in report.paragraphs if paragraph.style.name == "Heading 1"]


def table(report, title: str) -> list[list[str]]:
    """The cells of the table that has this title among its columns."""
    (found,) = (each for each in report.tables if title in [cell.text for cell in each.rows[0].cells])
    return [[cell.text for cell in row.cells] for row in found.rows]


def test_its_sections_are_headings_of_word(report):
    assert titles(report) == [
        "一、主要结论", "二、规划目标", "三、分类结果", "四、各片区结果", "五、逐年变化", "六、管理措施建议",
        "七、数据与方法", "八、数据质量",
    ]  # fmt: skip
    text = said(report)
    assert text.startswith(
        "包头市<监测>报告\n现状期 2023-2025 年，与基准期 2019-2021 年比较\n编制单位：包头市林业和草原局"
    )
    assert "数据截至 2025-08-11" in text
    assert "遥感估算，不作为交易依据" in text
    assert "示意，模拟数据" in report.sections[0].footer.paragraphs[0].text


def test_zones_have_the_figures_of_the_result_table(world, report):
    rows = [row for row in world.done.rows if row["level"] == "zone"]
    cells = table(report, "碳储量\n(吨碳)")[1:]
    assert [line[0] for line in cells] == [row["zone_id"] for row in rows]
    for line, row in zip(cells, rows, strict=True):
        assert line[4:6] == list(figure(row, "carbon_tC"))
        assert line[6:8] == list(figure(row, "sink_tCO2_yr", signed=True))
        assert UNKNOWN not in line[4:8]


def test_the_conclusions_name_each_group_and_each_zone_once(world, report):
    text = said(report)
    city = world.done.row("city")
    stock, interval = figure(city, "carbon_tC", 1e-4)
    assert f"全部片区：遥感植被覆盖度{figure(city, 'fvc_mean', 100)[0]}%" in text
    assert f"生物量碳储量{stock}万吨碳（95%区间 {interval}）" in text
    conclusions = text[text.index("各片区两期之间的变化") : text.index("二、规划目标")]
    for zone in ("F01", "F02", "G01", "W01"):
        assert len(re.findall(f"[：、]{zone} ", conclusions)) == 1


def test_years_and_targets_and_suggestions_are_those_of_the_tables(world, report):
    years = table(report, "年份")
    assert [line[0] for line in years[1:]] == ["2019", "2020", "2021", "2023", "2024", "2025"]
    assert years[0][1:3] == ["森林\n覆盖度(%)", "森林\n储量(万吨碳)"]
    targets = read_csv(world.results / "targets.csv")
    assert [line[0] for line in table(report, "规划指标")[1:]] == [row["target_zh"] for row in targets]
    plan = table(report, "措施建议")[1:]
    patches = read_csv(world.results / "patches.csv")
    assert sum(int(line[2].replace(",", "")) for line in plan) == sum(int(row["patches"]) for row in patches)
    for kind in {line[0] for line in plan}:
        assert sum(float(line[4]) for line in plan if line[0] == kind) == pytest.approx(100, abs=0.3)


def test_the_years_of_a_sink_by_stands_are_said(report):
    """A period that ends after the last inventory lies farther from the baseline than the stocks that are compared."""
    assert "首末调查年之外不变；碳汇的间隔年数为两期蓄积时点之差。" in said(report)


def test_a_wetland_whose_water_became_reed_is_told_beside_its_gain(tmp_path, report):
    """Half of W01 was water in the baseline; its sheet says where its carbon comes from, too."""
    from_water = "的碳增加主要来自水面转为植被。"
    assert from_water not in said(report)
    world = World.finished(tmp_path)
    world.settings |= {"deliverables": ["report"], "uncertainty": {"draws": 200}}
    world.write_config()
    for year in YEARS[:3]:
        for day in DAYS:
            scl = sky(day)
            scl[20:45, 262:295] = WATER
            world.write_scene(year, day, scl=scl)
    row = world.run().row("W01")
    assert row["sink_finding"] == "gain"
    text = said(docx.Document(world.results / "tiny.docx"))
    assert f"W01 {row['name_zh']}{from_water}" in text


def test_figures_without_their_interval_beside_them_say_where_it_stands(world, report):
    text = said(report)
    assert text.count("覆盖度的95%区间见 summary.csv。") == 1
    assert text.count("95%区间见 by_year.csv。") == 1
    assert {"fvc_mean_low95", "carbon_tC_high95"} <= read_csv(world.results / "by_year.csv")[0].keys()
    assert "fvc_mean_low95" in read_csv(world.results / "summary.csv")[0]


def test_tables_fit_the_page_and_repeat_their_titles(report):
    page = report.sections[0]
    wide = page.page_width - page.left_margin - page.right_margin
    assert len(report.tables) >= 5
    for each in report.tables:
        assert sum(column.width for column in each.columns) <= wide + Cm(0.01)
        assert each.rows[0]._tr.trPr.xpath("w:tblHeader")
        assert all(row._tr.trPr.xpath("w:cantSplit") for row in each.rows)


def test_a_finding_and_its_star_stand_on_one_line(report):
    """Five signs of 8 pt, a star of half their width, and the margins of a cell."""
    (zones,) = (each for each in report.tables if each.rows[0].cells[-1].text == "判定" and len(each.columns) == 9)
    assert zones.columns[-1].width >= Pt(5 * 8 + 4) + Cm(0.38)


def test_the_same_results_give_the_same_bytes(world):
    path = world.results / "tiny.docx"
    before = path.read_bytes()
    path.unlink()
    world.run()
    assert path.read_bytes() == before
    with zipfile.ZipFile(path) as file:
        assert {info.date_time for info in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_one_period_has_no_sink_to_tell_of(tmp_path):
    world = world_with_report(tmp_path, periods={"current": "2023-2025"}, uncertainty={"draws": 0})
    report = docx.Document(world.results / "tiny.docx")
    text = said(report)
    assert "现状期 2023-2025 年，仅一期" in text
    assert "两期之间的变化" not in text
    assert "95%区间见" not in text  # no draws
    assert "二、分类结果" in titles(report)  # the plan has no targets
    assert "两期之间的碳汇" not in text
    assert table(report, "碳储量\n(吨碳)")[0][4:] == ["碳储量\n(吨碳)", "95%区间"]
    assert [line[0] for line in table(report, "状态")[1:]] == ["F01", "F02"]  # of G01 and W01 nothing is to be said
    assert "仅一期，不计碳汇" not in str(table(report, "状态"))


def test_a_zone_that_clouds_hide_says_so_and_sums_say_what_they_lack(tmp_path):
    """G01 is under cloud in all years of the baseline."""
    world = World.at(tmp_path)
    for year in (2019, 2020, 2021):
        for day in DAYS:
            world.write_scene(year, day, scl=clouds_over(day, ZONES["G01"][2].buffer(300)))
    world.settings |= {"deliverables": ["report"], "uncertainty": {"draws": 100}}
    world.write_config()
    world.run()
    text = said(docx.Document(world.results / "tiny.docx"))
    assert re.search(r"未得出碳汇（1个）：G01 G01 \(示意\)（2019-2021年有效观测仅0%，不计碳汇", text)
    assert re.search(r"草原：.*碳汇未得出（缺1/1个片区）", text)
    assert "六、管理措施建议" not in text


def test_ground_that_counts_twice_is_told_beside_the_areas_and_for_each_group(tmp_path):
    world = World.at(tmp_path)
    world.write_zones(ZONES | {"F02": (*ZONES["F02"][:2], box(10, 80.5, 95, 240))})
    world.settings |= {"deliverables": ["report"]}
    world.settings["zones"]["overlaps"] = "warn"
    world.write_config()
    done = world.run()
    text = said(docx.Document(world.results / "tiny.docx"))
    twice = "片区重叠，98.6公顷重复计算，去重面积"
    assert twice in done.row("city")["status_zh"]
    assert twice in text[: text.index("全部片区：遥感植被覆盖度")]
    quality = text[text.index("、数据质量") :]
    assert f"森林：{done.row('forest')['status_zh']}。" in quality
    assert f"全部片区：{done.row('city')['status_zh']}。" in quality
    assert "湿地：" not in quality


def test_zones_without_patches_are_named_where_areas_are_summed_up(world, report, tmp_path):
    """The stands of F01 have an impossible volume."""
    lacking = World.at(tmp_path)
    lacking.write_stands([(species, then, 420.0, shape) for species, then, _, shape in STANDS])
    lacking.settings |= {"deliverables": ["patches", "report"]}
    lacking.write_config()
    lacking.run()
    text = said(docx.Document(lacking.results / "tiny.docx"))
    assert "以上不含没有图斑的片区（1/4个）：F01 F01 (示意)。" in text
    assert "没有图斑的片区" not in said(report)


def test_it_points_only_to_files_that_are_there(world, report, tmp_path):
    """Without a workbook, to the tables and the record of the run; a dash is what it explains, not an empty cell."""
    text = said(report)
    assert "工作簿" not in text
    assert "片区图" not in text
    assert "各片区的方案见 patches.csv。" in text
    assert "以下系数未核实，数值和来源见 run.json：" in text
    assert "均值和中位数见不确定性表（intervals.csv）" in text
    assert all((world.results / name).is_file() for name in re.findall(r"\w+\.(?:csv|json)", text))
    assert "空白：" not in text
    assert "“—”：未知或不计，不是零。" in text
    whole = said(docx.Document(with_all(tmp_path).results / "tiny.docx"))
    assert "各片区的方案见片区图和工作簿“一片一方案”表。" in whole
    assert "数值和来源见工作簿“系数”表" in whole


def with_all(folder) -> World:
    return world_with_report(folder, deliverables=["patches", "sheets", "workbook", "report"])


def test_the_overview_is_shown_if_it_was_drawn(world, tmp_path):
    assert not docx.Document(world.results / "tiny.docx").inline_shapes
    drawn = world_with_report(tmp_path, deliverables=["sheets", "report"])
    report = docx.Document(drawn.results / "tiny.docx")
    (picture,) = report.inline_shapes
    page = report.sections[-1]
    assert page.page_width > page.page_height
    assert picture.height < page.page_height - page.top_margin - page.bottom_margin - Cm(0.8)
    assert_no_blank_page_before(report, [each for each in report.paragraphs if each._p.xpath("w:pPr/w:sectPr")])
    drawn.settings["deliverables"] = []
    drawn.write_config()
    drawn.run()
    assert not (drawn.results / "tiny.docx").exists()


def test_a_title_longer_than_the_properties_of_a_file_hold_stands_in_the_document(tmp_path):
    title = "包头市林草湿碳汇监测" * 30
    report = docx.Document(world_with_report(tmp_path, title=title).results / "tiny.docx")
    assert said(report).startswith(f"{title}报告\n")
    assert title.startswith(report.core_properties.title)


def test_all_pages_of_the_overview_are_shown_in_order(tmp_path):
    """An overview of many zones has further pages; that of a report is told by its caption."""
    drawn = world_with_report(tmp_path, deliverables=["sheets"])
    whole = drawn.results / "overview.png"
    results = world_results(drawn)
    for number in range(2, 11):
        (drawn.results / f"overview_{number}.png").write_bytes(whole.read_bytes() + bytes([number]))
    write_report(results)
    report = docx.Document(drawn.results / "tiny.docx")
    captions = [text for text in said(report).splitlines() if text.startswith("附图")]
    assert captions == [f"附图  片区总览（{number}/10）" for number in range(1, 11)]
    shown = [picture._inline.graphic.graphicData.pic.blipFill.blip.embed for picture in report.inline_shapes]
    blobs = [report.part.related_parts[name].blob for name in shown]
    assert [blob[-1] for blob in blobs[1:]] == list(range(2, 11))
    assert len(report.sections) == 2


def assert_no_blank_page_before(report, breaks) -> None:
    """The empty paragraph below the last table, which may end where its page does, takes no room."""
    (ending,) = breaks or report.paragraphs[-1:]
    assert ending._p.getprevious().tag.endswith("}tbl")
    assert (ending.paragraph_format.line_spacing, ending.paragraph_format.space_after) == (Pt(1), 0)


def test_no_empty_page_follows_a_table_that_ends_where_its_page_does(report):
    assert_no_blank_page_before(report, [])


def test_characters_that_no_document_can_hold_are_left_out():
    assert _clean("a\x07b\x0bc") == "abc"
    assert not NO_XML.search("片区\t一\n二")


def test_no_table_is_empty(world):
    sections = report_sections(world_results(world))
    assert all(part.rows for section in sections for part in section.parts if isinstance(part, Grid))


def world_results(world):
    """The results as the deliverables get them."""
    from unittest.mock import patch

    seen = []
    world.settings["deliverables"] = [*dict.fromkeys([*world.settings["deliverables"], "report"])]
    world.write_config()
    with patch("pipeline.outputs.report.write_report", seen.append):
        world.run()
    return seen[0]
