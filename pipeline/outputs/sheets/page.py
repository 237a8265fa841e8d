"""A printed page laid out in millimetres: text, rules, boxes and tables, saved as PDF and PNG.

The same content gives the same bytes; sheets print the day, so theirs are the same within a day. Everything is drawn in
one coordinate system, millimetres from the lower left corner, so that what is laid out is what is printed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import shapely
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch, Rectangle
from matplotlib.path import Path as Outline
from matplotlib.text import Text

from pipeline.execution.whole_file import whole
from pipeline.outputs.sheets.fonts import MM_PER_POINT, Fonts

A4_LANDSCAPE = (297.0, 210.0)
PDF_DPI, PNG_DPI = 300, 200

INK, MUTED, FAINT, WARNING = "#1c2733", "#5b6770", "#c3cad0", "#a33327"
SMALLEST = 4.5
"""Size in points below which text is cut rather than set smaller."""
LEADING = 1.45
"""Distance between lines, in font sizes."""


@dataclass(frozen=True)
class Box:
    """A rectangle on the page, mm: left, bottom, width, height."""

    left: float
    bottom: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def top(self) -> float:
        return self.bottom + self.height

    @property
    def centre(self) -> tuple[float, float]:
        return self.left + self.width / 2, self.bottom + self.height / 2


@dataclass(frozen=True)
class Column:
    """A column of a table: title, width in mm, and whether it holds numbers (set to the right)."""

    title: str
    width: float
    numeric: bool = True


class Page:
    """An A4 page in landscape, with the ``further`` ones on which it goes on. Raises OutputError for a character that
    the fonts lack."""

    def __init__(self, fonts: Fonts, title: str) -> None:
        self.fonts, self.title = fonts, title
        self.further: list[Page] = []
        self.width, self.height = A4_LANDSCAPE
        self.figure = Figure(figsize=(self.width / 25.4, self.height / 25.4))
        self.axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, self.width), ylim=(0, self.height))
        self.axes.set_autoscale_on(False)
        self.axes.axis("off")

    def text(self, x: float, y: float, text: str, size: float = 8, *, bold: bool = False, width: float | None = None,
             **style) -> Text:  # fmt: skip
        """One line of text with its baseline at y; set smaller if it would be wider than ``width``, and cut if it would
        become too small to read. ``style`` are matplotlib's properties (color, ha, va, rotation)."""
        self.fonts.check(text)
        if width is not None and (wide := self.fonts.width_mm(text, size, bold)) > width:
            size = max(size * width / wide, min(size, SMALLEST))
            text = self._cut(text, width, size, bold)
        # $ and backslash are signs here, not formulas
        return self.axes.text(
            x, y, text, fontproperties=self.fonts.face(bold), size=size, parse_math=False,
            **({"color": INK, "va": "baseline"} | style),
        )  # fmt: skip

    def _cut(self, text: str, width: float, size: float, bold: bool) -> str:
        """The text, or as much of it as fits before an ellipsis."""
        shown = text
        while len(text) > 1 and self.fonts.width_mm(shown, size, bold) > width * 1.001:
            text = text[:-1]
            shown = f"{text.rstrip()}…"
        return shown

    def paragraph(self, x: float, top: float, text: str, width: float, size: float = 7, **style) -> float:
        """Text broken into lines of ``width``; returns the height it takes."""
        step = size * MM_PER_POINT * LEADING
        lines = self.broken(text, width, size)
        for number, line in enumerate(lines):
            self.text(x, top - step * (number + 0.75), line, size, width=width, **style)
        return step * len(lines)

    def broken(self, text: str, width: float, size: float) -> list[str]:
        """Lines no wider than ``width``: broken between Chinese characters and between Latin words."""
        lines = [""]
        for piece in _pieces(text):
            if lines[-1] and self.fonts.width_mm((lines[-1] + piece).rstrip(), size) > width:
                lines.append("")
            lines[-1] += piece if lines[-1] else piece.lstrip()
        return [line.rstrip() for line in lines]

    def rule(self, x0: float, y0: float, x1: float, y1: float, width: float = 0.5, color: str = FAINT, **style) -> None:
        """A straight line, ``width`` in points."""
        self.axes.add_artist(Line2D((x0, x1), (y0, y1), linewidth=width, color=color, solid_capstyle="butt", **style))

    def rectangle(self, box: Box, **style) -> Patch:
        return self.axes.add_artist(Rectangle((box.left, box.bottom), box.width, box.height, **style))

    def shape(self, geometry: shapely.Geometry, clip: Patch | None = None, **style) -> None:
        """Polygons in page coordinates, holes left open, cut off at the patch ``clip``."""
        if not geometry.is_empty:
            patch = self.axes.add_artist(PathPatch(outline_path(geometry), **style))
            if clip is not None:
                patch.set_clip_path(clip)

    def heading(self, box: Box, text: str) -> Box:
        """A section's heading on a thin rule at the top of ``box``; returns the box below it."""
        self.text(box.left, box.top - 3.6, text, 9, bold=True, width=box.width)
        self.rule(box.left, box.top - 5, box.right, box.top - 5, 0.6, MUTED)
        return Box(box.left, box.bottom, box.width, box.height - 6)

    def table(self, box: Box, columns: Sequence[Column], rows: Sequence[Sequence[str]], *, size: float = 7.5,
              row_mm: float = 5.0, strong: Sequence[int] = ()) -> None:  # fmt: skip
        """A table with its header from the top of ``box``, rows closer together if they would not fit in it. ``strong``
        are numbers of rows in bold with a rule above, such as totals."""
        # a row needs the height of its text and a little air; a crowded table gets smaller text
        row_mm = min(row_mm, box.height / (len(rows) + 1))
        size = min(size, row_mm / (MM_PER_POINT * LEADING))
        for number, cells in enumerate([[column.title for column in columns], *rows]):
            baseline = box.top - row_mm * (number + 0.72)
            head, bold = number == 0, number - 1 in strong
            x, after_number = box.left, False
            for column, cell in zip(columns, cells, strict=True):
                gap = 3 if after_number and not column.numeric else 0  # else it would touch the number
                place = (x + column.width - 1, "right") if column.numeric else (x + gap, "left")
                self.text(
                    place[0], baseline, cell, size, ha=place[1], width=column.width - 2 - gap, bold=bold,
                    color=MUTED if head else INK,
                )  # fmt: skip
                x, after_number = x + column.width, column.numeric
            below = box.top - row_mm * (number + 1)
            if head or number in strong:
                self.rule(box.left, below, x, below, 0.5, MUTED)
            elif number < len(rows):
                self.rule(box.left, below, x, below, 0.3)

    def save(self, stem: Path) -> None:
        """Write the `sheet_files` of this page and its further ones, each whole or not at all. Raises OSError."""
        stem.parent.mkdir(parents=True, exist_ok=True)
        pages = [self, *self.further]
        pdf, *pictures = sheet_files(stem, len(pages))
        metadata = {"Title": self.title, "Creator": "sinkmap", "CreationDate": None}
        with whole(pdf) as part, PdfPages(part, metadata=metadata) as bound:
            for page in pages:
                bound.savefig(page.figure, dpi=PDF_DPI)
        for page, png in zip(pages, pictures, strict=True):
            FigureCanvasAgg(page.figure)
            # hinting rounds the advance of each glyph to pixels: a long line would be wider than it was laid out
            with rc_context({"text.hinting": "none"}), whole(png) as part:
                page.figure.savefig(
                    part, format="png", dpi=PNG_DPI, metadata={"Title": self.title, "Software": None},
                    pil_kwargs={"compress_level": 3},
                )  # fmt: skip


def sheet_files(stem: Path, pages: int = 1) -> list[Path]:
    """The files of a sheet: all pages in ``stem``.pdf, the first in ``stem``.png, the second in ``stem``_2.png ..."""
    numbers = ["", *(f"_{number}" for number in range(2, pages + 1))]
    return [stem.with_name(f"{stem.name}.pdf"), *(stem.with_name(f"{stem.name}{number}.png") for number in numbers)]


CLOSING, OPENING = "，。；：、）”,.;:)!%", "（“("


def _pieces(text: str) -> list[str]:
    """What a line may be broken between: Chinese characters one by one, Latin words whole. A closing mark, of Chinese
    width or Latin, stays with what it closes, an opening one with what it opens."""
    pieces: list[str] = []
    for char in text:
        wide = ord(char) >= 0x2E80
        joins = char in CLOSING or (pieces and pieces[-1][-1] in OPENING)
        if pieces and (joins or not (wide or ord(pieces[-1][-1]) >= 0x2E80 or pieces[-1][-1] == " ")):
            pieces[-1] += char
        else:
            pieces.append(char)
    return pieces


def outline_path(geometry: shapely.Geometry) -> Outline:
    """All rings of the polygons of a geometry as one path; holes run the other way round."""
    return Outline.make_compound_path(
        *(
            Outline(ring.coords, closed=True)
            for polygon in shapely.get_parts(shapely.orient_polygons(geometry))
            if polygon.geom_type == "Polygon"
            for ring in (polygon.exterior, *polygon.interiors)
        )
    )
