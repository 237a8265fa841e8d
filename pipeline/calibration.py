"""The end-members of a run: given, shipped with the stratum, or calibrated on its own pooled years."""

from collections.abc import Iterable
from dataclasses import asdict
from itertools import groupby

from pipeline.compositing.cube import Tile
from pipeline.config.cover_config import FixedEndMembers
from pipeline.errors import ConfigError
from pipeline.execution.json_file import read_json, write_json
from pipeline.run import Run
from pipeline.stock.sketch import INDEX, Sketch, pool
from pipeline.vegetation import Calibration, EndMembers, percentile_end_members

MEMORY = "end_members.json"


def end_members_by_zone(run: Run, sketches: dict[str, dict[str, Sketch]]) -> dict[str, EndMembers]:
    """End-members as the config asks, the same for all years: given, shipped with the stratum, or calibrated per
    ecosystem on all its zones and years pooled. Raises ConfigError where they cannot be soil and vegetation."""
    calibrated: dict[str, EndMembers] = {}
    found = {}
    for zone in run.zones:
        how = run.cover_of(zone.ecosystem)
        try:
            if isinstance(how.end_members, FixedEndMembers):
                found[zone.id] = how.mixture(how.end_members.soil, how.end_members.vegetation)
            elif how.end_members == "shipped":
                stratum = run.ecosystems[zone.ecosystem].strata[zone.stratum]
                found[zone.id] = how.mixture(stratum.soil_index.value, stratum.vegetation_index.value)
            else:
                if zone.ecosystem not in calibrated:
                    calibrated[zone.ecosystem] = _calibrated(run, zone.ecosystem, sketches)
                found[zone.id] = calibrated[zone.ecosystem]
        except ValueError as error:
            shipped = "shipped or " if how.index == "ndvi" else ""
            raise ConfigError(
                f"cover.{zone.ecosystem}: {error}; set end_members to {shipped}{{soil: .., vegetation: ..}}"
            ) from error
    return found


def _calibrated(run: Run, ecosystem: str, sketches: dict[str, dict[str, Sketch]]) -> EndMembers:
    how = run.cover_of(ecosystem)
    zones = [zone for zone in run.zones if zone.ecosystem == ecosystem]
    pooled = pool([sketches[zone.id][str(year)] for zone in zones for year in run.years])
    soil, vegetation, n = percentile_end_members(INDEX, pooled, how.percentiles)
    tiles = {tile.name: tile for zone in zones for tile in run.tiles_of(zone)}
    return how.mixture(soil, vegetation, Calibration(n, how.percentiles, scene_days(run, tiles.values())))


def scene_days(run: Run, tiles: Iterable[Tile]) -> tuple[str, ...]:
    """The days of the scenes that reach these tiles, one text for each year, such as "2023: 07-20 08-14"."""
    days = sorted({scene.day for scene in run.scenes if any(run.reaches(scene, tile) for tile in tiles)})
    return tuple(
        f"{year}: {' '.join(day.strftime('%m-%d') for day in of_year)}"
        for year, of_year in groupby(days, key=lambda day: day.year)
    )


def remember(run: Run, end_members: dict[str, EndMembers]) -> None:
    """Keep the end-members by zone id, calibrated ones with the data that they are from."""
    write_json(run.work / MEMORY, {zone: asdict(pair) for zone, pair in end_members.items()})


def remembered(run: Run) -> dict[str, EndMembers]:
    """What `remember` kept in the last run; empty if it kept nothing."""
    return {zone: EndMembers.read(content) for zone, content in (read_json(run.work / MEMORY) or {}).items()}


def calibration_block(run: Run) -> str:
    """YAML to freeze the calibrated end-members in the config; empty where none were calibrated."""
    found = remembered(run)
    calibrated = {zone.ecosystem: found[zone.id] for zone in run.zones if found[zone.id].calibration}
    lines = []
    for ecosystem, pair in calibrated.items():
        fixed = "end_members: " + _flow({"soil": pair.soil, "vegetation": pair.vegetation})
        low, high = pair.calibration.percentiles
        lines.append(
            f"  {ecosystem}: {{{', '.join([*_choices(run, ecosystem), fixed])}}}  # n {pair.calibration.pixel_years} "
            f"pixel-years, percentiles {low:g} and {high:g}, {run.years[0]}-{run.years[-1]}"
        )
    return "\n".join(["cover:", *lines]) if lines else ""


def _choices(run: Run, ecosystem: str) -> list[str]:
    """The ecosystem's further keys, so that the block replaces what the config says."""
    chosen = run.cover_of(ecosystem).model_dump(exclude_defaults=True, exclude={"end_members", "percentiles"})
    return [f"{key}: {_flow(value)}" for key, value in chosen.items()]


def _flow(value: object) -> str:
    """A value as YAML on one line."""
    return "{" + ", ".join(f"{k}: {v}" for k, v in value.items()) + "}" if isinstance(value, dict) else str(value)
