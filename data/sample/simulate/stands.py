"""Forest stands (小班) of nine forest zones with their volume at the inventories of 2020 and 2024."""

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from .landscape import BURNT_ZONE, Landscape, coverage, zonal_mean
from .noise import stream
from .zones import COORDINATE_STEP_DEG, GEOGRAPHIC, GROUND, LARCH_MATURE, LARCH_MIDDLE, LARCH_YOUNG, geodesic_area_ha

INVENTORIED = tuple(f"F{number:02d}" for number in range(1, 10))
UNGROWN_ZONE = "F09"
STAND_COUNT_RANGE, ZONE_AREA_RANGE_HA = (32, 78), (11_000, 28_000)
NON_FOREST_SHARE_RANGE = (0.05, 0.10)
UNSTOCKED_BELOW_COVER = 0.25

AGE_GROUPS = ("幼龄林", "中龄林", "近熟林", "成熟林", "过熟林")
AGE_MIX = {
    LARCH_YOUNG: (0.60, 0.26, 0.09, 0.04, 0.01),
    LARCH_MIDDLE: (0.20, 0.52, 0.18, 0.08, 0.02),
    LARCH_MATURE: (0.06, 0.18, 0.26, 0.42, 0.08),
}
GROWTH_2020_2024 = {"幼龄林": 0.14, "中龄林": 0.10, "近熟林": 0.06, "成熟林": 0.03, "过熟林": 0.01}

SPECIES_MIX = {
    "华北落叶松": 0.46,
    "油松": 0.16,
    "白桦": 0.14,
    "山杨": 0.08,
    "杨树": 0.06,
    "榆树": 0.04,
    "侧柏": 0.03,
    "云杉": 0.03,
}
# Volume [m3/ha] of a normally stocked stand per age group. Larch is set so that IPCC factors give the 9-15 tC/ha
# measured in the plantations of Daqingshan at 17, 30 and 46 years; the others are plausible, not measured.
VOLUME = {
    "华北落叶松": (4.4, 5.0, 5.3, 5.6, 5.7),
    "油松": (9, 27, 43, 55, 62),
    "白桦": (10, 29, 47, 62, 70),
    "山杨": (10, 30, 48, 63, 68),
    "杨树": (11, 31, 49, 62, 66),
    "榆树": (5, 12, 20, 26, 28),
    "侧柏": (4, 9, 14, 18, 20),
    "云杉": (7, 20, 36, 50, 58),
}
VOLUME_SCATTER = 0.04


def cells(zone: shapely.Geometry, count: int, source: np.random.Generator) -> list[shapely.Geometry]:
    """Voronoi cells of `count` random points, clipped to the zone."""
    west, south, east, north = zone.bounds
    candidates = shapely.points(source.uniform((west, south), (east, north), (20 * count, 2)))
    seeds = candidates[shapely.contains(zone, candidates)][:count]
    diagram = shapely.voronoi_polygons(shapely.multipoints(seeds), extend_to=zone)
    clipped = shapely.intersection(shapely.get_parts(diagram), zone, grid_size=COORDINATE_STEP_DEG)
    return sorted(clipped[shapely.area(clipped) > 0], key=lambda cell: cell.bounds)


def forested(zone_cells: list[shapely.Geometry], source: np.random.Generator) -> list[shapely.Geometry]:
    """The cells without those that are no forest (roads, valley floors, villages), 5-10 % of the area."""
    spare = source.uniform(*NON_FOREST_SHARE_RANGE) * sum(cell.area for cell in zone_cells)
    left_out = set()
    for position in source.permutation(len(zone_cells)):
        if zone_cells[position].area <= spare:
            left_out.add(position)
            spare -= zone_cells[position].area
    return [cell for position, cell in enumerate(zone_cells) if position not in left_out]


def draw_stands_of(zone_id: str, vegetation: str, outline: shapely.Geometry) -> gpd.GeoDataFrame:
    """Outlines, species and age groups of the stands of one zone."""
    source = stream("stands", zone_id)
    count = round(np.interp(geodesic_area_ha(outline), ZONE_AREA_RANGE_HA, STAND_COUNT_RANGE))
    outlines = forested(cells(outline, count, source), source)
    attributes = {
        "XIAO_BAN": [f"{zone_id}-{number:03d}" for number in range(1, len(outlines) + 1)],
        "YOU_SHI_SZ": source.choice(list(SPECIES_MIX), len(outlines), p=list(SPECIES_MIX.values())),
        "LING_ZU": source.choice(AGE_GROUPS, len(outlines), p=AGE_MIX[vegetation]),
    }
    return gpd.GeoDataFrame(attributes, geometry=outlines, crs=GEOGRAPHIC)


def volume_2020(stands: gpd.GeoDataFrame, cover: np.ndarray) -> np.ndarray:
    """Live volume [m3/ha] by species and age group, more in closer stands, none where hardly a tree stands."""
    typical = [VOLUME[s][AGE_GROUPS.index(a)] for s, a in zip(stands["YOU_SHI_SZ"], stands["LING_ZU"], strict=True)]
    scatter = np.exp(VOLUME_SCATTER * stream("volume").standard_normal(len(stands)))
    return np.where(cover < UNSTOCKED_BELOW_COVER, 0, typical * (0.75 + 0.5 * cover) * scatter).round(1)


def burnt_share(stands: gpd.GeoDataFrame, scar: shapely.Geometry) -> np.ndarray:
    """Share of each stand's area inside the fire scar."""
    ground = stands.to_crs(GROUND).geometry
    scar_on_ground = gpd.GeoSeries([scar], crs=GEOGRAPHIC).to_crs(GROUND)[0]
    return np.minimum(ground.intersection(scar_on_ground).area / ground.area, 1).to_numpy()


def volume_2024(stands: gpd.GeoDataFrame, volume: np.ndarray, scar: shapely.Geometry) -> np.ndarray:
    """Live volume [m3/ha] four years on: grown by age group (not in UNGROWN_ZONE), less what burnt in 2022."""
    zone_id = stands["XIAO_BAN"].str[:3]
    growth = np.where(zone_id == UNGROWN_ZONE, 0, stands["LING_ZU"].map(GROWTH_2020_2024))
    lost = np.where(zone_id == BURNT_ZONE, burnt_share(stands, scar), 0)
    return (volume * (1 + growth) * (1 - lost)).round(1)


def draw_stands(land: Landscape) -> gpd.GeoDataFrame:
    """All stands with their attributes, EPSG:4490."""
    zones = land.zones.set_index("片区编号").loc[list(INVENTORIED)]
    drawn = [draw_stands_of(zone_id, zone["植被类型"], zone.geometry) for zone_id, zone in zones.iterrows()]
    stands = pd.concat(drawn, ignore_index=True)
    cover = zonal_mean(coverage(stands), land.cover(2020))
    volume = volume_2020(stands, cover)
    stands.insert(3, "YU_BI_DU", (0.9 * cover).round(2))
    stands.insert(4, "XJ_2020", volume)
    stands.insert(5, "XJ_2024", volume_2024(stands, volume, land.fire_scar))
    return stands
