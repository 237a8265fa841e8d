"""The legend of a map on a page: its classes side by side."""

from pipeline.mapping.styles import PALE_ZH, RampStyle
from pipeline.outputs.sheets.fonts import MM_PER_POINT
from pipeline.outputs.sheets.page import MUTED, Box, Page
from pipeline.outputs.sheets.raster_image import LINE_MM, losses, pale_of

PALE_MM = 1.8
"""Height of the swatches of the pale colours of a legend."""

LOSS = {"facecolor": "none", "edgecolor": "white", "hatch": "////", "hatch_linewidth": LINE_MM / MM_PER_POINT,
        "linewidth": 0}  # fmt: skip
"""The lines over the losses: without colour a loss is as dark as a gain."""

LINED_WATER_ZH = "蓝底横线：半数以上年份为开阔水面"


def draw_legend(
    page: Page, box: Box, title: str, style: RampStyle, ends: tuple[str, str] | None = None, hint: str = ""
) -> None:
    """The classes of a ramp side by side, their limits between them; ``ends`` names the first and last class, a
    ``hint`` stands between. Where it is on pale colours, they stand below the full ones. A ramp with ``ends`` is one of
    change: its losses are lined as on the map."""
    unit = f" ({style.unit_zh})" if style.unit_zh else ""
    page.text(box.left, box.top - 2.6, title + unit, 7, width=box.width)
    swatch, y = box.width / len(style.colors), box.top - 7
    for number, color in enumerate(style.colors):
        page.rectangle(Box(box.left + number * swatch, y, swatch, 3), facecolor=color, edgecolor=MUTED, linewidth=0.3)
    if ends and losses(style):
        page.rectangle(Box(box.left, y, losses(style) * swatch, 3), **LOSS)
    if hint == PALE_ZH:
        y -= PALE_MM
        for number, color in enumerate(style.colors):
            place = Box(box.left + number * swatch, y, swatch, PALE_MM)
            page.rectangle(place, facecolor=pale_of(color), edgecolor=MUTED, linewidth=0.3)
    for number, value in enumerate(style.breaks, 1):
        label = f"{value * style.factor:.{style.decimals}f}".replace("-", "−")
        page.text(box.left + number * swatch, y - 0.8, label, 6.5, ha="center", va="top", width=swatch - 0.6)
    if ends:
        page.text(box.left, y - 3.6, ends[0], 6.5, va="top", color=MUTED)
        page.text(box.right, y - 3.6, ends[1], 6.5, ha="right", va="top", color=MUTED)
    if hint:
        page.text(box.left + box.width / 2, y - 3.6, hint, 6.5, ha="center", va="top", color=MUTED)
