"""Maps on a page: a frame at a round scale, graticule, scale bar, north arrow, names."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import shapely
from pyproj import Transformer

from pipeline.outputs.sheets.fonts import MM_PER_POINT
from pipeline.outputs.sheets.page import FAINT, INK, MUTED, Box, Page
from pipeline.zones.vector_file import CGCS2000

ROUND_SCALES = (1, 1.2, 1.4, 1.6, 1.8, 2, 2.2, 2.5, 2.8, 3, 3.5, 4, 4.5, 5, 5.5, 6, 7, 8, 9, 10)
GRATICULE_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 18000, 36000)
TICK_PT, NAME_PT = 6.5, 7
OUTLINE_PT, FINEST_PT = 0.9, 0.25
"""Breadth of the outline of a zone, and the least that prints well."""
MIN_TICK_MM = 19
"""A label such as 109°30′15″E needs that much."""

NEAR_MM, FARTHEST_MM, FARTHEST_OF_MANY_MM, MANY_NAMES = 8.0, 60.0, 3.0, 40
"""How far above or below its shape a label goes to lie on no other shape; how far at most; and how far at most with
more than so many shapes, where lines to far labels would form a tangle."""

NEIGHBOUR, OUTSIDE = "#eceff1", "#ffffff"
UNKNOWN = {"facecolor": OUTSIDE, "edgecolor": "#bbbbbb", "hatch": "\\\\\\\\", "hatch_linewidth": 0.5, "linewidth": 0}
"""Ground without data is hatched: white is also the lowest class of some variables."""


@dataclass(frozen=True)
class MapFrame:
    """A map's place on the page and on the ground: ``box`` in mm, its centre in ``crs``, metres per mm."""

    box: Box
    crs: str
    centre: tuple[float, float]
    metres_per_mm: float

    @classmethod
    def around(cls, box: Box, crs: str, bounds: tuple[float, float, float, float], least_m: float = 0) -> "MapFrame":
        """The frame at the largest round scale that shows ``bounds`` (in ``crs``) with a margin, and at least
        ``least_m`` metres from top to bottom."""
        left, bottom, right, top = bounds
        need = max((right - left) / (box.width * 0.92), (top - bottom) / (box.height * 0.92), least_m / box.height)
        return cls(box, crs, ((left + right) / 2, (bottom + top) / 2), round_scale(need * 1000) / 1000)

    @property
    def scale(self) -> int:
        """The denominator of the map's scale."""
        return round(self.metres_per_mm * 1000)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """The ground that the frame shows, in its CRS: left, bottom, right, top."""
        half = np.array([self.box.width, self.box.height]) / 2 * self.metres_per_mm
        return (*(self.centre - half), *(self.centre + half))

    def to_page(self, points: np.ndarray) -> np.ndarray:
        """Page coordinates (n, 2) of points in the CRS of the frame."""
        return (np.asarray(points) - self.centre) / self.metres_per_mm + self.box.centre

    def on_page(self, geometry: shapely.Geometry) -> shapely.Geometry:
        """A geometry in page coordinates, cut to the frame."""
        near = shapely.clip_by_rect(geometry, *self.bounds)
        return shapely.transform(near, self.to_page)

    def degrees(self, points: np.ndarray) -> np.ndarray:
        """Longitude and latitude (n, 2) of points in the CRS of the frame."""
        return np.column_stack(to_degrees(self.crs).transform(*np.asarray(points).T))

    def edge(self, side: str, count: int = 65) -> np.ndarray:
        """Points (n, 2) along the bottom, top, left or right edge, in the CRS of the frame."""
        left, bottom, right, top = self.bounds
        x, y = np.linspace(left, right, count), np.linspace(bottom, top, count)
        fixed = {"bottom": bottom, "top": top, "left": left, "right": right}[side]
        return np.column_stack((x, np.full(count, fixed)) if side in ("bottom", "top") else (np.full(count, fixed), y))

    def north_degrees(self) -> float:
        """Direction of true north at the centre, degrees clockwise from the top of the page."""
        lon, lat = self.degrees(np.array([self.centre]))[0]
        x, y = to_degrees(self.crs).transform(lon, lat + 0.01, direction="INVERSE")
        return math.degrees(math.atan2(x - self.centre[0], y - self.centre[1]))


@cache
def to_degrees(crs: str) -> Transformer:
    """From a CRS to longitude and latitude; making one takes longer than drawing a map."""
    return Transformer.from_crs(crs, CGCS2000, always_xy=True)


def round_scale(denominator: float) -> float:
    """The next larger round denominator of a map's scale."""
    power = 10 ** math.floor(math.log10(denominator))
    return next(step for step in ROUND_SCALES if step * power >= denominator * (1 - 1e-9)) * power


def draw_ground(page: Page, frame: MapFrame, neighbours: list[shapely.Geometry]) -> None:
    """The frame, and the neighbouring zones lightly in it."""
    clip = page.rectangle(frame.box, facecolor=OUTSIDE, edgecolor="none")
    for geometry in neighbours:
        page.shape(frame.on_page(geometry), clip, facecolor=NEIGHBOUR, edgecolor=FAINT, linewidth=0.4)


def draw_unknown(page: Page, frame: MapFrame, zone: shapely.Geometry) -> None:
    """The ground of a zone, drawn as unknown; a raster drawn later covers what it knows."""
    clip = page.rectangle(frame.box, facecolor="none", edgecolor="none")
    page.shape(frame.on_page(zone), clip, **UNKNOWN)


def draw_key(page: Page, x: float, y: float, label: str, style: dict) -> None:
    """What a line or fill of a map means, at (x, y) in mm."""
    page.rectangle(Box(x, y, 6, 2.8), **style)
    page.text(x + 7.5, y + 0.4, label, 7)


def draw_outline(page: Page, frame: MapFrame, geometry: shapely.Geometry, width: float | None = None) -> None:
    """The outline of a zone, ``width`` in points, by default `outline_pt`."""
    clip = page.rectangle(frame.box, facecolor="none", edgecolor="none")
    shape = frame.on_page(geometry)
    page.shape(shape, clip, facecolor="none", edgecolor=INK, linewidth=width or outline_pt(shape), zorder=3)


def outline_pt(shape: shapely.Geometry) -> float:
    """Breadth in points of the outline of a shape in mm: finer where its inner half would hide more than a tenth of the
    shape, for instance one with many small parts."""
    if shape.is_empty:
        return OUTLINE_PT
    return min(OUTLINE_PT, max(FINEST_PT, 0.1 * 2 * shape.area / shape.length / MM_PER_POINT))


def draw_neatline(page: Page, frame: MapFrame) -> None:
    """The frame's own line."""
    page.rectangle(frame.box, facecolor="none", edgecolor=INK, linewidth=0.8, zorder=4)


def draw_graticule(page: Page, frame: MapFrame) -> None:
    """Meridians and parallels with their longitude and latitude at the bottom and left edges."""
    ends = {side: frame.degrees(frame.edge(side)) for side in ("bottom", "top", "left", "right")}
    places = {side: frame.to_page(frame.edge(side)) for side in ends}
    for axis, (near, far) in enumerate((("bottom", "top"), ("left", "right"))):
        length = (frame.box.width, frame.box.height)[axis]
        step = _tick_step(np.ptp(ends[near][:, axis]) * 3600, length)
        for value in _multiples(ends[near][:, axis], step):
            a, b = (
                [np.interp(value, ends[side][:, axis], places[side][:, part]) for part in (0, 1)]
                for side in (near, far)
            )
            page.rule(*a, *b, 0.3, FAINT, zorder=1)
            _tick(page, frame, a, axis, angle(value, "EN"[axis], step))


def _tick(page: Page, frame: MapFrame, place: list[float], axis: int, label: str) -> None:
    x, y = place
    half = page.fonts.width_mm(label, TICK_PT) / 2
    if axis == 0:
        page.rule(x, y, x, y - 1, 0.6, INK)
        x = min(max(x, frame.box.left + half), frame.box.right - half)
        page.text(x, y - 1.6, label, TICK_PT, ha="center", va="top", color=MUTED)
    else:
        page.rule(x, y, x - 1, y, 0.6, INK)
        y = min(max(y, frame.box.bottom + half), frame.box.top - half)
        page.text(x - 1.6, y, label, TICK_PT, ha="right", va="center", rotation=90, color=MUTED)


def _tick_step(span_seconds: float, length_mm: float) -> int:
    """The finest step of the graticule in seconds whose labels stay apart."""
    for step in GRATICULE_SECONDS:
        if step / span_seconds * length_mm >= MIN_TICK_MM:
            return step
    return GRATICULE_SECONDS[-1]


def _multiples(degrees: np.ndarray, step_seconds: int) -> list[float]:
    first, last = degrees.min() * 3600 / step_seconds, degrees.max() * 3600 / step_seconds
    return [number * step_seconds / 3600 for number in range(math.ceil(first), math.floor(last) + 1)]


def angle(degrees: float, side: str, step_seconds: int) -> str:
    """Degrees as they are written at map edges, 109°30′E, no finer than the step needs; ``side`` is E or N."""
    side = {"E": "W", "N": "S"}[side] if degrees < 0 else side
    minutes, seconds = divmod(round(abs(degrees) * 3600), 60)
    whole, minutes = divmod(minutes, 60)
    text = f"{whole}°"
    if step_seconds % 3600:
        text += f"{minutes:02d}′"
    if step_seconds % 60:
        text += f"{seconds:02d}″"
    return text + side


def draw_scale_bar(page: Page, box: Box, frame: MapFrame) -> None:
    """The scale as a number and as a bar of two parts, no wider than ``box``."""
    page.text(box.left, box.top - 2.6, f"比例尺 1:{frame.scale:,}".replace(",", " "), 7, width=box.width)
    room = (box.width - 10) * frame.metres_per_mm
    power = 10 ** math.floor(math.log10(room))
    length = next(step for step in (5, 2, 1) if step * power <= room) * power
    bar, height, y = length / frame.metres_per_mm, 1.2, box.top - 5.6
    for part, fill in enumerate((INK, OUTSIDE)):
        page.rectangle(
            Box(box.left + 1.5 + part * bar / 2, y, bar / 2, height), facecolor=fill, edgecolor=INK, linewidth=0.5
        )
    unit, divisor = ("公里", 1000) if length >= 1000 else ("米", 1)
    for part in (0, 0.5):
        page.text(box.left + 1.5 + part * bar, y - 0.8, f"{length * part / divisor:g}", 6.5, ha="center", va="top")
    page.text(box.left + 0.4 + bar, y - 0.8, f"{length / divisor:g} {unit}", 6.5, va="top")


def draw_north(page: Page, x: float, bottom: float, frame: MapFrame, height: float) -> None:
    """An arrow to true north, ``height`` mm with its letter, its foot at (x, bottom)."""
    turn = math.radians(frame.north_degrees())
    rotate = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    long = height - 3.6
    for side, fill in ((-1, INK), (1, OUTSIDE)):
        half = np.array([(0, long), (side * long * 0.32, 0), (0, long * 0.22)]) @ rotate + (x, bottom)
        page.shape(shapely.Polygon(half), facecolor=fill, edgecolor=INK, linewidth=0.6)
    page.text(x + long * math.sin(turn), bottom + long + 0.7, "北", 7.5, ha="center")


def draw_names(page: Page, frame: MapFrame, shapes: dict[str, shapely.Geometry]) -> None:
    """The names of shapes on or beside them, as many as the frame holds, none over another, a line to those that had to
    go far."""
    high = NAME_PT * MM_PER_POINT * 1.15
    on_page = {name: frame.on_page(shape) for name, shape in shapes.items()}
    sizes = {name: (page.fonts.width_mm(name, NAME_PT, bold=True) + 0.8, high) for name in shapes}
    for name, place in label_places(frame.box, on_page, sizes).items():
        x, y = place.centre
        target = on_page[name].representative_point()
        if shapely.box(place.left, place.bottom, place.right, place.top).distance(on_page[name]) > 1.5:
            page.rule(x, y, target.x, target.y, 0.4, MUTED, zorder=4.5)
        page.rectangle(place, facecolor="white", alpha=0.8, edgecolor="none", zorder=5)
        page.text(x, y, name, NAME_PT, bold=True, ha="center", va="center_baseline", zorder=6)


def label_places(
    box: Box, shapes: dict[str, shapely.Geometry], sizes: dict[str, tuple[float, float]]
) -> dict[str, Box]:
    """Where labels of ``sizes`` (width, height in mm) go: within the box, clear of each other and of shapes too small
    to carry one; on their own shape if it is large, else as near to it as can be. A label lies on another shape, which
    it would seem to name, only if there is no other place within `NEAR_MM`. A label without any place is left out, and
    with more than `MANY_NAMES` shapes also one without a place close by. All in page coordinates."""
    inside = shapely.box(box.left, box.bottom, box.right, box.top)
    small = [name for name, shape in shapes.items() if shape.area < 4 * sizes[name][0] * sizes[name][1]]
    taken = [shapes[name] for name in small]
    places = {}
    farthest = FARTHEST_MM if len(shapes) <= MANY_NAMES else FARTHEST_OF_MANY_MM
    for name in [*small, *(name for name in shapes if name not in small)]:
        ground = [shape for other, shape in shapes.items() if other != name]
        spot = None
        for distance, label in _spots(shapes[name].representative_point(), *sizes[name], farthest):
            if spot is not None and distance > NEAR_MM:
                break
            if inside.contains(label) and not any(label.intersects(other) for other in taken):
                alone = not any(label.intersects(other) for other in ground)
                if alone or spot is None:
                    spot = label
                if alone:
                    break
        if spot is None:
            continue
        left, bottom, _, _ = spot.bounds
        taken.append(shapely.box(left, bottom, left + sizes[name][0], bottom + sizes[name][1]).buffer(0.2))
        places[name] = Box(left, bottom, *sizes[name])
    return places


def _spots(centre: shapely.Point, wide: float, high: float, farthest: float) -> Iterator[tuple[float, shapely.Polygon]]:
    """Places for a label about a point, by their distance from it."""
    for distance, turn in product(np.arange(0, farthest, 0.6), np.arange(0, 2 * np.pi, np.pi / 8)):
        # a label is wider than high: beside its shape it stands further off than above it
        left = centre.x + distance * math.cos(turn) * wide / high - wide / 2
        bottom = centre.y + distance * math.sin(turn) - high / 2
        yield distance, shapely.box(left, bottom, left + wide, bottom + high)
