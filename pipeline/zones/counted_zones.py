"""The zones as a run counts them: read, compared with what is known of them, overlaps settled."""

from statistics import median

import geopandas as gpd

from pipeline.ecosystems import Ecosystem
from pipeline.errors import ZoneError
from pipeline.zones.area_ledger import area_ledger, mismatches
from pipeline.zones.boundaries import read_zones
from pipeline.zones.overlaps import settle_overlaps
from pipeline.zones.shift_check import shift_sentence, zone_shift
from pipeline.zones.vector_file import read_vector

SHOWN = 3
"""Zones beyond tolerance that a sentence names."""

UNITS = {1e-4: "mu 亩", 15: "10 000 ha 万公顷", 15e-4: "ha 公顷"}
"""Areas in 万亩 over the same in other units, and how these are called."""


def counted_zones(config, ecosystems: dict[str, Ecosystem]) -> tuple[gpd.GeoDataFrame, list[str]]:
    """The zones as they are counted, and the sentences of what was mended or is beyond tolerance. Raises ZoneError
    for what the config does not let pass: overlaps, a shift like that of web maps, areas beyond tolerance."""
    zones = config.zones
    table, notes = read_zones(
        zones.path, zones.layer, zones.columns.model_dump(), zones.classes, zones.expected, ecosystems
    )
    if zones.reference:
        shift, _ = zone_shift(table, read_vector(zones.reference, None, []))
        if shift and shift.is_gcj02:
            raise ZoneError(f"{zones.path}: {shift_sentence(shift)}")
    table, overlapping = settle_overlaps(table, zones.overlaps)
    ledger = area_ledger(table, zones.planned_wanmu, config.area_tolerance_percent)
    return table, notes + overlapping + passed_areas(ledger, config.area_mismatch)


def passed_areas(ledger: list[dict], how: str) -> list[str]:
    """The sentences on areas beyond tolerance. Raises ZoneError with them unless ``how`` is warn."""
    beyond = mismatches(ledger)
    if beyond and how == "stop":
        more = f" and {len(beyond) - SHOWN} more, which `sinkmap check` lists" if len(beyond) > SHOWN else ""
        raise ZoneError(
            f"areas differ beyond tolerance: {'; '.join(beyond[:SHOWN])}{more}; correct the boundaries or the declared "
            f"areas{unit_doubt(ledger)}, or set area_mismatch to warn"
        )
    return beyond


def unit_doubt(ledger: list[dict]) -> str:
    """Which unit the declared areas seem to be in, where that is plainly not 万亩."""
    ratios = [row["polygon_wanmu"] / row["declared_wanmu"] for row in ledger if row["declared_wanmu"]]
    found = [name for ratio, name in UNITS.items() if ratios and abs(median(ratios) / ratio - 1) < 0.1]
    return f" (they seem to be in {found[0]}, not in 10 000 mu 万亩)" if found else ""
