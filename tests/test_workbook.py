"""The workbook, reopened: its numbers are those of the tables, and it is ready to read and print."""

import math
import re
import zipfile
from html import unescape
from types import SimpleNamespace

import openpyxl
import pytest
from pydantic import BaseModel
from tiny_world import World, read_csv

from pipeline.ecosystems.rows import BinnedCoefficient, Coefficient
from pipeline.outputs.tables import KEY_FIGURES, SUMMARY, TITLES, Table, coefficient_rows
from pipeline.outputs.workbook import _print_setup, _sheet, number_format, text_width
from pipeline.totals.zone_totals import COLUMNS


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World.finished(tmp_path_factory.mktemp("workbook"))
    plan = {"year": 2025, "forest_cover_percent": 19.3, "forest_volume_m3": 3_800_000}
    world.settings |= {"deliverables": ["patches", "workbook"], "uncertainty": {"draws": 200}, "targets": plan}
    world.settings["organisation"] = "包头市林业和草原局"
    world.write_config()
    world.run()
    return world


@pytest.fixture(scope="module")
def book(world):
    return openpyxl.load_workbook(world.results / "tiny.xlsx")


def rows_of(sheet, columns) -> list[dict]:
    """The rows of a sheet by column name."""
    titles = [sheet.cell(2, column).value for column in range(1, sheet.max_column + 1)]
    names = {chinese: name for name, (_, chinese) in columns.items()}
    return [
        {names[title]: value for title, value in zip(titles, row, strict=True)}
        for row in sheet.iter_rows(min_row=3, values_only=True)
    ]


WORDS = {
    "level": {"zone": "片区", "ecosystem": "生态系统", "city": "全部片区"},
    "ecosystem": {"forest": "森林", "grassland": "草原", "wetland": "湿地", "city": "全部片区"},
    "zone_id": {"forest": "森林", "grassland": "草原", "wetland": "湿地", "city": "全部片区"},
    "scheme": {"sl190": "SL 190-2007"},
    "quantity": {
        "carbon_tC": "生物量碳储量(吨碳)",
        "fvc_mean": "遥感植被覆盖度",
        "sink_tCO2_yr": "碳汇量（吨CO2/年，吸收为正）",
        "volume_m3": "小班活立木蓄积(立方米)",
    },
    "status": {"unverified": "未核实 unverified"},
}


def in_chinese(row: dict[str, str]) -> dict[str, str]:
    """A row of a CSV file as the workbook has it: codes as words, and none where their Chinese has its own column."""
    codes = {name.removesuffix("_zh") for name in row if name.endswith("_zh")} | {"class_key", "class_en", "note"}
    return {name: WORDS.get(name, {}).get(text, text) for name, text in row.items() if name not in codes}


def same(shown: object, text: str) -> bool:
    """Whether a cell holds what the CSV says, to the ten digits that it writes."""
    if text == "":
        return shown is None
    if isinstance(shown, int | float):
        return math.isclose(shown, float(text), rel_tol=1e-9)
    return shown == text


def test_every_cell_of_the_summary_stands_in_the_workbook(world, book):
    rows = rows_of(book["片区"], COLUMNS) + rows_of(book["分类合计"], COLUMNS)
    table = read_csv(world.results / "summary.csv")
    assert len(rows) == len(table) == 8
    wrong = [
        (theirs["zone_id"], name, ours[name], text)
        for ours, theirs in zip(rows, table, strict=True)
        for name, text in in_chinese(theirs).items()
        if not same(ours[name], text)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("sheet", "file"),
    [
        ("逐年", "by_year.csv"),
        ("不确定性", "intervals.csv"),
        ("图斑汇总", "patches.csv"),
        ("覆盖度等级面积", "cover_classes.csv"),
        ("规划指标", "targets.csv"),
        ("单列量", "separate.csv"),
        ("片区面积台账", "area_ledger.csv"),
    ],
)
def test_the_other_tables_are_those_of_their_files(world, book, sheet, file):
    table = read_csv(world.results / file)
    shown = list(book[sheet].iter_rows(min_row=3, values_only=True))
    assert len(shown) == len(table) > 0
    for ours, theirs in zip(shown, table, strict=True):
        assert "不作为交易依据" in theirs["note"]  # in the workbook it stands at the foot of every page
        texts = in_chinese(theirs).values()
        assert all(same(value, text) for value, text in zip(ours, texts, strict=True)), (ours, theirs)


def test_the_key_figures_come_first_and_fit_one_page(book):
    sheet = book.worksheets[1]
    assert sheet.title == "总表"
    titles = [cell.value for cell in sheet[2]]
    assert {"片区名称", "椭球面积(万亩)", "碳汇量95%区间下限(吨CO2/年)", "变化判定说明", "状态说明"} <= set(titles)
    assert [sheet.cell(row, 1).value for row in range(3, sheet.max_row + 1)] == [
        "F01", "F02", "G01", "W01", "森林", "草原", "湿地", "全部片区",
    ]  # fmt: skip
    assert sheet.page_setup.fitToWidth == 1


def test_the_key_figures_fit_one_page_however_long_the_names():
    """A name of 16 characters and a long status put the interval of the sink on a second page."""
    row = {"zone_id": "BT-150000", "name_zh": "区" * 30, "status_zh": "无数据：2023-2025年无晴空观测；" * 4}
    table = Table(KEY_FIGURES, "Key figures", {name: TITLES[name] for name in SUMMARY}, [row])
    sheet = openpyxl.Workbook().active
    _sheet(sheet, table, SimpleNamespace(title="", note="", baseline=None, current=SimpleNamespace(label="2025")))
    assert sum(column.width for column in sheet.column_dimensions.values()) > 245
    assert sheet.page_setup.fitToWidth == 1


def test_the_totals_are_bold_and_not_filtered(book):
    """Four zones below the two header rows, then three ecosystems and the city."""
    sheet = book["总表"]
    assert sheet.auto_filter.ref.startswith("A2:")
    assert sheet.auto_filter.ref.endswith("6")
    assert [sheet.cell(row, 2).font.bold for row in range(3, 11)] == [False] * 4 + [True] * 4
    assert book["片区"].auto_filter.ref.endswith("6")
    assert sheet.oddHeader.center.text == "总表    碳汇片区监测    2019-2021 → 2023-2025"


@pytest.mark.parametrize("title", ["长" * 300, "&" * 300])
def test_the_head_of_a_page_is_no_longer_than_excel_takes(tmp_path, title):
    """255 characters with its codes; Excel takes a book with a longer one for damaged."""
    book = openpyxl.Workbook()
    _print_setup(book.active, f"总表    {title}    2019-2021", "note")
    book.save(tmp_path / "long.xlsx")
    with zipfile.ZipFile(tmp_path / "long.xlsx") as archive:
        (head,) = re.findall("<oddHeader>(.*)</oddHeader>", archive.read("xl/worksheets/sheet1.xml").decode())
    head = unescape(head)
    assert len(head) <= 255
    assert head.startswith("&C总表    ")
    assert head.removeprefix("&C").count("&") % 2 == 0


def test_each_table_has_two_header_rows_that_stay_and_are_printed_on_every_page(book):
    for sheet in book.worksheets[1:]:
        titles = [sheet.cell(2, column).value for column in range(1, sheet.max_column + 1)]
        assert all(any("一" <= letter <= "鿿" or letter == "N" for letter in title) for title in titles), titles
        assert len(set(titles)) == len(titles)
        assert all(sheet.cell(1, column).value.isascii() for column in range(1, sheet.max_column + 1))
        assert sheet.freeze_panes[1:] == "3"
        assert sheet.print_title_rows == "$1:$2"
        assert (sheet.page_setup.orientation, int(sheet.page_setup.paperSize)) == ("landscape", 9)
        assert "不作为交易依据" in sheet.oddFooter.left.text


def test_no_number_is_cut_by_its_column(book):
    for sheet in book.worksheets[1:]:
        for column in sheet.iter_cols(min_row=3):
            width = sheet.column_dimensions[column[0].column_letter].width
            for cell in column:
                if isinstance(cell.value, float) and cell.number_format == "#,##0":
                    assert len(f"{cell.value:,.0f}") < width
                elif isinstance(cell.value, str) and not cell.alignment.wrap_text:
                    assert text_width(cell.value) <= width


def test_the_cover_says_what_the_numbers_are_and_leads_to_the_sheets(book):
    cover = book["说明"]
    assert (cover.page_setup.fitToWidth, cover.page_setup.fitToHeight) == (1, 1)
    text = " ".join(str(value) for row in cover.iter_rows(values_only=True) for value in row if value)
    for words in ("模拟", "不作为交易依据", "储量不是碳汇", "不是草原综合植被盖度", "不作为处方", "调查年之间内插"):
        assert words in text
    assert "编制单位 organisation 包头市林业和草原局" in text
    links = [cell.hyperlink.location for (cell, *_) in cover.iter_rows() if cell.hyperlink]
    assert links == [f"'{sheet.title}'!A1" for sheet in book.worksheets[1:]]


def test_every_coefficient_is_there_with_its_source_and_unverified_ones_are_marked(book, ecosystems):
    def count(node) -> int:
        if isinstance(node, Coefficient | BinnedCoefficient):
            values = node.values if isinstance(node, BinnedCoefficient) else node.value
            return len(values) if isinstance(values, tuple) else 1
        parts = node.values() if isinstance(node, dict) else [getattr(node, name) for name in type(node).model_fields]
        return sum(count(part) for part in parts if isinstance(part, BaseModel | dict))

    rows = list(coefficient_rows(ecosystems))
    assert len(rows) == sum(count(ecosystem) for ecosystem in ecosystems.values())
    assert all(row["source"] and row["unit"] for row in rows)
    ranges = {row["coefficient"]: row["u95"] for row in rows if row["u95"][0] not in "±无"}
    assert len(ranges) == 15  # three tables of five steps
    assert ranges["bcef.pines (stand volume, m3/ha ≤ 20)"] == "0.6 – 2.4"
    assert "strata.desert_steppe.root_shoot" in {row["coefficient"] for row in rows}
    assert -901.287 in [row["value"] for row in rows]
    sheet = book["系数"]
    marked = [cell for cell in sheet["H"][2:] if cell.fill.fgColor.rgb.endswith("FDE0C5")]
    assert marked == [cell for cell in sheet["H"][2:] if "unverified" in cell.value] != []


def test_a_table_of_one_value_for_all_volumes_is_one_row(ecosystems):
    content = ecosystems["forest"].model_dump()
    content["bcef"]["hardwoods"] |= {"values": [0.9], "edges": [], "ranges": [[0.6, 1.4]]}
    forest = type(ecosystems["forest"]).model_validate(content)
    row = next(row for row in coefficient_rows({"forest": forest}) if row["coefficient"] == "bcef.hardwoods")
    assert (row["value"], row["u95"]) == (0.9, "0.6 – 1.4")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("observed_fraction", "0.0%"),
        ("fvc_mean", "0.0%"),
        ("ndvi_mean", "0.000"),
        ("area_ha", "#,##0.0"),
        ("area_mu", "#,##0"),
        ("area_wanmu", "#,##0.00"),
        ("carbon_tC_ha", "#,##0.00"),
        ("carbon_tC", "#,##0"),
        ("carbon_tC_low95", "#,##0"),
        ("sink_tCO2_ha_yr", "#,##0.000"),
        ("sink_tCO2_yr_high95", "#,##0"),
        ("planned_difference_percent", "0.00"),
        ("value", "General"),
    ],
)
def test_numbers_are_shown_as_fits_their_unit(name, form):
    assert number_format(name, {}) == form


@pytest.mark.parametrize(
    ("name", "row", "form"),
    [
        ("estimate", {"unit": "m3"}, "#,##0"),
        ("low95", {"unit": "%"}, "0.0"),
        ("target_value", {"unit": "万亩"}, "#,##0.00"),
        ("area_wanmu", {"area_wanmu": 0.0016}, "#,##0.0000"),  # a zone of one hectare
        ("area_wanmu", {"area_wanmu": 0.1}, "#,##0.00"),
        ("declared_wanmu", {"declared_wanmu": None}, "#,##0.00"),
        ("p97_5", {"quantity": "fvc_mean"}, "0.0%"),
        ("mean", {"quantity": "carbon_tC"}, "#,##0"),
        ("share_index", {"quantity": "carbon_tC"}, "0.0%"),
    ],
)
def test_estimates_are_shown_as_fits_the_quantity_of_their_row(name, row, form):
    assert number_format(name, row) == form


def test_a_text_keeps_clear_of_the_number_to_its_left(book):
    cells = [cell for sheet in book.worksheets[1:] for row in sheet.iter_rows(min_row=3) for cell in row]
    sides = {True: set(), False: set()}
    for cell in cells:
        sides[isinstance(cell.value, str)].add((cell.alignment.horizontal, cell.alignment.indent))
    assert sides == {True: {("left", 1)}, False: {(None, 0)}}  # without a side, an indent is not shown


def test_a_name_that_looks_like_a_formula_stays_a_text(world, tmp_path):
    from pipeline.outputs.workbook import _put

    cell = _put(openpyxl.Workbook().active.cell(1, 1), "=1+1")
    assert (cell.data_type, cell.value) == ("s", "=1+1")
    assert _put(cell, "a\x07b").value == "ab"


def test_the_same_results_give_the_same_bytes(world):
    path = world.results / "tiny.xlsx"
    before = path.read_bytes()
    path.unlink()
    world.run()
    assert path.read_bytes() == before
    with zipfile.ZipFile(path) as file:
        assert {info.date_time for info in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_figures_say_what_is_official_what_is_seen_and_what_is_worked_out(world, book):
    classes = ("统计口径", "遥感口径", "代理")
    for row in read_csv(world.results / "summary.csv"):
        assert all(name in row["figure_class"] for name in classes)
    (told,) = [row for row in book["说明"].iter_rows(values_only=True) if row[0] == "数据口径 classes of figures"]
    assert all(name in told[1] for name in classes)
