"""The report: a Word document of the results that is read, edited and handed on."""

import io
import re
from pathlib import Path

from docx import Document
from docx.document import Document as Report
from docx.enum.section import WD_ORIENT, WD_SECTION
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor
from docx.styles.style import ParagraphStyle
from docx.text.paragraph import Paragraph

from pipeline.outputs.office_file import write_office_file
from pipeline.outputs.report_text import Grid, Points, Section, report_sections
from pipeline.outputs.results import Results

TEXT_FONT, HEAD_FONT, LATIN_FONT = "宋体", "黑体", "Times New Roman"
"""The fonts of official documents, which every Chinese Windows has; other systems take their own in place of them."""

GREEN = RGBColor(0x1B, 0x78, 0x37)
SHADE = "E5F5E0"
SHORT_CM, LONG_CM, MARGIN_CM = 21.0, 29.7, 2.0
"""Sides of A4, and the margin all around."""

PICTURE_CM = 22.0
"""Width of a sheet on a page of the report, which leaves room for its caption."""

NUMERALS = "一二三四五六七八九十"
PROPERTY = 255
"""Most characters that a property of the file holds."""

NO_XML = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Characters that no XML document can hold."""


def write_report(results: Results) -> None:
    """Write ``<name>.docx``, with the overview if it was drawn. The same results and map give the same bytes.
    Raises OutputError."""
    report = _empty(results)
    _title(report, results)
    tables = 0
    for numeral, section in zip(NUMERALS, report_sections(results), strict=False):
        report.add_heading(f"{numeral}、{section.title}", 1)
        tables = _fill(report, section, tables)
    _end_text(report)
    _pictures(report, _overview(results.folder), "附图  片区总览")
    content = io.BytesIO()
    report.save(content)
    write_office_file(results.folder / f"{results.name}.docx", content.getvalue(), "Word")


def _fill(report: Report, section: Section, tables: int) -> int:
    """Add the parts of a section; ``tables`` are there already. Returns how many there are then."""
    for part in section.parts:
        if isinstance(part, Grid):
            tables += 1
            _grid(report, part, f"表{tables}  {part.caption}")
        elif isinstance(part, Points):
            for text in part.texts:
                report.add_paragraph(_clean(text), "List Bullet")
        else:
            report.add_paragraph(_clean(part)).paragraph_format.first_line_indent = Pt(21)
    return tables


def _empty(results: Results) -> Report:
    """A4 upright, Chinese fonts, the note and the page number at the foot."""
    report = Document()
    page = report.sections[0]
    page.page_width, page.page_height = Cm(SHORT_CM), Cm(LONG_CM)
    page.left_margin = page.right_margin = Cm(MARGIN_CM)
    page.top_margin = page.bottom_margin = Cm(MARGIN_CM)
    for name, font, size, space in (
        ("Normal", TEXT_FONT, 10.5, 4), ("List Bullet", TEXT_FONT, 10.5, 2), ("Title", HEAD_FONT, 20, 6),
        ("Subtitle", TEXT_FONT, 12, 4), ("Heading 1", HEAD_FONT, 14, 6), ("Caption", HEAD_FONT, 9, 3),
        ("Footer", TEXT_FONT, 8, 0),
    ):  # fmt: skip
        style = report.styles[name]
        _set_font(style, font, size)
        style.paragraph_format.space_after = Pt(space)
    report.styles["Normal"].paragraph_format.line_spacing = 1.25
    (language,) = report.styles.element.iter(qn("w:lang"))
    language.set(qn("w:eastAsia"), "zh-CN")
    for name in ("Title", "Heading 1"):
        report.styles[name].font.color.rgb = GREEN
    foot = page.footer.paragraphs[0]
    foot.add_run(_clean(f"{results.note}    第 "))
    _field(foot, "PAGE")
    foot.add_run(" 页，共 ")
    _field(foot, "NUMPAGES")
    foot.add_run(" 页")
    properties = report.core_properties
    properties.title, properties.author, properties.comments = _clean(results.title)[:PROPERTY], "sinkmap", ""
    return report


def _set_font(style: ParagraphStyle, font: str, size: float) -> None:
    """Latin and Chinese fonts of a style; those of the theme, which the template names, would have precedence."""
    style.font.name, style.font.size = LATIN_FONT, Pt(size)
    style.font.bold = style.font.italic = False
    style.font.color.rgb = RGBColor(0, 0, 0)
    fonts = style.element.rPr.rFonts
    for name in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
        fonts.attrib.pop(qn(f"w:{name}"), None)
    fonts.set(qn("w:eastAsia"), font)


def _title(report: Report, results: Results) -> None:
    for text, style in (
        (f"{results.title}报告", "Title"), (results.periods_zh, "Subtitle"),
        (f"编制单位：{results.organisation}" if results.organisation else "", "Subtitle"),
        (f"数据截至 {results.data_date}", "Subtitle"), (results.note, "Caption"),
    ):  # fmt: skip
        if text:
            report.add_paragraph(_clean(text), style).alignment = WD_ALIGN_PARAGRAPH.CENTER


def _grid(report: Report, grid: Grid, caption: str) -> None:
    """A table with its caption above; its titles are repeated on every page, and no row is cut by a page's end."""
    head = report.add_paragraph(_clean(caption), "Caption")
    head.alignment, head.paragraph_format.keep_with_next = WD_ALIGN_PARAGRAPH.CENTER, True
    table = report.add_table(1 + len(grid.rows), len(grid.columns), "Table Grid")
    table.alignment, table.autofit = WD_TABLE_ALIGNMENT.CENTER, False
    for column, (_, width) in zip(table.columns, grid.columns, strict=True):
        column.width = Cm(width)
    titles = [title for title, _ in grid.columns]
    for number, (row, texts) in enumerate(zip(table.rows, [titles, *grid.rows], strict=True)):
        row_format = row._tr.get_or_add_trPr()
        row_format.append(OxmlElement("w:cantSplit"))
        if number == 0:
            row_format.append(OxmlElement("w:tblHeader"))
        for column, (cell, text) in enumerate(zip(row.cells, texts, strict=True)):
            cell.width = Cm(grid.columns[column][1])
            paragraph = cell.paragraphs[0]
            paragraph.paragraph_format.space_after, paragraph.paragraph_format.line_spacing = Pt(0), 1
            run = paragraph.add_run(_clean(text))
            run.font.size = Pt(8)
            if number == 0:
                run.font.bold, paragraph.alignment = True, WD_ALIGN_PARAGRAPH.CENTER
                shade = OxmlElement("w:shd")
                shade.set(qn("w:val"), "clear")
                shade.set(qn("w:fill"), SHADE)
                cell._tc.get_or_add_tcPr().append(shade)
            elif column in grid.numeric:
                paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    report.add_paragraph().paragraph_format.space_after = Pt(0)


def _end_text(report: Report) -> None:
    """Below a table stands an empty paragraph. The last one takes no room: if the table ends where its page does, it
    would make an empty page."""
    last = report.paragraphs[-1]
    if not last.text:
        last.paragraph_format.line_spacing = Pt(1)


def _overview(folder: Path) -> list[Path]:
    """The pages of the overview, which has further ones where zones are many; none if it was not drawn."""
    further = sorted(folder.glob("overview_*.png"), key=lambda path: int(path.stem.rpartition("_")[2]))
    return [path for path in (folder / "overview.png", *further) if path.is_file()]


def _pictures(report: Report, paths: list[Path], caption: str) -> None:
    """The pages of a sheet, each on a page of its own, which lies across as the sheet does: no two have room on one."""
    if not paths:
        return
    page = report.add_section(WD_SECTION.NEW_PAGE)
    extra = report.paragraphs[-1]._p  # it holds the break, for which the paragraph before it has room
    extra.getprevious().set_sectPr(extra.pPr.sectPr)
    extra.getparent().remove(extra)
    page.orientation, page.page_width, page.page_height = WD_ORIENT.LANDSCAPE, Cm(LONG_CM), Cm(SHORT_CM)
    for number, path in enumerate(paths, 1):
        report.add_picture(str(path), Cm(PICTURE_CM))
        picture = report.paragraphs[-1]
        picture.alignment, picture.paragraph_format.keep_with_next = WD_ALIGN_PARAGRAPH.CENTER, True
        text = caption if len(paths) == 1 else f"{caption}（{number}/{len(paths)}）"
        report.add_paragraph(text, "Caption").alignment = WD_ALIGN_PARAGRAPH.CENTER


def _field(paragraph: Paragraph, name: str) -> None:
    """A number that Word fills in; until then there is a 1."""
    field, run, text = (OxmlElement(f"w:{part}") for part in ("fldSimple", "r", "t"))
    field.set(qn("w:instr"), name)
    text.text = "1"
    run.append(text)
    field.append(run)
    paragraph._p.append(field)


def _clean(text: str) -> str:
    return NO_XML.sub("", text)
