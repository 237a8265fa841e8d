"""A raster on a map: its name, its pixels in their classes, its legend."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import shapely

from pipeline.mapping.patches import MOSTLY_WATER
from pipeline.mapping.styles import PALE_ZH, RampStyle, rgb
from pipeline.outputs.sheets.fonts import MM_PER_POINT
from pipeline.outputs.sheets.maps import MapFrame
from pipeline.outputs.sheets.page import MUTED, PDF_DPI, Box, Page, outline_path
from pipeline.outputs.sheets.raster_image import LINE_MM, coloured, lined, losses, pale_of, read_decimated

PALE_MM = 1.8
"""Height of the swatches of the pale colours of a legend."""

LOSS = {"facecolor": "none", "edgecolor": "white", "hatch": "////", "hatch_linewidth": LINE_MM / MM_PER_POINT,
        "linewidth": 0}  # fmt: skip
"""Lines over losses: without colour a loss is as dark as a gain."""

LINED_WATER_ZH = "蓝底横线：半数以上年份为开阔水面"


class Water(NamedTuple):
    """Open water to show: the raster of its ``occurrence``, and its colour."""

    occurrence: Path
    color: str


@dataclass(frozen=True)
class RasterMap:
    """A raster to show: titles of its map and its legend, the classes, and the open water over it. A raster of change
    has ``ends``, the names of its first and last class; a ``hint`` is printed below the legend."""

    title: str
    legend: str
    path: Path
    style: RampStyle
    ends: tuple[str, str] | None = None
    hint: str = ""
    water: Water | None = None


def draw_raster(page: Page, frame: MapFrame, shown: RasterMap, zone: shapely.Geometry) -> None:
    """A raster in its classes, no finer than print resolves, cut to the outline of its zone. A change no larger than
    the detectable one, the last band, is pale; a larger loss has lines. On other rasters open water is drawn, also with
    lines."""
    pixels = round(max(frame.box.width, frame.box.height) / 25.4 * PDF_DPI)
    (values, *further), (left, bottom, right, top) = read_decimated(shown.path, pixels)
    (x0, y0), (x1, y1) = frame.to_page(np.array([(left, bottom), (right, top)]))
    pale = np.abs(values) <= further[-1] if shown.ends and further else None
    image, pixel_mm = coloured(values, shown.style, pale), (x1 - x0) / values.shape[1]
    if shown.ends:
        lost = shown.style.classify(values) < losses(shown.style)  # NaN is of the last class
        image = lined(image, lost if pale is None else lost & ~pale, pixel_mm)
    if shown.water:
        (occurrence,), _ = read_decimated(shown.water.occurrence, pixels)
        wet = occurrence >= MOSTLY_WATER
        image[wet] = (*rgb(shown.water.color), 255)
        image = lined(image, wet, pixel_mm, level=True)
    image = page.axes.imshow(image, extent=(x0, x1, y0, y1), interpolation="nearest", aspect="auto", zorder=1.5)
    image.set_clip_path(outline_path(frame.on_page(zone)), page.axes.transData)


def draw_legend(page: Page, box: Box, shown: RasterMap) -> None:
    """The classes of a raster side by side, their limits between them. If the hint is about pale colours, these are
    drawn below the full ones. Losses have lines as on the map."""
    style, ends = shown.style, shown.ends
    unit = f" ({style.unit_zh})" if style.unit_zh else ""
    page.text(box.left, box.top - 2.6, shown.legend + unit, 7, width=box.width)
    swatch, y = box.width / len(style.colors), box.top - 7
    for number, color in enumerate(style.colors):
        page.rectangle(Box(box.left + number * swatch, y, swatch, 3), facecolor=color, edgecolor=MUTED, linewidth=0.3)
    if ends and losses(style):
        page.rectangle(Box(box.left, y, losses(style) * swatch, 3), **LOSS)
    if shown.hint == PALE_ZH:
        y -= PALE_MM
        for number, color in enumerate(style.colors):
            place = Box(box.left + number * swatch, y, swatch, PALE_MM)
            page.rectangle(place, facecolor=pale_of(color), edgecolor=MUTED, linewidth=0.3)
    for number, label in enumerate(style.limits, 1):
        page.text(box.left + number * swatch, y - 0.8, label, 6.5, ha="center", va="top", width=swatch - 0.6)
    if ends:
        page.text(box.left, y - 3.6, ends[0], 6.5, va="top", color=MUTED)
        page.text(box.right, y - 3.6, ends[1], 6.5, ha="right", va="top", color=MUTED)
    if shown.hint:
        page.text(box.left + box.width / 2, y - 3.6, shown.hint, 6.5, ha="center", va="top", color=MUTED)
