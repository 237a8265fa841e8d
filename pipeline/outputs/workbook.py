"""The workbook: all tables for Excel, ready to read and to print."""

import io
import re
import unicodedata
from collections.abc import Iterable, Mapping
from copy import copy
from typing import NamedTuple

import numpy as np
from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.hyperlink import Hyperlink
from openpyxl.worksheet.worksheet import Worksheet

from pipeline.outputs.office_file import write_office_file
from pipeline.outputs.results import Results
from pipeline.outputs.styling.qml import FONTS
from pipeline.outputs.tables import DEFINITIONS, KEY_FIGURES, Table, workbook_tables

FORMATS = (
    (r"fraction|share|^fvc", "0.0%"),
    (r"ndvi|^index_mean$", "0.000"),
    (r"^(lower|upper)$", "0%"),
    (r"_ha_yr(_|$)", "#,##0.000"),
    (r"_ha(_|$)", "#,##0.00"),
    (r"wanmu", "#,##0.00"),
    (r"area_mu", "#,##0"),
    (r"_tC|_tCO2|_m3", "#,##0"),
    (r"percent", "0.00"),
)
"""Number formats by patterns of the column's name; the first that matches is used."""

ESTIMATE = re.compile(r"target_value|low95|high95|estimate|mean|median|p\d+(_5)?|conservative")
UNIT_FORMATS = {"m3": "#,##0", "%": "0.0", "万亩": "#,##0.00"}
"""Columns of estimates, which have the format of the quantity that their row names, or that of its unit."""

AREA_FORMAT = "#,##0.0"
SMALL_AREA_FORMAT = "#,##0.0000"
"""For an area below 0.1 万亩, as on the sheets: with two decimals one hectare would be 0."""

HEAD = PatternFill("solid", fgColor="1B7837")
SUBHEAD = PatternFill("solid", fgColor="E5F5E0")
WARNING = PatternFill("solid", fgColor="FDE0C5")
LINE = Border(bottom=Side("thin", color="D9D9D9"))
FONT, BODY_SIZE, LINE_HEIGHT = FONTS[0], 10, 16
"""The font of all cells; its size and the height of its lines in points. If no font is named, each program uses its
own."""
MIN_WIDTH, MAX_WIDTH, HEAD_WIDTH = 9, 46, 12
PAGE_WIDTH = 245
"""Characters across an A4 sheet that one can still read."""
HEAD_LENGTH = 250
"""Characters of a page header. Excel allows 255 including its codes, and takes a workbook with more for damaged."""
BODY, STRONG = Font(FONT, BODY_SIZE), Font(FONT, BODY_SIZE, bold=True)
NAMES = ("level", "zone_id", "name_zh", "zone_name")
"""Columns at the left of a table that identify a row: they stay visible and are printed on every page."""
FIRST_ROW = 3
"""Tables begin below an English and a Chinese header row; the latter, next to the rows, has the filter."""


def write_workbook(results: Results) -> None:
    """Write ``<name>.xlsx``. The same results give the same bytes. Raises OutputError."""
    book = Workbook()
    tables = workbook_tables(results)
    _cover(book.active, results, tables)
    for table in tables:
        _sheet(book.create_sheet(table.name), table, results)
    book.properties.title, book.properties.creator = results.title, "sinkmap"
    content = io.BytesIO()
    book.save(content)
    write_office_file(results.folder / f"{results.name}.xlsx", content.getvalue(), "Excel")


def _cover(sheet: Worksheet, results: Results, tables: list[Table]) -> None:
    """Title, what the numbers are, definitions and the list of the sheets."""
    sheet.title = "说明"
    made_by = [("编制单位 organisation", results.organisation, "")] if results.organisation else []
    lines = [
        *made_by,
        ("说明 note", results.note, ""),
        ("时段 periods", _periods(results), ""),
        ("影像 scenes", f"{len(results.scenes)}景采用，{len(results.set_aside)}景未采用", "used, set aside"),
        ("未核实系数 unverified", "见系数表中标色的行", "coloured rows of the coefficients"),
        (),
        *DEFINITIONS,
        (),
        *((table.name, table.name_en, f"{len(table.rows)}行 rows") for table in tables),
    ]
    widths = (26, 58, 58)
    _put(sheet.cell(1, 1), results.title).font = Font(FONT, 16, bold=True, color="1B7837")
    for number, line in enumerate(lines, FIRST_ROW):
        for column, text in enumerate(line, 1):
            cell = _put(sheet.cell(number, column), text)
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            cell.font = Font(FONT, BODY_SIZE, bold=column == 1)
        sheet.row_dimensions[number].height = _height(zip(line, widths, strict=False))
        if line and line[0] in {table.name for table in tables}:
            cell = sheet.cell(number, 1)
            cell.hyperlink = Hyperlink(ref=cell.coordinate, location=f"'{line[0]}'!A1")
    for column, width in zip("ABC", widths, strict=True):
        sheet.column_dimensions[column].width = width
    _print_setup(sheet, "", results.note)
    sheet.page_setup.fitToHeight = 1


def _periods(results: Results) -> str:
    return " → ".join(period.label for period in (results.baseline, results.current) if period)


def _sheet(sheet: Worksheet, table: Table, results: Results) -> None:
    """One table: English titles, Chinese titles, rows; totals in bold, and not among what is filtered."""
    filtered = FIRST_ROW - 1 + len(table.rows) - table.totals
    formatted: dict[_Look, Cell] = {}
    for column, (name, (english, chinese)) in enumerate(table.columns.items(), 1):
        for row, text, fill, font in (
            (1, english, SUBHEAD, Font(FONT, 9, color="404040")),
            (2, chinese, HEAD, Font(FONT, BODY_SIZE, bold=True, color="FFFFFF")),
        ):
            cell = _put(sheet.cell(row, column), text)
            cell.fill, cell.font = fill, font
            cell.alignment = Alignment(wrap_text=True, vertical="center", horizontal="center")
        for row, values in enumerate(table.rows, FIRST_ROW):
            cell = _put(sheet.cell(row, column), table.shown(name, values))
            look = _Look.of(cell.value, number_format(name, values), bold=row > filtered)
            if look in formatted:
                cell._style = copy(formatted[look]._style)  # openpyxl would look up each part of it again
            else:
                look.give(cell)
                formatted[look] = cell
        texts = [_shown(sheet.cell(row, column)) for row in range(FIRST_ROW, sheet.max_row + 1)]
        sheet.column_dimensions[get_column_letter(column)].width = _width(chinese, english, texts)
    widths = [sheet.column_dimensions[get_column_letter(column)].width for column in range(1, len(table.columns) + 1)]
    for row, cells in enumerate(sheet.iter_rows(max_col=len(widths), values_only=True), 1):
        sheet.row_dimensions[row].height = _height(zip(cells, widths, strict=True))
    named = [place for place, name in enumerate(table.columns, 1) if name in NAMES and place <= len(NAMES)]
    last = get_column_letter(max(named, default=1))
    sheet.freeze_panes = f"{get_column_letter(max(named, default=1) + 1)}{FIRST_ROW}"
    sheet.auto_filter.ref = f"A2:{get_column_letter(len(table.columns))}{filtered}"
    sheet.print_title_rows = "1:2"
    sheet.print_title_cols = f"A:{last}"
    _print_setup(sheet, f"{table.name}    {results.title}    {_periods(results)}", results.note)
    if table.name == KEY_FIGURES:  # a little smaller with long names, but stock and sink side by side
        sheet.page_setup.fitToWidth = 1


def _put(cell: Cell, value: object) -> Cell:
    """Set a value; unknown is empty, and a text is never taken for a formula."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        cell.value = ILLEGAL_CHARACTERS_RE.sub("", value)
        cell.data_type = "s"
    elif value is not None and value == value:  # not NaN
        cell.value = value
    return cell


class _Look(NamedTuple):
    """How a cell of a table is shown; ``form`` is that of a number with decimals."""

    form: str
    bold: bool
    is_text: bool
    wraps: bool
    warns: bool

    @classmethod
    def of(cls, value: object, form: str, bold: bool) -> "_Look":
        text = value if isinstance(value, str) else ""
        return cls(
            form if isinstance(value, float) else "", bold, isinstance(value, str),
            text_width(text) > MAX_WIDTH - 2, "unverified" in text,
        )  # fmt: skip

    def give(self, cell: Cell) -> None:
        cell.border, cell.font = LINE, STRONG if self.bold else BODY
        # indented, a text keeps clear of a number to its left
        side = {"horizontal": "left", "indent": 1} if self.is_text else {}
        cell.alignment = Alignment(vertical="top", wrap_text=self.wraps, **side)
        if self.form:
            cell.number_format = self.form
        if self.warns:
            cell.fill = WARNING


def number_format(name: str, row: Mapping) -> str:
    """Excel's format of a number in a column and a row of a table."""
    if ESTIMATE.fullmatch(name):
        if row.get("unit") in UNIT_FORMATS:
            return UNIT_FORMATS[row["unit"]]
        name = row.get("quantity", name)
    if name == "area_ha":
        return AREA_FORMAT
    if name.endswith("wanmu") and 0 < (row.get(name) or 0) < 0.1:
        return SMALL_AREA_FORMAT
    return next((form for pattern, form in FORMATS if re.search(pattern, name)), "General")


def _shown(cell: Cell) -> str:
    """Approximately the text that Excel shows in a cell."""
    if isinstance(cell.value, float):
        decimals = len(cell.number_format.partition(".")[2].rstrip("%"))
        return f"{cell.value:,.{decimals}f}" if cell.number_format != "General" else f"{cell.value:.6g}"
    return "" if cell.value is None else str(cell.value)


def _width(chinese: str, english: str, texts: list[str]) -> float:
    """Column width in characters: no number is cut, titles wrap, long texts wrap."""
    widest = max([MIN_WIDTH, *map(text_width, texts), min(HEAD_WIDTH, text_width(chinese), text_width(english))])
    return min(widest + 2, MAX_WIDTH)


def _height(cells: Iterable[tuple[object, float]]) -> float:
    """Height of a row in points by its values and their columns' widths: programs differ in when they compute it."""
    lines = (-(-text_width(value) // int(width - 2)) for value, width in cells if isinstance(value, str))
    return LINE_HEIGHT * max(1, *lines, 1)


def text_width(text: str) -> int:
    """Width of a text in characters; a Chinese one counts two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _print_setup(sheet: Worksheet, title: str, note: str) -> None:
    """A4 landscape, as many pages wide as can be read; the title in the header, the note and the page number in the
    footer."""
    width = sum(column.width for column in sheet.column_dimensions.values())
    sheet.page_setup.orientation, sheet.page_setup.paperSize = "landscape", sheet.PAPERSIZE_A4
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = -(-int(width) // PAGE_WIDTH), 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.page_margins.left = sheet.page_margins.right = 0.4
    if title:
        head = title.replace("&", "&&")
        sheet.oddHeader.center.text = head if len(head) <= HEAD_LENGTH else f"{head[: HEAD_LENGTH - 1].rstrip('&')}…"
    sheet.oddFooter.left.size = 8  # else the note may run into the page
    sheet.oddFooter.left.text, sheet.oddFooter.right.text = note.replace("&", "&&"), "&P / &N"
