"""The results of a run, as its deliverables need them: tables, paths of the rasters, and how to colour them."""

from dataclasses import dataclass, field
from pathlib import Path

import geopandas as gpd

from pipeline.ecosystems import Ecosystem
from pipeline.execution.provenance import Marks
from pipeline.mapping.styles import Styles
from pipeline.mapping.suggestions import Suggestions
from pipeline.outputs.note import note_of
from pipeline.scenes.season import Season
from pipeline.stock.zone_model import Period


@dataclass(frozen=True)
class Results:
    """The results of a run, all values: a deliverable reads nothing else but the rasters named here.

    ``zones`` has the columns id, name, ecosystem, stratum, stratum_given and the geometry in EPSG:4490 (CGCS2000);
    ``rows`` are those of `zone_totals.COLUMNS` (zones, then ecosystems, then the city), ``by_year`` of
    `zone_totals.YEAR_COLUMNS`, ``intervals`` of `intervals.INTERVAL_COLUMNS`. ``scenes`` are those of
    `run.Run.scene_entry`, all of the days of ``season``, ``inventories`` the years of its forest stands by zone id.
    ``rasters`` maps zone id and (variable, period label) to a GeoTIFF that is there. ``patches`` maps a zone id to its
    management patches with the columns `patches.PATCH_COLUMNS`; ``suggestions`` are their rules, ``min_patch_mu`` is
    their minimum size in 亩. ``min_observed`` is the share of a zone that counts as seen. ``impossible`` are the ids of
    the zones with an impossible figure, which get no patches. ``deliverables`` and ``exports``, further vector formats,
    are those that are asked for. ``cover_classes`` are the areas of the classes of ``cover_scheme``; ``targets`` are
    rows of `targets.TARGET_COLUMNS`, none where the plan sets none; ``separate`` of `separate.SEPARATE_COLUMNS`,
    ``ledger`` of `area_ledger.COLUMNS`. ``work`` is the folder of what is kept between runs, ``notes`` are sentences
    that the run says at its end.
    """

    name: str
    title: str
    organisation: str
    folder: Path
    note: str
    simulated: bool
    zones: gpd.GeoDataFrame
    grid_crs: str
    rows: list[dict]
    by_year: list[dict]
    intervals: list[dict]
    baseline: Period | None
    current: Period
    rasters: dict[str, dict[tuple[str, str], Path]]
    ecosystems: dict[str, Ecosystem]
    scenes: list[dict]
    season: Season
    set_aside: list[dict]
    styles: Styles
    suggestions: Suggestions
    min_patch_mu: float
    min_observed: float
    impossible: list[str]
    deliverables: tuple[str, ...]
    exports: tuple[str, ...]
    work: Path
    marks: Marks
    notes: list[str] = field(default_factory=list)
    inventories: dict[str, list[int]] = field(default_factory=dict)
    separate: list[dict] = field(default_factory=list)
    ledger: list[dict] = field(default_factory=list)
    cover_scheme: str = "sl190"
    cover_classes: list[dict] = field(default_factory=list)
    targets: list[dict] = field(default_factory=list)
    patches: dict[str, gpd.GeoDataFrame] = field(default_factory=dict)

    @property
    def sink_label(self) -> str | None:
        """The label of the comparison of the two periods in file names, such as 2019-2021_2023-2025."""
        return f"{self.baseline.label}_{self.current.label}" if self.baseline else None

    @property
    def periods_zh(self) -> str:
        """The periods in Chinese."""
        current = f"现状期 {self.current.label} 年"
        return f"{current}，与基准期 {self.baseline.label} 年比较" if self.baseline else f"{current}，仅一期"

    @property
    def group_names(self) -> dict[str, str]:
        """What the ecosystems and the city are called in Chinese, by the ids of their rows."""
        return {name: self.styles.ecosystems[name].zh for name in self.ecosystems} | {"city": "全部片区"}

    @property
    def data_date(self) -> str:
        """Day of the newest scene, such as 2025-08-29: the date of the data, the same whenever products are made."""
        return max(scene["day"] for scene in self.scenes)

    def scenes_of(self, zone: str) -> list[dict]:
        """The scenes whose frame reaches a zone."""
        return [scene for scene in self.scenes if zone in scene["zones"]]

    def inventories_of(self, *zones: str) -> tuple[int, ...]:
        """The years of the inventories that the carbon of any of these zones depends on; empty without stands."""
        return tuple(sorted({year for zone in zones for year in self.inventories.get(zone, ())}))

    def clamped_of(self, zone: str) -> float | None:
        """The share of a zone that lies beyond the range of its biomass model, where that is known."""
        return next((row["clamped_fraction"] for row in self.separate if row["zone_id"] == zone), None)

    def gain_loss_of(self, zone: str) -> float | None:
        """Gain less loss by volume increment, t CO2/yr, of a zone's stands or of all of an ecosystem's, where that is
        known."""
        own = [row["gain_loss_tCO2_yr"] for row in self.separate if zone in (row["zone_id"], row["ecosystem"])]
        known = [value for value in own if value is not None]
        return sum(known) if known else None

    def with_gain_loss(self) -> list[dict]:
        """The rows, each with its `gain_loss_of` beside the sink, to which that is never added."""
        return [row | {"gain_loss_tCO2_yr": self.gain_loss_of(row["zone_id"])} for row in self.rows]

    def note_of(self, zone: str) -> str:
        """The ``note`` of a product that shows only this zone."""
        return note_of(self.simulated, [self.ecosystems[self.row(zone)["ecosystem"]]])

    def row(self, zone: str) -> dict:
        """The row of a zone, of an ecosystem or of the ``city``. Raises KeyError."""
        for row in self.rows:
            if row["zone_id"] == zone:
                return row
        raise KeyError(zone)
