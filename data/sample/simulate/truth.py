"""What the product should find: means per zone and year, worked out from the ground itself.

The formulas are written here a second time on purpose and share nothing with the product, so that one checks the
other. BCEF and R: IPCC 2006 V4 tables 4.5 and 4.4 (copy in forest_puller, JRC); carbon fractions of larch, pine, birch
and aspen as measured in North China (Ma Qinyan), of the others IPCC's for conifers and broadleaves, poplar as aspen.
"""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from .landscape import YEARS, Landscape, ndvi, zonal_mean
from .zones import (
    DESERT_STEPPE,
    GRASSLAND,
    LARCH_MATURE,
    LARCH_MIDDLE,
    LARCH_YOUNG,
    TYPICAL_STEPPE,
    WETLAND,
    geodesic_area_ha,
)

FRESH_PER_DRY = 3.107
KG_PER_T = 1000
GRASS_NDVI_RANGE = {TYPICAL_STEPPE: (0.10, 0.60), DESERT_STEPPE: (0.07, 0.45)}
GRASS_NDVI_WITHOUT_BIOMASS = 0.069
GRASS_ROOTS = {TYPICAL_STEPPE: 4.79, DESERT_STEPPE: 6.69}
GRASS_CARBON = 0.45

REED_T_HA = 5.30
REED_CARBON = 0.45

INVENTORIES = (2020, 2024)
VOLUME_EDGES_M3_HA = (20, 40, 100, 200)
BCEF_T_M3 = {
    "hardwood": (3.0, 1.7, 1.4, 1.05, 0.8),
    "pine": (1.8, 1.0, 0.75, 0.7, 0.7),
    "other conifer": (3.0, 1.4, 1.0, 0.75, 0.7),
}
CONIFER_ROOTS, BROADLEAF_ROOTS = ((50, 150), (0.40, 0.29, 0.20)), ((75, 150), (0.46, 0.23, 0.24))
ROOTS = {"hardwood": BROADLEAF_ROOTS, "pine": CONIFER_ROOTS, "other conifer": CONIFER_ROOTS}
SPECIES = {
    "华北落叶松": ("other conifer", 0.5158),
    "油松": ("pine", 0.5105),
    "白桦": ("hardwood", 0.5125),
    "山杨": ("hardwood", 0.4880),
    "杨树": ("hardwood", 0.4880),
    "榆树": ("hardwood", 0.48),
    "侧柏": ("other conifer", 0.51),
    "云杉": ("other conifer", 0.51),
}

LARCH_TC_HA = {LARCH_YOUNG: 9.21, LARCH_MIDDLE: 13.65, LARCH_MATURE: 15.03}
CLOSED_LARCH_COVER = 0.7
LARCH_ROOTS, LARCH_CARBON = 0.40, 0.5158

COLUMNS = ("zone_id", "year", "ndvi_mean", "open_water_fraction", "fvc_mean", "agb_tDM_ha", "carbon_tC_ha")


def grass_agb_t_ha(vi: np.ndarray, steppe: str) -> np.ndarray:
    """Dry aboveground biomass [t/ha] of grass from peak NDVI.

    Fresh [kg/ha] = -901.287 + 15548.395 x - 35026.104 x^2 + 34419.533 x^3 (Xilingol, in-season MODIS NDVI), divided by
    3.107 fresh per dry (Jin et al. 2011); NDVI held within the steppe's range, no biomass below NDVI .069.
    """
    x = np.clip(vi, *GRASS_NDVI_RANGE[steppe])
    fresh_kg_ha = -901.287 + 15548.395 * x - 35026.104 * x**2 + 34419.533 * x**3
    return np.where(vi < GRASS_NDVI_WITHOUT_BIOMASS, 0, fresh_kg_ha / FRESH_PER_DRY / KG_PER_T)


def grassland(shares: csr_array, vi: np.ndarray, steppe: str) -> tuple[float, float]:
    """Biomass above ground and carbon with roots of a grassland zone: AGB x (1 + R) x CF (R: Hu et al. 2020)."""
    agb = zonal_mean(shares, grass_agb_t_ha(vi, steppe)).item()
    return agb, agb * (1 + GRASS_ROOTS[steppe]) * GRASS_CARBON


def wetland(shares: csr_array, cover: np.ndarray) -> tuple[float, float]:
    """Biomass and carbon of emergent reed, above ground only: 530 g/m2 where cover is full (Zhao et al. 2022)."""
    agb = REED_T_HA * zonal_mean(shares, cover).item()
    return agb, agb * REED_CARBON


def larch_plantation(shares: csr_array, cover: np.ndarray, vegetation: str) -> tuple[float, float]:
    """Biomass and carbon of larch without stands: c_ref x min(1, f / 0.7), c_ref from Daqingshan by age (2024)."""
    closure = np.minimum(1, cover / CLOSED_LARCH_COVER)
    carbon = LARCH_TC_HA[vegetation] * zonal_mean(shares, closure).item()
    return carbon / (LARCH_CARBON * (1 + LARCH_ROOTS)), carbon


def stand_densities(species: str, first_volume: float, last_volume: float, year: int) -> tuple[float, float]:
    """Biomass above ground [t/ha] and carbon with roots [tC/ha] of a stand: V x BCEF x (1 + R) x CF (IPCC eq. 2.8).

    V runs straight between the inventories and is held outside. The bins of BCEF, closed above, and of R are those of
    the larger volume at both dates, so that growth never reads as loss at the edge of a bin.
    """
    group, carbon_fraction = SPECIES[species]
    larger = max(first_volume, last_volume)
    bcef = BCEF_T_M3[group][np.searchsorted(VOLUME_EDGES_M3_HA, larger, side="left")]
    edges, ratios = ROOTS[group]
    roots = ratios[np.searchsorted(edges, larger * bcef, side="right")]
    agb = np.interp(year, INVENTORIES, (first_volume, last_volume)) * bcef
    return agb, agb * (1 + roots) * carbon_fraction


def inventoried_forest(stands: gpd.GeoDataFrame, zone_area_ha: float, year: int) -> tuple[float, float]:
    """Area-weighted biomass and carbon of a zone with stands; what lies outside the stands counts as nothing."""
    volumes = zip(stands["YOU_SHI_SZ"], stands["XJ_2020"], stands["XJ_2024"], strict=True)
    densities = np.array([stand_densities(*stand, year) for stand in volumes])
    agb, carbon = stands.geometry.map(geodesic_area_ha).to_numpy() @ densities / zone_area_ha
    return agb, carbon


def stock(
    zone: pd.Series, shares: csr_array, vi: np.ndarray, cover: np.ndarray, stands: gpd.GeoDataFrame, year: int
) -> tuple[float, float]:
    """Biomass above ground [tDM/ha] and carbon [tC/ha] of one zone, by the method of its class."""
    if zone["类型"] == GRASSLAND:
        return grassland(shares, vi, zone["植被类型"])
    if zone["类型"] == WETLAND:
        return wetland(shares, cover)
    own_stands = stands[stands["XIAO_BAN"].str.startswith(zone["片区编号"])]
    if own_stands.empty:
        return larch_plantation(shares, cover, zone["植被类型"])
    return inventoried_forest(own_stands, geodesic_area_ha(zone["geometry"]), year)


def true_values(land: Landscape, stands: gpd.GeoDataFrame) -> pd.DataFrame:
    """One row per zone and year."""
    rows = []
    for year in YEARS:
        vi, water, cover = ndvi(land.reflectance(year)), land.open_water(year).astype(float), land.cover(year)
        for position, zone in land.zones.iterrows():
            shares = land.coverage[[position]]
            means = [zonal_mean(shares, field).item() for field in (vi, water, cover)]
            rows.append((zone["片区编号"], year, *means, *stock(zone, shares, vi, cover, stands, year)))
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(["zone_id", "year"])


def write_truth(table: pd.DataFrame, path: Path) -> None:
    """The table as CSV with six decimals, UTF-8 with BOM so that spreadsheets read it."""
    marked = table.assign(simulated="true")
    marked.to_csv(path, index=False, encoding="utf-8-sig", float_format="%.6f", lineterminator="\n")
