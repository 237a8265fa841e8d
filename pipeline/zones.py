"""Zone boundaries: read, check against the contract, area of record."""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import shapely
from pandas import isna

from pipeline.carbon import HA_PER_WANMU
from pipeline.ecosystems import Ecosystem
from pipeline.errors import ZoneError
from pipeline.vector_file import ellipsoidal_area_ha, read_vector

MAX_REPAIR = 0.01
"""Share of its area that the repair of an invalid outline may change."""


@dataclass(frozen=True)
class Zone:
    """A development zone (片区). ``geometry`` is in the CRS of the grid, ``area_ha`` ellipsoidal."""

    id: str
    name: str
    ecosystem: str
    stratum: str
    area_ha: float
    declared_wanmu: float | None
    geometry: shapely.Geometry


def read_zones(
    path: Path,
    layer: str | None,
    columns: dict[str, str | None],
    classes: dict[str, tuple[str, ...]],
    expected: dict[str, int],
    ecosystems: dict[str, Ecosystem],
) -> tuple[gpd.GeoDataFrame, list[str]]:
    """The checked zones, sorted by id, with id, name, ecosystem, stratum, area_ha, declared_wanmu and geometry
    in the file's CRS; and the sentences of what was mended.

    ``columns`` names the columns for id, name, ecosystem, declared_wanmu and stratum (the last two may be
    None); ``classes`` gives the words for each ecosystem. Raises ZoneError for duplicate or unsafe ids,
    unknown words, wrong counts, empty or unrepairable geometry.
    """
    found = read_vector(path, layer, [name for name in columns.values() if name])
    zones = gpd.GeoDataFrame(
        {key: found[name] if name else None for key, name in columns.items()}, geometry=found.geometry, crs=found.crs
    )
    zones["id"] = [_safe_id(path, value) for value in zones["id"]]
    doubled = zones["id"][zones["id"].duplicated()]
    if len(doubled):
        raise ZoneError(f"{path}: the zone id {doubled.iloc[0]} is there twice; give each zone its own")
    zones["name"] = zones["name"].fillna("").astype(str)
    zones["ecosystem"] = [
        _ecosystem(path, *pair, classes) for pair in zip(zones["id"], zones["ecosystem"], strict=True)
    ]
    zones["stratum"] = [
        _stratum(path, zone.id, ecosystems[zone.ecosystem], zone.stratum) for zone in zones.itertuples()
    ]
    _check_counts(path, zones["ecosystem"].value_counts().to_dict(), expected)
    mended = []
    zones.geometry = [_polygon(path, *pair, mended) for pair in zip(zones["id"], zones.geometry, strict=True)]
    zones["area_ha"] = ellipsoidal_area_ha(zones.geometry)
    zones["declared_wanmu"] = [_number(path, zone.id, zone.declared_wanmu) for zone in zones.itertuples()]
    return zones.sort_values("id", ignore_index=True), mended


def zones_on_grid(zones: gpd.GeoDataFrame, crs: str) -> list[Zone]:
    """The zones of `read_zones` in the CRS of the grid."""
    moved = zones.to_crs(crs)
    return [
        Zone(
            z.id,
            z.name,
            z.ecosystem,
            z.stratum,
            z.area_ha,
            None if isna(z.declared_wanmu) else z.declared_wanmu,
            z.geometry,
        )
        for z in moved.itertuples(index=False)
    ]


def _safe_id(path: Path, value: object) -> str:
    name = "" if isna(value) else str(value).strip()
    if not name.replace("-", "").replace("_", "").isalnum():
        raise ZoneError(f"{path}: the zone id {value!r} cannot name a folder; use letters, digits, - and _")
    return name


def _ecosystem(path: Path, zone: str, word: object, classes: dict[str, tuple[str, ...]]) -> str:
    for ecosystem, words in classes.items():
        if str(word).strip() in words:
            return ecosystem
    raise ZoneError(f"{path}: zone {zone} is of class {word!r}, which zones.classes does not list; add the word there")


def _stratum(path: Path, zone: str, ecosystem: Ecosystem, name: object) -> str:
    try:
        return ecosystem.stratum_key(name.strip() if isinstance(name, str) else None)
    except KeyError:
        known = ", ".join(stratum.names[0] for stratum in ecosystem.strata.values())
        raise ZoneError(
            f"{path}: zone {zone} has the vegetation type {name!r}, unknown to {ecosystem.ecosystem} ({known}); "
            "add the name to the coefficient file"
        ) from None


def _check_counts(path: Path, counts: dict[str, int], expected: dict[str, int]) -> None:
    wrong = [
        f"{counts.get(key, 0)} {key}, not {number}" for key, number in expected.items() if counts.get(key, 0) != number
    ]
    if wrong:
        raise ZoneError(f"{path}: the zones are {'; '.join(wrong)}; correct the file or zones.expected")


def _polygon(path: Path, zone: str, geometry: shapely.Geometry | None, mended: list[str]) -> shapely.Geometry:
    """A valid 2-D polygon; what was repaired is said in ``mended``."""
    if geometry is None or geometry.is_empty:
        raise ZoneError(f"{path}: zone {zone} has no geometry; draw it or remove the row")
    if geometry.geom_type not in ("Polygon", "MultiPolygon"):
        raise ZoneError(f"{path}: zone {zone} is a {geometry.geom_type}, not a polygon; export polygons")
    geometry = shapely.force_2d(geometry)
    if not geometry.is_valid:
        repaired = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
        change = abs(repaired.area - geometry.area) / repaired.area if repaired.area else 1
        if change > MAX_REPAIR:
            raise ZoneError(
                f"{path}: the outline of zone {zone} crosses itself and its repair would change the area by "
                f"{change:.1%}; correct it in GIS"
            )
        mended.append(f"zone {zone}: invalid outline repaired, area changed by {change:.4%}")
        geometry = repaired
    return geometry


def _number(path: Path, zone: str, value: object) -> float | None:
    if isna(value):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ZoneError(f"{path}: zone {zone} declares the area {value!r}, which is not a number of 万亩") from None


def area_notes(zones: list[Zone], tolerance_percent: float) -> list[str]:
    """Sentences on zones whose drawn area differs from the declared one by more than the tolerance."""
    notes = []
    for zone in zones:
        if zone.declared_wanmu:
            drawn = zone.area_ha / HA_PER_WANMU
            off = 100 * (drawn / zone.declared_wanmu - 1)
            if abs(off) > tolerance_percent:
                notes.append(
                    f"zone {zone.id}: drawn {drawn:.4g} 万亩, declared {zone.declared_wanmu:.4g} ({off:+.1f} %)"
                )
    return notes
