"""A finished run, read back from its record: questions about it need no scene, no boundary and no raster."""

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from pipeline.ecosystems import AnyEcosystem, Ecosystem
from pipeline.errors import OutputError
from pipeline.execution.provenance import Marks
from pipeline.outputs.note import note_of
from pipeline.scenes.sensor_error import SensorError
from pipeline.stock.sketch import Sketch
from pipeline.stock.sketch_file import load_sketches
from pipeline.stock.zone_model import Period, ZoneModel
from pipeline.totals.realisations import Realisations, realise
from pipeline.uncertainty.monte_carlo import variance_shares
from pipeline.uncertainty.varying import DrawSettings
from pipeline.vegetation import EndMembers
from pipeline.zones.file_parts import is_part
from pipeline.zones.zone import Zone
from pipeline.zones.zone_stands import ZoneStands


def tables_of(section: dict | None) -> list[dict]:
    """The files that the ``zones`` or ``stands`` of a recorded config name, each with its path, layer and columns."""
    return [section, *section.get("further_files", ())] if section else []


@dataclass(frozen=True)
class FinishedRun:
    """The record of the run in ``folder`` (``run.json``) and the sketches of its zones."""

    folder: Path
    record: dict

    @classmethod
    def read(cls, folder: Path) -> "FinishedRun":
        """The run whose results are in ``folder``. Raises OutputError where there is none."""
        try:
            record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise OutputError(f"{folder}: holds no finished run (run.json); run `sinkmap zones`") from error
        try:
            whole = all({"figures", "sketch_key", "year_weights"} <= zone.keys() for zone in record["zones"])
            whole = whole and all("area_ha" in failed for failed in record["failed_zones"])
        except (KeyError, TypeError, AttributeError):
            whole = False
        if not whole:
            raise OutputError(f"{folder}: the run is of another version of sinkmap; run `sinkmap zones` again")
        return cls(folder, record)

    @property
    def work(self) -> Path:
        """Folder of what is kept; a year mapped on its own shares that of its run."""
        own = self.folder / "work"
        return own if own.is_dir() else self.folder.parent / "work"

    @property
    def baseline(self) -> Period | None:
        years = self.record["config"]["periods"]["baseline"]
        return Period(tuple(years)) if years else None

    @property
    def current(self) -> Period:
        return Period(tuple(self.record["config"]["periods"]["current"]))

    @property
    def settings(self) -> DrawSettings:
        """The settings of the run's draws."""
        how = self.record["config"]["uncertainty"]
        return DrawSettings(how["draws"], how["seed"], how["area_u95_percent"], how["carlson_ripley_chance"])

    @cached_property
    def zones(self) -> dict[str, dict]:
        """The record's entry of each zone, by id."""
        return {entry["id"]: entry for entry in self.record["zones"]}

    @property
    def all_zones(self) -> list[dict]:
        """Id, name, ecosystem, area and figures of every zone in order; of one that failed only the area is known."""
        failed = [
            {"id": entry["zone"], **entry, "figures": {"area_ha": entry["area_ha"]}}
            for entry in self.record["failed_zones"]
        ]
        return sorted([*self.zones.values(), *failed], key=lambda entry: entry["id"])

    @cached_property
    def ecosystems(self) -> dict[str, Ecosystem]:
        """The coefficients of the run, by ecosystem. Raises OutputError where another version wrote them."""
        read = TypeAdapter(AnyEcosystem).validate_python
        try:
            return {name: read(content) for name, content in self.record["coefficients"].items()}
        except ValidationError as error:
            raise OutputError(
                f"{self.folder}: the run is of another version of sinkmap; run `sinkmap zones` again"
            ) from error

    def model(self, zone: str, changed: Mapping[str, Ecosystem] | None = None) -> ZoneModel:
        """The model of a zone, with the run's coefficients or, by ecosystem, others. Raises KeyError."""
        entry, ecosystems = self.zones[zone], self.ecosystems | (changed or {})
        place = Zone(
            id=zone, name=entry["name"], ecosystem=entry["ecosystem"], stratum=entry["stratum"], geometry=None,
            area_ha=entry["area_ha"], declared_wanmu=entry["declared_wanmu"],
        )  # fmt: skip
        stands = entry["stands"] and ZoneStands(
            geometry=np.empty(0, object),
            species=entry["stands"]["species"],
            area_ha=np.array(entry["stands"]["area_ha"]),
            volume_m3_ha={int(year): np.array(v) for year, v in entry["stands"]["volume_m3_ha"].items()},
            cover=None if entry["stands"]["cover"] is None else np.array(entry["stands"]["cover"]),
        )
        return ZoneModel(
            place,
            ecosystems[entry["ecosystem"]],
            EndMembers.read(self.record["end_members"][zone]),
            stands,
            entry["shipped_end_members"],
            tuple(SensorError(**error) for error in entry.get("sensor_errors", ())),
            ecosystems["forest"].shrub if entry.get("shrub") else None,
            tuple((int(year), float(weight)) for year, weight in entry["year_weights"]),
        )

    def sketches(self, zone: str) -> dict[str, Sketch]:
        """The sketches of a zone by year and period. Raises OutputError if they were deleted, or were made again since:
        by a run that was not finished, or because the results are an archive without its work."""
        if not self.work.is_dir():
            raise OutputError(f"{self.folder}: its folder work is missing; copy it, too, or run `sinkmap zones`")
        path = self.work / "sketches" / self.zones[zone]["sketch"]
        if Marks(self.work / "marks").read(f"sketch-{path.stem}") != self.zones[zone]["sketch_key"]:
            raise OutputError(
                f"{path}: is not the sketch that {self.folder} rests on; finish that run with `sinkmap zones`, or keep "
                "its folder work with it"
            )
        return load_sketches(path)

    def note_of(self, zones: Iterable[str]) -> str:
        """The note on figures of these zones, which may have failed."""
        kinds = {entry["id"]: entry["ecosystem"] for entry in self.all_zones}
        named = dict.fromkeys(kinds[zone] for zone in zones)
        return note_of(self.record["config"]["simulated"], [self.ecosystems[name] for name in named])

    def checksums(self, table: str) -> dict[str, str]:
        """Checksums of the parts of a vector file, by name, when the run read it."""
        inputs = {Path(name): digest for name, digest in self.record["inputs"].items()}
        return {file.name: digest for file, digest in inputs.items() if is_part(file, Path(table))}

    def status(self, group: str) -> str | None:
        """The status of an ecosystem or the ``city`` in ``summary.csv``, such as that ground counts twice."""
        return next((row["status"] for row in self._rows("summary.csv", group)), None)

    def intervals(self, zone: str) -> dict[tuple[str, str], dict[str, float]]:
        """The rows of a zone in ``intervals.csv`` by quantity and period; none if the run made no draws."""
        words = ("level", "zone_id", "quantity", "period", "note")
        return {
            (row["quantity"], row["period"]): {name: float(v) for name, v in row.items() if v and name not in words}
            for row in self._rows("intervals.csv", zone)
        }

    def _rows(self, table: str, zone: str) -> list[dict[str, str]]:
        """The rows of a zone or group in a table of the results; none where it is not there."""
        try:
            with (self.folder / table).open(encoding="utf-8-sig", newline="") as file:
                return [row for row in csv.DictReader(file) if row["zone_id"] == zone]
        except OSError:
            return []

    def realise(self, model: ZoneModel, sketches: dict[str, Sketch]) -> Realisations:
        """Realisations of the current period and the sink of a zone, without their causes."""
        correlation = self.zones[model.zone.id]["residual_correlation"]
        return realise(model, sketches, [], self.baseline, self.current, self.settings, correlation, tell_causes=False)

    def causes(self, zone: str, quantity: str, year: int) -> dict[str, float]:
        """Share of each cause in the variance of a zone's carbon_tC or fvc_mean of a year, adding up to 1."""
        correlation, period = self.zones[zone]["residual_correlation"], Period((year,))
        found = realise(self.model(zone), self.sketches(zone), [], None, period, self.settings, correlation)
        return variance_shares(found.by_cause[quantity, period.label])
