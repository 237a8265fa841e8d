"""The 22 schematic zones: 12 of forest, 5 of grassland, 5 of wetland, drawn where such land is in Baotou.

Nothing here is surveyed. The three class totals are the city plan's; how they split over the zones, the outlines and
the names are invented.
"""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from pyproj import Geod
from shapely.affinity import rotate, scale, translate

from .noise import ragged_ring, stream

GEOGRAPHIC = "EPSG:4490"
GROUND = "+proj=aea +lat_1=40.5 +lat_2=42.5 +lat_0=41.3 +lon_0=110.4 +ellps=GRS80 +units=m"
GEOD = Geod(ellps="GRS80")
HA_PER_WANMU = 10_000 / 15
SURVEY_ERROR = 0.002
COORDINATE_STEP_DEG = 1e-6
FIXED_DATE = "2025-12-31"

FOREST, GRASSLAND, WETLAND = "林地", "草地", "湿地"
CLASS_OF_LETTER = {"F": FOREST, "G": GRASSLAND, "W": WETLAND}
LARCH_YOUNG, LARCH_MIDDLE, LARCH_MATURE = "落叶松人工林幼龄林", "落叶松人工林中龄林", "落叶松人工林成熟林"
TYPICAL_STEPPE, DESERT_STEPPE, REED_MARSH = "典型草原", "荒漠草原", "芦苇沼泽"


@dataclass(frozen=True)
class Patch:
    """A ragged ellipse: centre, long axis over short, bearing of the long axis, share of the zone's area."""

    lon: float
    lat: float
    elongation: float
    bearing_deg: float
    share: float = 1.0


@dataclass(frozen=True)
class ZoneSketch:
    """What is decided by hand about a zone: declared area [万亩] and patches. The outline follows from the seed."""

    id: str
    place: str
    vegetation: str
    area_wanmu: float
    patches: tuple[Patch, ...]
    hole: Patch | None = None

    @property
    def name(self) -> str:
        """Full name, which always says that the zone is schematic."""
        return f"{self.place}片区（示意）"

    @property
    def land_class(self) -> str:
        """Forest, grassland or wetland."""
        return CLASS_OF_LETTER[self.id[0]]


SKETCHES = (
    ZoneSketch("F01", "乌拉山东端森林", LARCH_MATURE, 22.3, (Patch(109.620, 40.680, 3.2, 84),)),
    ZoneSketch("F02", "大青山西段南坡森林", LARCH_MIDDLE, 28.4, (Patch(109.980, 40.790, 2.0, 70),)),
    ZoneSketch("F03", "大青山西段北坡森林", LARCH_MIDDLE, 36.5, (Patch(110.120, 41.010, 2.6, 82),)),
    ZoneSketch("F04", "石拐山地森林", LARCH_MATURE, 33.8, (Patch(110.300, 40.770, 1.7, 100),)),
    ZoneSketch("F05", "大青山中段森林", LARCH_MIDDLE, 41.2, (Patch(110.470, 40.935, 2.4, 95),)),
    ZoneSketch("F06", "大青山东段森林", LARCH_MATURE, 30.6, (Patch(110.650, 40.735, 1.6, 60),)),
    ZoneSketch(
        "F07",
        "固阳南部山地森林",
        LARCH_YOUNG,
        26.1,
        (Patch(110.300, 41.128, 2.6, 86, share=0.72), Patch(110.560, 41.085, 1.6, 60, share=0.28)),
    ),
    ZoneSketch("F08", "固阳西部国有林场", LARCH_YOUNG, 20.5, (Patch(109.830, 41.120, 1.5, 20),)),
    ZoneSketch("F09", "昆都仑河上游森林", LARCH_MIDDLE, 17.9, (Patch(109.960, 40.897, 1.5, 95),)),
    ZoneSketch("F10", "黄河北岸防护林", LARCH_YOUNG, 14.8, (Patch(110.620, 40.500, 2.6, 110),)),
    ZoneSketch("F11", "达茂南部国有林场", LARCH_MIDDLE, 12.2, (Patch(111.230, 41.330, 2.0, 95),)),
    ZoneSketch("F12", "固阳东部国有林场", LARCH_MATURE, 24.7, (Patch(110.465, 41.215, 1.8, 100),)),
    ZoneSketch("G01", "固阳北部典型草原", TYPICAL_STEPPE, 150.0, (Patch(110.000, 41.330, 2.1, 84),)),
    ZoneSketch("G02", "达茂东南部典型草原", TYPICAL_STEPPE, 215.0, (Patch(111.030, 41.535, 1.9, 100),)),
    ZoneSketch(
        "G03",
        "达茂西部荒漠草原",
        DESERT_STEPPE,
        290.0,
        (Patch(109.800, 41.820, 1.2, 100),),
        hole=Patch(109.940, 41.780, 1.6, 160, share=0.05),
    ),
    ZoneSketch(
        "G04",
        "达茂中部荒漠草原",
        DESERT_STEPPE,
        260.0,
        (Patch(110.480, 41.900, 1.3, 20, share=0.80), Patch(110.800, 41.930, 1.7, 140, share=0.20)),
    ),
    ZoneSketch("G05", "达茂北部荒漠草原", DESERT_STEPPE, 305.0, (Patch(110.190, 42.370, 1.4, 75),)),
    ZoneSketch("W01", "黄河西段北岸湿地", REED_MARSH, 4.6, (Patch(109.485, 40.540, 3.0, 88),)),
    ZoneSketch(
        "W02",
        "黄河中西段北岸湿地",
        REED_MARSH,
        3.2,
        (Patch(109.730, 40.505, 2.4, 95, share=0.65), Patch(109.860, 40.530, 2.0, 75, share=0.35)),
    ),
    ZoneSketch("W03", "黄河中段北岸湿地", REED_MARSH, 5.4, (Patch(110.120, 40.542, 2.6, 95),)),
    ZoneSketch("W04", "黄河中东段北岸湿地", REED_MARSH, 3.0, (Patch(110.520, 40.405, 2.4, 110),)),
    ZoneSketch("W05", "黄河东段北岸湿地", REED_MARSH, 1.8, (Patch(110.830, 40.305, 2.2, 92),)),
)


def geodesic_area_ha(geometry: shapely.Geometry) -> float:
    """Ellipsoidal area [ha] on CGCS2000 (a = 6378137 m, 1/f = 298.257222101), geodesic edges (Karney 2013)."""
    return abs(GEOD.geometry_area_perimeter(geometry)[0]) / 1e4


def draw_patch(patch: Patch, area_m2: float, source: np.random.Generator) -> shapely.Polygon:
    """Ragged ellipse of the given area in the equal-area plane GROUND."""
    vertices = int(np.clip(np.sqrt(area_m2) / 90, 60, 420))
    ring = shapely.Polygon(ragged_ring(0.16, 1.35, vertices, source))
    body = shapely.Polygon(max(shapely.get_parts(shapely.make_valid(ring)), key=shapely.area).exterior)
    size = np.sqrt(area_m2 / body.area)
    long, short = size * np.sqrt(patch.elongation), size / np.sqrt(patch.elongation)
    centre = gpd.points_from_xy([patch.lon], [patch.lat], crs=GEOGRAPHIC).to_crs(GROUND)[0]
    turned = rotate(scale(body, long, short, origin=(0, 0)), 90 - patch.bearing_deg, origin=(0, 0))
    return translate(turned, centre.x, centre.y)


def draw_zone(sketch: ZoneSketch, area_ha: float) -> shapely.MultiPolygon:
    """Outline of a zone in the plane GROUND with exactly `area_ha`: its patches, less its hole."""
    source = stream("zone", sketch.id)
    area_m2 = area_ha * 1e4
    outline = shapely.union_all([draw_patch(patch, patch.share * area_m2, source) for patch in sketch.patches])
    if sketch.hole:
        outline -= draw_patch(sketch.hole, sketch.hole.share * area_m2, source)
    size = np.sqrt(area_m2 / outline.area)
    resized = scale(outline, size, size, origin=outline.centroid)
    return shapely.MultiPolygon(shapely.get_parts(resized).tolist())


def surveyed_areas_ha() -> np.ndarray:
    """Area to draw per zone [ha]: the declared one with a survey error below 0.3 %, the class totals kept."""
    declared = np.array([sketch.area_wanmu for sketch in SKETCHES]) * HA_PER_WANMU
    error = np.array([stream("survey", sketch.id).uniform(-SURVEY_ERROR, SURVEY_ERROR) for sketch in SKETCHES])
    land_class = np.array([sketch.land_class for sketch in SKETCHES])
    for name in CLASS_OF_LETTER.values():
        members = land_class == name
        error[members] -= np.average(error[members], weights=declared[members])
    return declared * (1 + error)


def draw_zones() -> gpd.GeoDataFrame:
    """All zones with their attributes, EPSG:4490, coordinates in steps of 1e-6 degree (0.1 m)."""
    outlines = [draw_zone(sketch, area) for sketch, area in zip(SKETCHES, surveyed_areas_ha(), strict=True)]
    attributes = {
        "片区编号": [sketch.id for sketch in SKETCHES],
        "片区名称": [sketch.name for sketch in SKETCHES],
        "类型": [sketch.land_class for sketch in SKETCHES],
        "面积万亩": [sketch.area_wanmu for sketch in SKETCHES],
        "植被类型": [sketch.vegetation for sketch in SKETCHES],
    }
    zones = gpd.GeoDataFrame(attributes, geometry=outlines, crs=GROUND).to_crs(GEOGRAPHIC)
    return zones.set_geometry(shapely.set_precision(zones.geometry.values, COORDINATE_STEP_DEG))


def write_geopackage(layer: gpd.GeoDataFrame, path: Path, name: str) -> None:
    """GeoPackage 1.2 with one layer; its change date is fixed, so that the bytes stay the same from run to run."""
    path.unlink(missing_ok=True)
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": f"{FIXED_DATE}T00:00:00.000Z"})
    pyogrio.write_dataframe(layer, path, layer=name, dataset_options={"VERSION": "1.2"})
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def write_gbk_shapefile(layer: gpd.GeoDataFrame, path: Path) -> None:
    """Shapefile with GBK text, no .cpg and language-driver byte 0: nothing in it says which encoding it has."""
    pyogrio.write_dataframe(layer, path, encoding="GBK", layer_options={"DBF_DATE_LAST_UPDATE": FIXED_DATE})
    path.with_suffix(".cpg").unlink()
