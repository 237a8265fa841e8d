"""A font that holds Chinese: looked for among the installed ones, else the one that comes with sinkmap.

A character without a glyph would print as a box, so it is an error before anything is drawn.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from matplotlib.font_manager import FontPath, FontProperties, fontManager, get_font

from pipeline.errors import OutputError

FAMILIES = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "Microsoft YaHei", "DengXian",
    "SimHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
)  # fmt: skip
"""Sans-serif families with simplified Chinese, the best liked first."""

MARKS = "0123456789.,:;+-−–~%±×≥<°′″/()[]（）：；，。、·"
"""Signs that every sheet uses beside its words; old Chinese fonts lack some."""

REGULAR, BOLD = 400, 700

Face = tuple[str, int]
"""File and number of the face in it (a .ttc holds several)."""


@dataclass(frozen=True)
class Fonts:
    """A regular and a bold face; the regular one twice where the family has no bold. ``name`` is the family."""

    name: str
    regular: Face
    bold: Face

    def face(self, bold: bool = False) -> FontProperties:
        """What matplotlib takes as ``fontproperties``; the size is set with the text."""
        return FontProperties(fname=FontPath(*(self.bold if bold else self.regular)))

    def width_mm(self, text: str, size: float, bold: bool = False) -> float:
        """Width of a line of text at ``size`` points, mm: the sum of its advances, without kerning."""
        return sum(_advance(self.bold if bold else self.regular, char) for char in text) * size * MM_PER_POINT

    def missing(self, text: str) -> list[str]:
        """The characters of ``text`` that one of the faces cannot show, in order."""
        drawn = [char for char in dict.fromkeys(text) if not char.isspace()]
        return [char for char in drawn if not all(_holds(face, char) for face in (self.regular, self.bold))]

    def check(self, text: str) -> None:
        """Raises OutputError for a character without a glyph."""
        if lacking := self.missing(text):
            codes = ", ".join(f"{char} (U+{ord(char):04X})" for char in lacking)
            raise OutputError(
                f"{text!r}: the font {self.name} has no {codes}; install Noto Sans CJK SC, correct "
                "the name, or leave sheets out of deliverables"
            )


MM_PER_POINT = 25.4 / 72


def find_fonts(text: str, installed: Iterable | None = None) -> Fonts:
    """The first of `FAMILIES` that holds `MARKS` and ``text``, else the font that comes with sinkmap.

    ``installed`` are matplotlib's font entries (default: those of this machine). Raises OutputError with the first line
    of the text that no font holds.
    """
    found: dict[str, dict[int, Face]] = {}
    for entry in fontManager.ttflist if installed is None else installed:
        if entry.name in FAMILIES and entry.style == "normal" and entry.weight in (REGULAR, BOLD):
            found.setdefault(entry.name, {}).setdefault(entry.weight, (str(entry.fname), entry.index))
    families = [(name, found[name]) for name in FAMILIES if REGULAR in found.get(name, {})]
    choices = [Fonts(name, faces[REGULAR], faces.get(BOLD, faces[REGULAR])) for name, faces in families]
    for fonts in choices:
        if not fonts.missing(MARKS + text):
            return fonts
    fonts = bundled_fonts()
    for line in text.splitlines():
        fonts.check(line)
    return fonts


def bundled_fonts() -> Fonts:
    """Noto Sans SC (OFL) of the package zhplot, which is not imported: it would change matplotlib's settings."""
    folder = Path(find_spec("zhplot").origin).parent
    face = (str(folder / "fonts" / "NotoSansSC-Regular.ttf"), 0)
    return Fonts("Noto Sans SC", face, face)


@cache
def _codes(face: Face) -> frozenset[int]:
    return frozenset(get_font(FontPath(*face)).get_charmap())


def _holds(face: Face, char: str) -> bool:
    return ord(char) in _codes(face)


@cache
def _advance(face: Face, char: str) -> float:
    """Advance width of a character in em."""
    font = get_font(FontPath(*face))
    font.set_size(100, 72)
    return font.load_char(ord(char)).linearHoriAdvance / 65536 / 100
