"""Zone boundaries: read, check against the contract, area of record."""

from pathlib import Path

import geopandas as gpd
import shapely
from pandas import isna

from pipeline.ecosystems import Ecosystem
from pipeline.errors import ZoneError
from pipeline.zones.outlines import in_crs, repaired
from pipeline.zones.vector_file import ellipsoidal_area_ha, one_line, read_vector
from pipeline.zones.zone import DEVICES, ECOSYSTEMS_ZH, GROUP_NAMES, Zone, ZoneFile

MAX_REPAIR = 0.01
"""Largest share of its area by which the repair of an invalid outline may change it."""


def read_zones(file: ZoneFile, ecosystems: dict[str, Ecosystem]) -> tuple[gpd.GeoDataFrame, list[str]]:
    """The checked zones, sorted by id, with id, name, ecosystem, stratum, stratum_given (not the default), area_ha,
    drawn_ha (the same until overlaps are clipped), declared_wanmu and geometry in the file's CRS; and sentences on what
    was repaired. Raises ZoneError for duplicate or unsafe ids, unknown words, wrong counts, empty or unrepairable
    geometry.
    """
    path, found = file.path, read_vector(file.path, file.layer, file.named)
    columns = {key: found[name] if name else None for key, name in file.columns.items()}
    zones = gpd.GeoDataFrame(columns, geometry=found.geometry, crs=found.crs)
    zones["id"] = [safe_id(path, value) for value in zones["id"]]
    check_ids(path, zones["id"].tolist())
    zones["name"] = [one_line(name) for name in zones["name"]]
    zones["ecosystem"] = [
        ecosystem_of(path, *pair, file.classes) for pair in zip(zones["id"], zones["ecosystem"], strict=True)
    ]
    zones["stratum_given"] = [bool(one_line(word)) for word in zones["stratum"]]
    zones["stratum"] = [
        stratum_of(path, zone.id, ecosystems[zone.ecosystem], zone.stratum) for zone in zones.itertuples()
    ]
    check_counts(path, zones["ecosystem"].value_counts().to_dict(), file.expected)
    mended = []
    zones.geometry = [sound_polygon(path, *pair, mended) for pair in zip(zones["id"], zones.geometry, strict=True)]
    zones["area_ha"] = zones["drawn_ha"] = ellipsoidal_area_ha(zones.geometry)
    zones["declared_wanmu"] = [declared_number(path, zone.id, zone.declared_wanmu) for zone in zones.itertuples()]
    return zones.sort_values("id", ignore_index=True), mended


def zones_on_grid(zones: gpd.GeoDataFrame, crs: str) -> list[Zone]:
    """The zones of `read_zones` in the CRS of the grid."""
    moved = in_crs(zones, crs)
    shapely.prepare(moved.geometry.to_numpy())  # each is asked whether it meets each scene
    return [
        Zone(
            id=zone.id,
            name=zone.name,
            ecosystem=zone.ecosystem,
            stratum=zone.stratum,
            area_ha=zone.area_ha,
            declared_wanmu=None if isna(zone.declared_wanmu) else zone.declared_wanmu,
            geometry=zone.geometry,
            stratum_given=zone.stratum_given,
        )
        for zone in moved.itertuples(index=False)
    ]


def safe_id(path: Path, value: object) -> str:
    """The id as text. Raises ZoneError if it cannot name a folder, also on Windows, or is the name of a row of sums."""
    name = one_line(value)
    if not name:
        raise ZoneError(f"{path}: a zone has no id; give each zone its own", f"{path}: 有片区没有编号；请逐个编号")
    if not name.replace("-", "").replace("_", "").isalnum():
        raise ZoneError(
            f"{path}: the zone id {value!r} cannot name a folder; use letters, digits, - and _",
            f"{path}: 片区编号“{name}”不能作文件夹名；请用字母、数字、-和_",
        )
    if name.startswith("-"):
        raise ZoneError(
            f"{path}: the zone id {name} begins with -, which Excel and the command line read as a minus; give it "
            "another",
            f"{path}: 片区编号{name}以-开头，Excel和命令行会当作负号；请改用其他编号",
        )
    if name.casefold() in DEVICES:
        raise ZoneError(
            f"{path}: the zone id {name} is the name of a device on Windows and cannot name a folder; give it another",
            f"{path}: 片区编号{name}是Windows的设备名，不能作文件夹名；请改用其他编号",
        )
    if name.casefold() in GROUP_NAMES:
        raise ZoneError(
            f"{path}: the zone id {name} is already the name of a row of sums; give it another",
            f"{path}: 片区编号{name}与汇总行同名；请改用其他编号",
        )
    return name


def check_ids(path: Path, ids: list[str]) -> None:
    """Raises ZoneError for an id that occurs twice, also with other capitals, which is the same folder on Windows."""
    seen: dict[str, str] = {}
    for zone in ids:
        if other := seen.get(zone.casefold()):
            how = "is there twice" if other == zone else f"differs from {other} in capitals alone"
            how_zh = "重复" if other == zone else f"与{other}仅大小写不同"
            raise ZoneError(
                f"{path}: the zone id {zone} {how}; give each zone its own",
                f"{path}: 片区编号{zone}{how_zh}；请使每个片区的编号唯一",
            )
        seen[zone.casefold()] = zone


def ecosystem_of(path: Path, zone: str, word: object, classes: dict[str, tuple[str, ...]]) -> str:
    """The ecosystem that a class word stands for. Raises ZoneError for an unknown one."""
    name = one_line(word)
    for ecosystem, words in classes.items():
        if name in map(one_line, words):
            return ecosystem
    raise ZoneError(
        f"{path}: zone {zone} is of class {name!r}, which zones.classes does not list; add the word there",
        f"{path}: 片区{zone}的类型用词“{name}”未登记；请加入 zones.classes",
    )


def stratum_of(path: Path, zone: str, ecosystem: Ecosystem, name: object) -> str:
    """Key of the vegetation stratum by its name or code, of the default if none is given. Raises ZoneError for an
    unknown one."""
    word = one_line(name) or None
    try:
        return ecosystem.stratum_key(word)
    except KeyError:
        known = [stratum.names[0] for stratum in ecosystem.strata.values()]
        raise ZoneError(
            f"{path}: zone {zone} has the vegetation type {word!r}, unknown to {ecosystem.ecosystem} "
            f"({', '.join(known)}); add the name to the coefficient file",
            f"{path}: 片区{zone}的植被类型“{word}”未知，{ECOSYSTEMS_ZH[ecosystem.ecosystem]}只有{'、'.join(known)}；"
            "请把该名称加入系数文件",
        ) from None


def check_counts(path: Path, counts: dict[str, int], expected: dict[str, int]) -> None:
    """Raises ZoneError if an ecosystem has not the expected number of zones."""
    wrong = {key: number for key, number in expected.items() if counts.get(key, 0) != number}
    if wrong:
        found = "; ".join(f"{counts.get(key, 0)} {key}, not {number}" for key, number in wrong.items())
        found_zh = "，".join(
            f"{ECOSYSTEMS_ZH[key]}{counts.get(key, 0)}个（应为{number}个）" for key, number in wrong.items()
        )
        raise ZoneError(
            f"{path}: the zones are {found}; correct the file or zones.expected",
            f"{path}: 片区数与约定不符：{found_zh}；请改正文件或 zones.expected",
        )


def sound_polygon(path: Path, zone: str, geometry: shapely.Geometry | None, mended: list[str]) -> shapely.Geometry:
    """A valid 2-D polygon; repairs are noted in ``mended``. Raises ZoneError for a geometry that is no area, and for a
    repair that changes too much of it."""
    if geometry is None or geometry.is_empty:
        raise ZoneError(
            f"{path}: zone {zone} has no geometry; draw it or remove the row",
            f"{path}: 片区{zone}没有图形；请补绘，或删除该行",
        )
    if geometry.geom_type not in ("Polygon", "MultiPolygon"):
        raise ZoneError(
            f"{path}: zone {zone} is a {geometry.geom_type}, not a polygon; export polygons",
            f"{path}: 片区{zone}是{geometry.geom_type}，不是面；请导出面要素",
        )
    polygon, change = repaired(geometry)
    if change > MAX_REPAIR:
        raise ZoneError(
            f"{path}: the outline of zone {zone} crosses itself and its repair would change the area by "
            f"{change:.1%}; correct it in GIS",
            f"{path}: 片区{zone}的边界自相交，修复会使面积变化{change:.1%}；请在GIS中改正",
        )
    if not geometry.is_valid:
        mended.append(f"zone {zone}: invalid outline repaired, area changed by {change:.4%}")
    return polygon


def declared_number(path: Path, zone: str, value: object) -> float | None:
    """The declared area, 万亩; None for an empty cell, also in a column of text. Raises ZoneError if it is not a
    number."""
    if not one_line(value):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ZoneError(
            f"{path}: zone {zone} declares the area {value!r}, which is no number; give 万亩, or leave it empty",
            f"{path}: 片区{zone}的申报面积“{value}”不是数字；请填万亩数，或留空",
        ) from None
