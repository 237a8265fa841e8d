"""What a run reads: its zones, stands and scenes, found as its config asks for them."""

from pathlib import Path

import geopandas as gpd
import numpy as np

from pipeline.config import Cover, RunConfig
from pipeline.ecosystems import Ecosystem
from pipeline.errors import ConfigError
from pipeline.stands import ZoneStands, read_stands, stands_in_zone
from pipeline.zones import Zone, read_zones, zones_on_grid


def zones_of(config: RunConfig, ecosystems: dict[str, Ecosystem]) -> tuple[gpd.GeoDataFrame, list[Zone], list[str]]:
    """The table of zones, the zones on the grid, and notes on both. Raises ZoneError."""
    table, notes = read_zones(
        config.zones.path, config.zones.layer, config.zones.columns.model_dump(), config.zones.classes,
        config.zones.expected, ecosystems,
    )  # fmt: skip
    return table, zones_on_grid(table, config.grid.crs), notes


def stands_of(config: RunConfig, ecosystems: dict[str, Ecosystem], zones: list[Zone]) -> dict[str, ZoneStands]:
    """Stands by id of the forest zones that they reach into."""
    if config.stands is None:
        return {}
    columns = config.stands.columns
    table = read_stands(
        config.stands.path, config.stands.layer, columns.species, columns.volume_m3_ha, ecosystems["forest"]
    ).to_crs(config.grid.crs)
    cut = {
        zone.id: stands_in_zone(table, zone.geometry, sorted(columns.volume_m3_ha))
        for zone in zones
        if zone.ecosystem == "forest"
    }
    return {zone: stands for zone, stands in cut.items() if stands}


def place_of_scenes(config: RunConfig, extent: np.ndarray, cache: Path) -> Path:
    """The folder, catalogue or manifest of the scenes; what an API answers is kept in ``cache``."""
    if config.scenes.api is None:
        return config.scenes.path
    # asking and downloading needs libraries that no other run loads
    from pipeline.stac_api import Search, fetch_items, in_degrees

    api, scenes = config.scenes.api, config.scenes
    bbox = in_degrees(extent, config.grid.crs)
    return fetch_items(
        Search(api.url, api.collections, bbox, scenes.years, scenes.season, api.cloud_below), cache, scenes.remote
    )


def finest_m(config: RunConfig) -> float | None:
    """Pixels that are coarser, in metres, are refused; None where any are taken."""
    return None if config.grid.allow_coarser else config.grid.resolution_m


def check_indices(config: RunConfig, ecosystems: dict[str, Ecosystem]) -> None:
    """Raises ConfigError where a biomass model would be given another index than it was calibrated on."""
    for name, ecosystem in ecosystems.items():
        index = config.cover.get(name, Cover()).index
        if ecosystem.model_index not in (None, index):
            raise ConfigError(
                f"cover.{name}.index is {index}, but the biomass model of {name} was calibrated on "
                f"{ecosystem.model_index}; set it to {ecosystem.model_index} or fit a model on {index}"
            )
