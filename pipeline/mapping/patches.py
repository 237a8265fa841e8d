"""Management patches (图斑) of a zone: ground of one sink and one cover class, of a minimum size. Pure.

The patches fill the zone without gaps or overlaps; ground that was not observed forms patches, too.
"""

import geopandas as gpd
import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from rasterio.features import shapes

from pipeline.carbon import HA_PER_MU
from pipeline.mapping.cover_classes import OPEN_WATER, SCHEMES
from pipeline.mapping.regions import merge_small_regions
from pipeline.mapping.styles import COVER_KEYS, SINK_KEYS, Styles
from pipeline.mapping.suggestions import Suggestions
from pipeline.variables import VARIABLES
from pipeline.zones.vector_file import CGCS2000, ellipsoidal_area_ha
from pipeline.zones.zone import Zone

COVER_COUNT = max(map(len, COVER_KEYS.values()))
"""Largest number of cover classes of a scheme, with open water and no data."""

MOSTLY_WATER = 0.5 - VARIABLES["water_occurrence"].scale / 2
"""Least occurrence at which a cell counts as open water: half of its observed years, less half a step, where no stored
value lies."""

MIN_CELLS = 4
"""A patch has at least four cells: smaller ones are noise of single pixels, and their outlines cannot be smoothed."""

SMOOTHING_CELLS = 0.75
"""Tolerance of the smoothing: the steps of a slanting border (triangles of half a cell, side 0.71) go, corners stay."""

PATCH_COLUMNS: dict[str, tuple[str, str]] = {
    "patch_id": ("Patch", "图斑编号"),
    "zone_id": ("Zone", "片区编号"),
    "zone_name": ("Name of the zone", "片区名称"),
    "ecosystem": ("Ecosystem", "生态系统"),
    "sink_class": ("Sink class", "碳汇等级代码"),
    "sink_class_zh": ("Sink class in Chinese", "碳汇等级"),
    "cover_class": ("Class of vegetation cover by satellite", "覆盖度等级代码"),
    "cover_class_zh": ("Class of vegetation cover by satellite in Chinese", "遥感植被覆盖度等级"),
    "suggestion": ("Suggestion, no prescription", "建议代码"),
    "suggestion_zh": ("Suggestion in Chinese, no prescription", "建议措施（非处方）"),
    "area_ha": ("Area on the CGCS2000 ellipsoid, ha", "椭球面积(公顷)"),
    "area_mu": ("Area on the CGCS2000 ellipsoid, mu", "椭球面积(亩)"),
    "class_fraction": (
        "Fraction of the patch that is of its classes; the rest was too small to be one",
        "本等级面积比例（其余为并入的小块）",
    ),
    "fvc_mean": ("Mean fractional vegetation cover by satellite", "遥感植被覆盖度"),
    "carbon_tC_ha": ("Biomass carbon stock, t C per ha", "生物量碳密度(吨碳/公顷)"),
    "carbon_tC": ("Biomass carbon stock, t C", "生物量碳储量(吨碳)"),
    "sink_tCO2_ha_yr": (
        "Carbon sink, t CO2 per ha and year, removal positive",
        "碳汇强度（吨CO2/(公顷·年)，吸收为正）",
    ),
}
"""Columns of the patches in order: English and Chinese title."""

PATCH_CLASS_COLUMNS: dict[str, tuple[str, str]] = {
    **{
        name: PATCH_COLUMNS[name]
        for name in ("zone_id", "zone_name", "ecosystem", "sink_class", "sink_class_zh", "cover_class",
                     "cover_class_zh", "suggestion", "suggestion_zh")
    },
    "patches": ("Number of patches", "图斑数"),
    "area_ha": PATCH_COLUMNS["area_ha"],
    "area_mu": PATCH_COLUMNS["area_mu"],
    "share": ("Fraction of the zone", "占片区面积比例"),
    "carbon_tC": PATCH_COLUMNS["carbon_tC"],
}  # fmt: skip
"""Columns of the summary of patches by class."""


def sink_classes(sink: np.ndarray, detectable: np.ndarray | None, unclear: tuple[float, float]) -> np.ndarray:
    """Position of each sink (t CO2/ha/yr) in `SINK_KEYS`, uint8: a loss or gain is larger than the ``detectable``
    change or, where that is not known, outside the range ``unclear`` around zero, whose upper end is a gain. An unknown
    sink is "not_compared"."""
    half_step = VARIABLES["sink"].scale / 2  # a stored value that is a break must not fall beside it by rounding
    low, high = np.array(unclear) - half_step if detectable is None else (-detectable, detectable)
    found = np.full(sink.shape, SINK_KEYS.index("unclear"), "uint8")
    found[sink < low] = SINK_KEYS.index("loss")
    found[(sink > high) & (sink > 0)] = SINK_KEYS.index("gain")
    found[np.isnan(sink) if detectable is None else np.isnan(sink + detectable)] = SINK_KEYS.index("not_compared")
    return found


def cover_classes(cover: np.ndarray, water: np.ndarray | None, scheme: str) -> np.ndarray:
    """Position of each fractional cover (1) in the `COVER_KEYS` of the scheme, uint8; a break belongs to the class
    above it, NaN is "no_data". Where the occurrence of ``water`` (1) is `MOSTLY_WATER` the class is "open_water": its
    cover is not low but none."""
    breaks = np.array([cover_class.lower for cover_class in SCHEMES[scheme][1:]])
    half_step = VARIABLES["fvc"].scale / 2
    found = np.searchsorted(breaks - half_step, cover, side="right").astype("uint8")
    if water is not None:
        found[water >= MOSTLY_WATER] = COVER_KEYS[scheme].index(OPEN_WATER.key)
    found[np.isnan(cover)] = COVER_KEYS[scheme].index("no_data")
    return found


def ground_classes(
    cover: np.ndarray,
    water: np.ndarray | None,
    sink: np.ndarray | None,
    detectable: np.ndarray | None,
    unclear: tuple[float, float],
    scheme: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Sink class and cover class of each cell; where neither is known the sink class is "no_data", too."""
    cover_class = cover_classes(cover, water, scheme)
    sink_class = sink_classes(np.full(cover.shape, np.nan) if sink is None else sink, detectable, unclear)
    unknown = sink_class == SINK_KEYS.index("not_compared")
    sink_class[unknown & np.isnan(cover)] = SINK_KEYS.index("no_data")
    return sink_class, cover_class


def join_classes(sink_class: np.ndarray, cover_class: np.ndarray) -> np.ndarray:
    """One code 1..35 for each pair of classes, uint8."""
    return (sink_class * COVER_COUNT + cover_class + 1).astype("uint8")


def split_code(code: int, scheme: str) -> tuple[str, str]:
    """Sink class and cover class of a code of `join_classes`."""
    sink, cover = divmod(int(code) - 1, COVER_COUNT)
    return SINK_KEYS[sink], COVER_KEYS[scheme][cover]


def min_cells(min_area_mu: float, cell_area_m2: float) -> float:
    """The minimum size of a patch in cells: ``min_area_mu`` 亩, and never below `MIN_CELLS`."""
    return max(min_area_mu * HA_PER_MU * 1e4 / cell_area_m2, MIN_CELLS)


def outline_patches(
    codes: np.ndarray, fractions: np.ndarray, grid: GeoBox, minimum: float
) -> tuple[np.ndarray, np.ndarray]:
    """Polygons (n,) of the patches of a grid, smoothed together so that neighbours still share every border, and the
    code of each.

    ``codes`` (rows, columns) count where ``fractions`` of the zone (0-1) are above 0; ``minimum`` is in cells. The
    borders lose the steps of single cells (Visvalingam & Whyatt 1993, by area); the outer border of the cells, which
    lies around the zone, stays.
    """
    regions, code = merge_small_regions(np.where(fractions > 0, codes, 0).astype("uint8"), fractions, minimum)
    polygons = np.empty(code.size, object)
    for shape, region in shapes(regions, mask=regions > 0):
        polygons[int(region) - 1] = shapely.geometry.shape(shape)
    # a vertex at each corner of a cell: where three patches meet, all of them must have one
    polygons = shapely.transform(shapely.segmentize(polygons, 1), np.rint)
    polygons = shapely.coverage_simplify(polygons, SMOOTHING_CELLS, simplify_boundary=False)
    return shapely.transform(polygons, lambda xy: np.stack(grid.pix2wld(*xy.T), axis=1)), code


def fill_zone(polygons: np.ndarray, zone: shapely.Geometry) -> np.ndarray:
    """The polygons cut to the zone (same CRS), so that they fill it: neighbours share their vertices, and a sliver that
    no patch covers goes to the nearest one. None where nothing is left.

    All borders near the outline are noded with it in one step and rebuilt; cutting them one by one would leave gaps
    from rounding. Polygons wholly inside stay as they are.
    """
    shapely.prepare(zone)
    filled = polygons.copy()
    rim = shapely.coverage_union_all(polygons).boundary
    shapely.prepare(rim)
    inside = shapely.contains_properly(zone, polygons) & ~shapely.intersects(rim, polygons)
    lines = shapely.union_all([*shapely.boundary(polygons[~inside]), zone.boundary])
    faces = shapely.get_parts(shapely.polygonize([lines]))
    points = shapely.point_on_surface(faces)
    faces, points = faces[within := shapely.contains(zone, points)], points[within]
    owner = shapely.STRtree(polygons).nearest(points)
    for place in np.nonzero(~inside)[0]:
        own = faces[owner == place]
        filled[place] = own[0] if own.size == 1 else shapely.union_all(own) if own.size else None
    return filled


def patch_table(
    zone: Zone,
    polygons: gpd.GeoSeries,
    codes: np.ndarray,
    means: dict[str, np.ndarray],
    styles: Styles,
    suggestions: Suggestions,
    scheme: str,
) -> gpd.GeoDataFrame:
    """The patches of a zone with the columns `PATCH_COLUMNS`, by class and then from north to south.

    ``polygons`` in EPSG:4490; ``means`` are those of fvc (1), carbon_stock (t C/ha), sink (t CO2/ha/yr) and own_class
    (1 where a cell is of the patch's classes) of each. Their ellipsoidal areas are scaled to the zone's area of record,
    which is measured with edges straight in the CRS of the zone's file; the two differ by less than 1e-4. Means are
    left out where the patch's class says that the quantity is not known.
    """
    area = np.array(ellipsoidal_area_ha(polygons))
    area *= zone.area_ha / area.sum()
    sink, cover = np.array([split_code(code, scheme) for code in codes]).T
    chosen = [suggestions.suggest(zone.ecosystem, *pair, zone.stratum) for pair in zip(sink, cover, strict=True)]
    table = gpd.GeoDataFrame(
        {
            "zone_id": zone.id,
            "zone_name": zone.name,
            "ecosystem": zone.ecosystem,
            "sink_class": sink,
            "sink_class_zh": [styles.class_of("sink_class", key).zh for key in sink],
            "cover_class": cover,
            "cover_class_zh": [styles.class_of("cover_class", key).zh for key in cover],
            "suggestion": [style.key for style in chosen],
            "suggestion_zh": [style.zh for style in chosen],
            "area_ha": area,
            "area_mu": area / HA_PER_MU,
            "class_fraction": means["own_class"],
            "fvc_mean": np.where(cover == "no_data", np.nan, means["fvc"]),
            "carbon_tC_ha": means["carbon_stock"],
            "carbon_tC": means["carbon_stock"] * area,
            "sink_tCO2_ha_yr": np.where(np.isin(sink, ("not_compared", "no_data")), np.nan, means["sink"]),
        },
        geometry=polygons.values,
        crs=CGCS2000,
    )
    place = shapely.point_on_surface(polygons.values)
    order = np.lexsort((shapely.get_x(place), -shapely.get_y(place), codes))
    table = table.iloc[order].reset_index(drop=True)
    table.insert(0, "patch_id", [f"{zone.id}-{number:04d}" for number in range(1, len(table) + 1)])
    return table


def patch_class_rows(patches: gpd.GeoDataFrame) -> list[dict]:
    """The patches of a zone by class, keys `PATCH_CLASS_COLUMNS`."""
    return _grouped(patches, [name for name in PATCH_CLASS_COLUMNS if name in patches and name not in _SUMS])


def plan_rows(patches: gpd.GeoDataFrame) -> list[dict]:
    """The patches of a zone by suggestion, the largest first: zone_id, zone_name, suggestion, suggestion_zh, patches,
    area_ha, area_mu, share (fraction of the zone; the shares add up to 1), carbon_tC."""
    rows = _grouped(patches, ["zone_id", "zone_name", "suggestion", "suggestion_zh"])
    return sorted(rows, key=lambda row: (-row["area_ha"], row["suggestion"]))


_SUMS = ("area_ha", "area_mu", "carbon_tC")


def _grouped(patches: gpd.GeoDataFrame, keys: list[str]) -> list[dict]:
    """Number, areas, fraction of all and carbon of the patches with the same ``keys``; unknown carbon is None."""
    whole = patches["area_ha"].sum()
    rows = []
    for key, group in patches.groupby(keys, sort=False):
        sums = {name: float(group[name].sum(min_count=1)) for name in _SUMS}
        sums["carbon_tC"] = None if np.isnan(sums["carbon_tC"]) else sums["carbon_tC"]
        rows.append(
            dict(zip(keys, key, strict=True))
            | {"patches": len(group), "share": float(group["area_ha"].sum() / whole)}
            | sums
        )
    return rows
