"""What a run reads: its zones, stands, shrub and scenes, found as its config asks for them."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from pydantic import TypeAdapter

from pipeline.compositing.indices import bands_of
from pipeline.config.cover_config import Cover
from pipeline.config.run_config import RunConfig
from pipeline.ecosystems import Ecosystem, Forest
from pipeline.ecosystems.shrub import SHRUB
from pipeline.errors import ConfigError, ZoneError
from pipeline.execution.json_file import read_json
from pipeline.execution.provenance import Checksums
from pipeline.mapping.land_cover import LandCover, reach_of
from pipeline.mapping.shrub_ground import ShrubGround
from pipeline.mapping.suggestions import read_suggestions
from pipeline.scenes.catalog import Wanted
from pipeline.scenes.harmonise import NARROW, SHIPPED_ROWS, Row
from pipeline.scenes.scene import INDEX, SURFACE_REFLECTANCE, Scene
from pipeline.totals.plausibility import read_ranges
from pipeline.yaml_file import read_yaml
from pipeline.zones.area_ledger import area_ledger, passed_areas
from pipeline.zones.boundaries import read_zones
from pipeline.zones.joined_stands import join_inventories, latest_of
from pipeline.zones.outlines import in_crs, stacked
from pipeline.zones.overlaps import settle_overlaps
from pipeline.zones.shift_check import shift_sentence, zone_shift
from pipeline.zones.stands import read_stands, repeated, stands_in_zone
from pipeline.zones.vector_file import read_vector
from pipeline.zones.zone import Zone
from pipeline.zones.zone_stands import StandFile, ZoneStands


def refuse_among_results(config: RunConfig, folder: Path) -> None:
    """Raises ConfigError for an input in ``folder``, where the results go: the run would put its own zones.gpkg in the
    place of the boundaries, and delete what looks like an older result. A fit leaves coefficients there, on purpose."""
    results = Path(os.path.realpath(folder))
    for file in [*config.tables(), *([config.scenes.path] if config.scenes.path else [])]:
        place = Path(os.path.realpath(file))
        if place.is_relative_to(results) and not place.is_relative_to(results / "coefficients"):
            raise ConfigError(
                f"{file}: lies in {folder}, where the run writes its results and deletes older ones; choose another "
                "folder with --out, or give the run another name"
            )


def counted_zones(config: RunConfig, ecosystems: dict[str, Ecosystem]) -> tuple[gpd.GeoDataFrame, list[str]]:
    """The zones as they are counted, and sentences on what was repaired or is beyond tolerance. Raises ZoneError for
    what the config does not allow: overlaps, a shift like that of web maps, areas beyond tolerance."""
    zones = config.zones
    table, notes = read_zones(zones.file, ecosystems)
    if zones.reference:
        shift, _ = zone_shift(table, read_vector(zones.reference, None, []))
        if shift and shift.is_gcj02:
            raise ZoneError(f"{zones.path}: {shift_sentence(shift)}")
    table, overlapping = settle_overlaps(table, zones.overlaps)
    ledger = area_ledger(table, zones.planned_wanmu, config.area_tolerance_percent)
    return table, notes + overlapping + passed_areas(ledger, config.area_mismatch)


def stands_of(
    config: RunConfig, ecosystems: dict[str, Ecosystem], zones: list[Zone], notes: list[str]
) -> dict[str, ZoneStands]:
    """Stands by id of the forest and grassland zones that they reach into, joined where inventories are in files of
    their own. Of an inventory that covers less than ``stands.min_area_fraction`` of a forest zone, for instance with
    the edge of a neighbour's stand, they are not used there: ground without a stand would count as ground without
    forest. Sentences on that, on shrub that no longer counts and on repairs are added to ``notes``. Raises ZoneError
    where no stand of a file lies in any of these zones: all forest would silently be estimated by the class mean."""
    if config.stands is None:
        return {}
    cut = [_in_zones(config, files, ecosystems["forest"], zones, notes) for files in config.stands.inventories]
    found = {}
    for zone in zones:
        inventories = [in_zones[zone.id] for in_zones in cut if zone.id in in_zones]
        least = config.stands.min_area_fraction if zone.ecosystem == "forest" else 0
        used = [stands for stands in inventories if stands and stands.ground_ha / zone.area_ha >= least]
        if used:
            found[zone.id] = join_inventories(used)
            notes += _shrub_left_out(zone, used)
        if zone.ecosystem == "forest":
            notes += _left_out(config, zone, inventories, used)
    return found


def _in_zones(
    config: RunConfig, files: list[StandFile], forest: Forest, zones: list[Zone], notes: list[str]
) -> dict[str, ZoneStands | None]:
    """The stands of an inventory by id of each zone in which they may count; sentences on repairs are added to
    ``notes``."""
    there = [zone for zone in zones if zone.ecosystem != "wetland"]
    ground = np.array([zone.geometry for zone in there])
    tables = []
    for file in files:
        table, mended = read_stands(file, forest)
        notes += mended
        tables.append(in_crs(table, config.grid.crs))
        if there and not tables[-1].sindex.query(ground, predicate="intersects").size:
            raise ZoneError(
                f"{file.path}: no stand lies in a forest or grassland zone; correct its CRS, or take the file out of "
                "`stands` in the config"
            )
    stands = stacked(tables, config.grid.crs)
    again = repeated(stands)
    if again.any():
        names = ", ".join(file.path.name for file in files)
        notes.append(
            f"{names}: {again.sum()} stands are in two of these files with the same outline, species and volume, and "
            "count once"
        )
    counted, years = stands[~again], files[0].volume_m3_ha
    return {zone.id: stands_in_zone(counted, zone.geometry, years) for zone in there}


def _left_out(
    config: RunConfig, zone: Zone, inventories: list[ZoneStands | None], used: list[ZoneStands]
) -> Iterator[str]:
    """A sentence on each inventory of a forest zone that is not ``used``; none if all have no stand there."""
    if not any(inventories):
        return
    years = [year for stands in used for year in stands.volume_m3_ha]
    for files, stands in zip(config.stands.inventories, inventories, strict=True):
        if not any(stands is each for each in used):
            covered = stands.ground_ha / zone.area_ha if stands else 0
            whose = f" of {_listed(files[0].volume_m3_ha)}" if len(inventories) > 1 else ""
            by = f"the inventories of {_listed(years)} alone" if years else "class mean and canopy"
            yield (
                f"the stands{whose} cover {covered:.2%} of forest zone {zone.id}, less than stands.min_area_fraction: "
                f"its stock is by {by}"
            )


def _shrub_left_out(zone: Zone, used: list[ZoneStands]) -> Iterator[str]:
    """A sentence where the latest of the inventories that are ``used`` in a zone has no shrub, and an earlier one has:
    it may be of trees alone, or reach the zone with an edge."""
    latest, with_shrub = latest_of(used), [stands for stands in used if SHRUB in stands.species]
    if with_shrub and SHRUB not in latest.species:
        before = latest_of(with_shrub)
        area_ha = sum(area for area, species in zip(before.area_ha, before.species, strict=True) if species == SHRUB)
        yield (
            f"the stands of {_listed(latest.volume_m3_ha)}, the latest in zone {zone.id}, have no shrub there: "
            f"{area_ha:,.1f} ha of shrub of {_listed(before.volume_m3_ha)} do not count"
        )


def _listed(years: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(years)))


def too_short_for_a_sink(config: RunConfig, without_stands: list[str]) -> list[str]:
    """A sentence if a period has too few years for a sink of the zones ``without_stands``; none if they have enough, or
    no sink is asked for."""
    periods, need = config.periods, Ecosystem.min_window_years
    years = min(len(periods.baseline or ()), len(periods.current))
    if periods.baseline is None or years >= need or not without_stands:
        return []
    zones = ", ".join(without_stands)
    return [f"a sink without stands needs {need} years in each period, one has {years}: {zones} will have none"]


def replaced_results(folder: Path, zones: list[Zone]) -> str:
    """A sentence where the finished run in ``folder`` has none of the ``zones``, as where a config was copied for
    another county and its name left as it was: its results will be replaced. "" where it has some, or there is none."""
    there = [zone["id"] for zone in (read_json(folder / "run.json") or {}).get("zones", ())]
    if not there or {zone.id for zone in zones} & set(there):
        return ""
    named = ", ".join(there[:4]) + ", ..." * (len(there) > 4)
    return (
        f"{folder} holds the results of other zones ({named}), which this config's take the place of; give it another "
        "name to keep both"
    )


def shrub_of(
    config: RunConfig, stands: dict[str, ZoneStands], zones: list[Zone], checksums: Checksums, notes: list[str]
) -> dict[str, ShrubGround]:
    """Where shrub may grow, by id of the zones that shrub stands or the land cover reach into: grassland zones, and
    forest zones without ``stands``, since an inventory would count the shrub. Zones that the land cover does not cover
    are named in ``notes``."""
    by_index = [
        zone
        for zone in zones
        if zone.ecosystem == "grassland" or (zone.ecosystem == "forest" and zone.id not in stands)
    ]
    classes, reach = None, shapely.Polygon()
    if how := config.land_cover:
        reach = reach_of(how.path, config.grid.crs)
        classes = LandCover(how.path, how.shrub, *checksums.of([str(how.path)]).values())
        if short := [zone.id for zone in by_index if not reach.covers(zone.geometry)]:
            notes.append(f"{how.path}: the land cover lacks part of {', '.join(short)}; it counts as without shrub")
    found = {
        zone.id: ShrubGround(stands.get(zone.id), classes if reach.intersects(zone.geometry) else None)
        for zone in by_index
    }
    return {zone: ground for zone, ground in found.items() if ground.is_any}


def place_of_scenes(config: RunConfig, extent: np.ndarray, cache: Path) -> Path:
    """The folder, catalogue or manifest of the scenes; what an API answers is kept in ``cache``."""
    if config.scenes.api is None:
        return config.scenes.path
    # asking and downloading needs libraries that no other run loads
    from pipeline.scenes.stac_api import Search, fetch_items, in_degrees

    api, scenes = config.scenes.api, config.scenes
    bbox = in_degrees(extent, config.grid.crs)
    bands = bands_of(config.indices)
    if read_harmonisation(config.harmonise):
        bands += tuple(NARROW.values())
    return fetch_items(
        Search(api.url, api.collections, bbox, scenes.years, scenes.season, api.cloud_below, bands),
        cache,
        scenes.remote,
    )


def wanted_of(config: RunConfig, extent: np.ndarray) -> Wanted:
    """What the run requires of its scenes; ``extent`` holds its zones (left, bottom, right, top in the CRS of the
    grid)."""
    scenes, grid = config.scenes, config.grid
    return Wanted(
        years=scenes.years,
        season=scenes.season,
        bands=bands_of(config.indices),
        crs=grid.crs,
        area=shapely.box(*extent),
        remote=scenes.remote,
        max_megapixels=scenes.max_megapixels,
        finest_m=None if grid.allow_coarser else grid.resolution_m,
        indices=config.indices,
        rows=read_harmonisation(config.harmonise),
        zones=str(config.zones.path),
    )


def check_library(config: RunConfig, ecosystems: dict[str, Ecosystem]) -> None:
    """Raises ConfigError where a biomass model would be given another index than it was calibrated on, and where a file
    of ranges or suggestions names a vegetation type that the coefficients do not have: it would match no zone."""
    for name, ecosystem in ecosystems.items():
        index = config.cover.get(name, Cover()).index
        if ecosystem.model_index not in (None, index):
            raise ConfigError(
                f"cover.{name}.index is {index}, but the biomass model of {name} was calibrated on "
                f"{ecosystem.model_index}; set it to {ecosystem.model_index} or fit a model on {index}"
            )
    types = [stratum for ecosystem in ecosystems.values() for stratum in ecosystem.strata]
    if config.plausibility:
        named = [limits.where for limits in read_ranges(config.plausibility).ranges]
        _refuse_unknown(config.plausibility, "where", named, [*ecosystems, *types])
    if config.patches.suggestions:
        rules = read_suggestions(config.patches.suggestions).rules
        _refuse_unknown(config.patches.suggestions, "stratum", [s for r in rules for s in r.stratum or ()], types)


def _refuse_unknown(file: Path, key: str, named: list[str], known: list[str]) -> None:
    if wrong := [name for name in named if name not in known]:
        raise ConfigError(f"{file}: {key} has no {wrong[0]!r}; it is one of {', '.join(known)}")


def check_levels(method: str, scenes: list[Scene]) -> None:
    """Raises ConfigError for a geometric median over reflectance and the bands that are computed for scenes with NDVI
    alone: in the plane of red and near infrared these lie apart from reflectance, whatever grows there."""
    by_level = {scene.level: scene.id for scene in reversed(scenes)}
    if method == "geometric_median" and len(by_level) > 1:
        raise ConfigError(
            f"composite.method geometric_median needs bands, and scene {by_level[INDEX]} brings NDVI alone, beside "
            f"reflectance such as {by_level[SURFACE_REFLECTANCE]}; set it to median, or leave one of the sensors out"
        )


def check_names(config: RunConfig, zones: gpd.GeoDataFrame) -> None:
    """Raises OutputError for a name that no font can print, where there are to be sheets, and for one that GBK cannot
    write, where there are to be shapefiles: said now and not after hours of work."""
    if "sheets" in config.deliverables:
        from pipeline.outputs.sheets.fonts import find_fonts  # which brings matplotlib

        find_fonts("\n".join([config.title, config.organisation, *zones["name"], *zones["id"]]))
    if "shp" in config.exports:
        from pipeline.outputs.export import dbf_length

        for zone, name in zip(zones["id"], zones["name"], strict=True):
            dbf_length(name, f"the name of zone {zone}")


def read_harmonisation(choice: str | Path) -> tuple[Row, ...]:
    """The rows of a set that ships, those of a file, or none. Raises ConfigError."""
    if choice == "none":
        return ()
    if isinstance(choice, Path):
        return read_yaml(choice, TypeAdapter(tuple[Row, ...]))
    return tuple(row for row in read_yaml(SHIPPED_ROWS, TypeAdapter(tuple[Row, ...])) if row.set == choice)
