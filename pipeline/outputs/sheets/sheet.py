"""What every sheet is: a head, a foot, and between them what it shows."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipeline.outputs.sheets.fonts import Fonts
from pipeline.outputs.sheets.page import INK, MUTED, WARNING, Box, Page

MADE_MM = 100.0
"""Width at the foot of a page for the line that says who made it and when."""
SMALL_PT = 6.0
"""Size in points below which that line is broken rather than set smaller."""


@dataclass(frozen=True, kw_only=True)
class Sheet(ABC):
    """A sheet, saved as ``stem``. At its head stand ``title`` and ``subtitle``, ``project`` and ``kind`` of sheet, at
    its foot the ``notes``, the ``warning`` and the ``organisation`` that makes it."""

    stem: Path
    fonts: Fonts
    title: str
    subtitle: str
    project: str
    kind: str
    notes: tuple[str, ...]
    warning: str
    organisation: str = ""

    @property
    def pages(self) -> int:
        return 1

    @property
    def entry(self) -> str:
        """Entry of the sheet in the atlas's table of contents."""
        return self.project

    @abstractmethod
    def draw(self) -> Page:
        """The page, with further ones where it goes on. Raises OutputError for a character without a glyph."""

    def draw_frame(self, page: Page) -> Box:
        """Head and foot of a page; returns what is left between them."""
        self._draw_head(page)
        foot = self._draw_foot(page)
        return Box(9.0, foot, page.width - 18, page.height - 26 - foot)

    def _draw_head(self, page: Page) -> None:
        """Title and subtitle on the left, project and kind of sheet on the right, on a heavy rule."""
        left, right, y = 9, page.width - 9, page.height
        page.text(left, y - 15, self.title, 17, bold=True, width=168)
        page.text(left, y - 20.5, self.subtitle, 8.5, color=MUTED, width=168)
        page.text(right, y - 15, self.project, 9.5, ha="right", width=106)
        page.text(right, y - 20.5, self.kind, 8.5, ha="right", color=MUTED, width=106)
        page.rule(left, y - 23, right, y - 23, 1.4, INK)

    def _draw_foot(self, page: Page) -> float:
        """The notes, the warning, the organisation and the day of drawing; returns where the body may begin."""
        left, right, bottom = 9, page.width - 9, 7.0
        page.text(left, bottom + 0.8, self.warning, 8, bold=True, color=WARNING, width=right - left - MADE_MM - 3)
        self._draw_made(page, right, bottom)
        size, room = 6.8, 18.0
        lines = [line for note in self.notes for line in page.broken(note, right - left, size)]
        step = min(3.4, room / len(lines))
        for number, line in enumerate(reversed(lines)):
            page.text(left, bottom + 5.4 + step * number, line, min(size, step * 2), color=MUTED, width=right - left)
        top = bottom + 6 + step * len(lines) + 1.2
        page.rule(left, top, right, top, 0.6, MUTED)
        return top + 3

    def _draw_made(self, page: Page, right: float, bottom: float) -> None:
        """Who made the sheet and when, in one line; a long name in two smaller ones, so that the day stays whole."""
        day = f"制图日期：{date.today().isoformat()}"
        made_by = f"编制单位：{self.organisation}"
        made = f"{made_by}    {day}" if self.organisation else day
        if page.fonts.width_mm(made, SMALL_PT) <= MADE_MM:
            page.text(right, bottom + 0.8, made, 8, ha="right", width=MADE_MM)
            return
        end = right - page.fonts.width_mm(day, 8) - 3
        left = right - MADE_MM
        first, *rest = page.broken(made_by, end - left, 5.2)
        page.text(right, bottom + 0.8, day, 8, ha="right")
        page.text(left, bottom + 2.2, first, 5.2)
        page.text(left, bottom - 0.1, "".join(rest), 5.2, width=end - left)
