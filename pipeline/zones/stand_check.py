"""The doctor of stands: everything that is wrong in the files of an inventory, or that a reader should know about them.

Like `boundary_check` it reports all faults and changes nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import geopandas as gpd
import pandas as pd
import shapely

from pipeline.ecosystems import Forest
from pipeline.errors import ZoneError
from pipeline.zones.finding import Finding, about_file, on_the_map, worst_first
from pipeline.zones.outlines import repaired, stacked
from pipeline.zones.overlaps import OVERLAP_TOLERANCE, find_overlaps
from pipeline.zones.stands import how_to_count, repeated, species_names, unusable_species, volumes
from pipeline.zones.vector_file import area_text, ellipsoidal_area_ha, one_line, read_vector
from pipeline.zones.zone_stands import StandFile

MOST_M3_HA = 400
"""Live volume, m3/ha, that no stand exceeds (expert choice); the biomass of much more would fit in no raster."""


def check_stands(files: Sequence[StandFile], forest: Forest) -> list[Finding]:
    """Findings on geometry, species and volumes of the stands of an inventory, summed up: there may be thousands of
    them. A finding on one of several files names it."""
    found, counted = [], []
    for file in files:
        whose = f"stands {file.path.name}" if len(files) > 1 else "stands"
        try:
            table = read_vector(file.path, file.layer, file.named)
        except ZoneError as error:
            found.append(Finding("error", "file", whose, str(error), f"无法使用该文件：{error.zh}"))
            continue
        of_file, stands = _check_file(file, table, forest)
        found += [replace(finding, zone=whose) for finding in on_the_map(of_file, table.crs)]
        counted.append(stands)
    if counted:
        stands = stacked(counted, counted[0].crs)
        again = repeated(stands.drop(columns=["area_ha"]))
        found += on_the_map([*_doubled(again), *_overlaps(stands[~again])], stands.crs)
    return worst_first(found)


def _check_file(file: StandFile, table: gpd.GeoDataFrame, forest: Forest) -> tuple[list[Finding], gpd.GeoDataFrame]:
    """Findings on one file; and the stands that count, with species, volume by year, cover, area_ha and outline."""
    found = list(about_file(table))
    names = species_names(file, table, forest)
    found += _species(names, forest)
    empty = table.geometry.isna() | table.geometry.is_empty
    if empty.any():
        found.append(
            Finding("warning", "geometry", "", f"{empty.sum()} stands have no geometry and are left out",
                    f"{empty.sum()}个小班无几何，不计入", int(empty.sum()), "stands")
        )  # fmt: skip
    invalid = table.geometry[~empty & ~table.geometry.is_valid]
    if len(invalid):
        change = max(repaired(geometry)[1] for geometry in invalid)
        places = shapely.multipoints(invalid.representative_point().to_list())
        found.append(
            Finding("warning", "invalid", "", f"{len(invalid)} stands cross themselves and are repaired, the area of "
                    f"one changed by {change:.2%} at most", f"{len(invalid)}个小班自相交，已修复副本，面积变化至多"
                    f"{change:.2%}", 100 * change, "%", places)
        )  # fmt: skip
    again = repeated(table[[*file.named, table.geometry.name]])
    found += _doubled(again)
    rows = table[~empty & ~again]
    columns = {"species": file.species, **file.volume_m3_ha} | ({"cover": file.cover} if file.cover else {})
    counted = gpd.GeoDataFrame(
        {name: rows[column].to_numpy() for name, column in columns.items()},
        geometry=[repaired(geometry)[0] for geometry in rows.geometry], crs=table.crs, index=rows.index,
    )  # fmt: skip
    counted["species"] = counted["species"].map(one_line)
    counted["area_ha"] = ellipsoidal_area_ha(counted.geometry)
    if not unusable_species(names, forest)[0]:
        found += _volumes(file, table, names.map(forest.species_key), counted["area_ha"])
    return found, counted


def _doubled(again: pd.Series) -> Iterator[Finding]:
    """A finding on the rows that are there ``again``."""
    if again.any():
        number = int(again.sum())
        yield Finding("note", "duplicate", "stands", f"{number} stands are there once more with the same outline, "
                      "species and volume, and count once", f"{number}个小班重复（图形、树种、蓄积相同），只计一次",
                      number, "stands")  # fmt: skip


def _overlaps(stands: gpd.GeoDataFrame) -> Iterator[Finding]:
    """Ground that several stands cover, summed up; several species of one polygon are no overlap."""
    drawn = stands.geometry.normalize().to_wkb().tolist()
    kind = stands["species"].tolist()
    shared = [
        overlap
        for overlap in find_overlaps(stands.assign(id=range(len(stands))))
        if overlap.share > OVERLAP_TOLERANCE
        and (drawn[overlap.first] != drawn[overlap.second] or kind[overlap.first] == kind[overlap.second])
    ]
    if shared:
        area = sum(overlap.area_ha for overlap in shared)
        yield Finding("warning", "overlap", "stands", f"{len(shared)} pairs of stands overlap by {area_text(area)} ha, "
                      "whose volume counts twice", f"{len(shared)}对小班重叠{area_text(area)}公顷，蓄积重复计算", area,
                      "ha", shapely.union_all([overlap.geometry for overlap in shared]))  # fmt: skip


def _volumes(file: StandFile, table: gpd.GeoDataFrame, species: pd.Series, counted_ha: pd.Series) -> Iterator[Finding]:
    """The live volume of all stands at each inventory, to be compared with the inventory's own sum, and stands with
    more than any can hold; ``counted_ha`` is the area of those that count, by row."""
    for year, column in sorted(file.volume_m3_ha.items()):
        try:
            volume = volumes(file.path, table[column], species)[counted_ha.index]
        except ZoneError as error:
            yield Finding("error", "volume", "stands", str(error), error.zh)
            continue
        total, area = (volume * counted_ha).sum(), counted_ha[volume > 0].sum()
        mean = area_text(total / area if area else 0)
        yield Finding("note", "volume", "stands", f"{year}: the stands of the file hold {area_text(total)} m3 of live "
                      f"volume on {area_text(area)} ha, {mean} m3/ha; compare it with the inventory's own sum: by "
                      "volumes per 亩 it is 15 times too small, by volumes of whole stands many times too large",
                      f"{year}年：该文件小班活立木蓄积共{area_text(total)}立方米，{area_text(area)}公顷，平均每公顷"
                      f"{mean}立方米；请与调查成果的总蓄积核对：误用亩蓄积时小15倍，误用小班蓄积时大许多倍",
                      total, "m3")  # fmt: skip
        if (over := volume[volume > MOST_M3_HA]).size:
            places = shapely.multipoints(table.geometry[over.index].representative_point().to_list())
            yield Finding("warning", "volume", "stands", f"{year}: {over.size} stands hold over {MOST_M3_HA} m3/ha, "
                          f"up to {area_text(over.max())}; if {column} is the volume of the whole stand, divide it by "
                          "its area in ha", f"{year}年：{over.size}个小班每公顷蓄积超过{MOST_M3_HA}立方米，最大"
                          f"{area_text(over.max())}；若{column}是小班蓄积，请除以小班面积(公顷)", over.size, "stands",
                          places)  # fmt: skip


def _species(names: pd.Series, forest: Forest) -> Iterator[Finding]:
    unknown, unexpanded = unusable_species(names, forest)
    for name, number in unknown.items():
        en, zh = how_to_count(name, forest)
        yield Finding("error", "species", "stands", f"the species {name!r} of {number} stands is unknown; {en}",
                      f"{number}个小班的树种“{name}”未登记，{zh}", number, "stands")  # fmt: skip
    for name, number in unexpanded.items():
        yield Finding("error", "species", "stands", f"the species {name!r} of {number} stands has no "
                      "`continuous` row in the forest coefficient file; add it or take expansion: ipcc",
                      f"{number}个小班的树种“{name}”没有蓄积连续函数参数，请补充或改用 expansion: ipcc",
                      number, "stands")  # fmt: skip
