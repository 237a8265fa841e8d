"""What turns the sketches of a zone into biomass and carbon: its ecosystem, end-members, stands and shrub. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pipeline.carbon import stock_difference
from pipeline.ecosystems import AnyCoefficient, Coefficient, Ecosystem, Shrub, coefficients, used_by, with_values
from pipeline.ecosystems.base import END_MEMBERS
from pipeline.ecosystems.names import names_zh
from pipeline.ecosystems.shrub import SHRUB, STOCK_ROWS
from pipeline.scenes.sensor_error import SensorError
from pipeline.stock.sketch import Sketch, per_level
from pipeline.vegetation import EndMembers
from pipeline.zones.zone import Zone
from pipeline.zones.zone_stands import ZoneStands

CALIBRATED_U95 = 0.10
"""95 % half-width of a calibrated or given end-member, index units (expert judgement, unverified)."""

UNSEEN_YEARS = 0.5
"""Years that may be missing from a window, since parts of a zone may be unseen in some years (expert choice)."""

SHRUB_PATH = "forest.shrub."
"""Beginning of the paths of shrub rows: they are those of forest, whatever zone the shrub grows in."""


@dataclass(frozen=True)
class Period:
    """A window of years; ``label`` is its name in files and tables, such as 2019-2021, or 2019+2021 with a gap."""

    years: tuple[int, ...]

    @property
    def label(self) -> str:
        years = sorted(self.years)
        starts = [year for year in years if year - 1 not in years]
        ends = [year for year in years if year + 1 not in years]
        return "+".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))


@dataclass(frozen=True)
class ZoneModel:
    """Everything that turns the sketches of a zone into biomass and carbon; without ``stands`` from the index only,
    with ``shrub`` also the rows of shrub, if shrub grows in it. ``year_weights`` are the shares of the years of the
    periods in the ground that was seen, as (year, weight); without them all years count alike."""

    zone: Zone
    ecosystem: Ecosystem
    end_members: EndMembers
    stands: ZoneStands | None
    shipped_end_members: bool = False
    sensor_errors: tuple[SensorError, ...] = ()
    shrub: Shrub | None = None
    year_weights: tuple[tuple[int, float], ...] = ()

    @cached_property
    def responses(self) -> dict[str, np.ndarray]:
        """fvc (1), agb (t DM/ha) and carbon_stock (t C/ha) per index level, float32 (20001,); with shrub the latter two
        for each of the `PARTS` of a mosaic, (3, 20001)."""
        names = ("fvc", "agb", "carbon_stock")
        return {name: per_level(lambda index, name=name: self.respond(index, self.end_members)[name]) for name in names}

    def respond(self, index: np.ndarray, end_members: EndMembers) -> dict[str, np.ndarray]:
        """As `Ecosystem.respond`; with shrub, agb and carbon_stock for each of the `PARTS` of a mosaic, (3, ...): of
        the ecosystem, of shrub with the cover that the index shows, and of shrub at full cover."""
        found = self.ecosystem.respond(index, end_members, self.zone.stratum)
        if self.shrub is None:
            return found
        seen, full = self.shrub.stock(found["fvc"])._asdict(), self.shrub.stock(1.0)._asdict()
        stocks = {name: np.broadcast_arrays(found[name], seen[name], full[name]) for name in full}
        return found | {name: np.stack(parts) for name, parts in stocks.items()}

    def with_values(self, values: Mapping[str, float | np.ndarray | AnyCoefficient]) -> "ZoneModel":
        """The model with other numbers in the rows at these paths (`ecosystems.with_values`)."""
        own = {path: value for path, value in values.items() if not path.startswith(SHRUB_PATH)}
        shrubs = {path.removeprefix(SHRUB_PATH): values[path] for path in values.keys() - own.keys()}
        return replace(
            self, ecosystem=with_values(self.ecosystem, own), shrub=self.shrub and with_values(self.shrub, shrubs)
        )

    def fingerprint(self, variable: str, periods: list[Period]) -> str:
        """Digest of the numbers that the map of a variable uses besides the composites."""
        source = "carbon_stock" if variable == "sink" else variable
        if self.stands and source in ("agb", "carbon_stock"):
            parts = [self.stand_density(period)[source].tobytes() for period in periods]
            parts += [polygon.wkb for polygon in self.stands.geometry]
        else:
            parts = [self.responses[source].tobytes()]
        if variable == "sink":
            parts.append(repr(self.years_between(periods[0], periods[-1])).encode())
        return hashlib.sha256(b"|".join(parts)).hexdigest()[:32]

    @cached_property
    def rows(self) -> list[str]:
        """Paths of the coefficients that the stock depends on."""
        species = sorted(set(self.stands.species)) if self.stands else ()
        rows = used_by(self.ecosystem, self.zone.stratum, species, self.shipped_end_members)
        if self.shrub is None:
            return rows
        return sorted({*rows, *self.end_member_paths, *(SHRUB_PATH + name for name in STOCK_ROWS)})

    @property
    def end_member_paths(self) -> list[str]:
        """Paths of the stratum's end-members; none if others are in use."""
        return [f"strata.{self.zone.stratum}.{name}" for name in END_MEMBERS] if self.shipped_end_members else []

    @cached_property
    def coefficients(self) -> dict[str, AnyCoefficient]:
        """All rows of the ecosystem and of shrub, by path."""
        shrub = coefficients(self.shrub) if self.shrub else {}
        return coefficients(self.ecosystem) | {SHRUB_PATH + name: row for name, row in shrub.items()}

    def full_path(self, path: str) -> str:
        """The path of a row with its ecosystem first."""
        return path if path.startswith(SHRUB_PATH) else f"{self.ecosystem.ecosystem}.{path}"

    @property
    def error_rows(self) -> tuple[str, ...]:
        """Paths of the coefficients that the interval depends on besides `rows`."""
        of_stands = ("stand_volume", "stand_area", "residual_persistence")
        return of_stands if self.stands else ("index_bias", "residual", "residual_persistence")

    @property
    def error_inputs(self) -> list:
        """What the standard error of a pixel depends on besides the stock: the half-widths of the rows in use, and the
        errors that adjusting sensors to one another leaves."""
        rows = [(path, self.coefficients[path]) for path in (*self.rows, *self.error_rows)]
        rows += [("end-member", row) for row in self.end_member_rows]
        widths = [
            [path, row.central, row.half_width, row.distribution, row.valid, getattr(row, "ranges", None)]
            for path, row in rows
        ]
        return [*widths, repr(self.sensor_errors)] if self.sensor_errors and not self.stands else widths

    @property
    def unverified(self) -> list[str]:
        """Those of `rows` and `error_rows` whose source was not checked."""
        return [path for path in (*self.rows, *self.error_rows) if self.coefficients[path].status == "unverified"]

    @property
    def unverified_zh(self) -> str:
        """`unverified` by their Chinese names, in one line."""
        own = [path for path in self.unverified if not path.startswith(SHRUB_PATH)]
        of_shrub = [path for path in self.unverified if path.startswith(SHRUB_PATH)]
        return "；".join(filter(None, (
            names_zh(self.ecosystem, own), names_zh({"forest": {SHRUB: self.shrub}}, of_shrub),
        )))  # fmt: skip

    @cached_property
    def end_member_rows(self) -> tuple[Coefficient, Coefficient]:
        """The index of soil and of vegetation with their error: the stratum's rows, or those of a calibration, which
        are kept within the stratum's valid range of NDVI, so that bare soil is never drawn as water."""
        stratum = self.ecosystem.strata[self.zone.stratum]
        shipped = stratum.soil_index, stratum.vegetation_index
        if self.shipped_end_members:
            return shipped
        found = self.end_members.soil, self.end_members.vegetation
        return tuple(
            Coefficient(
                value=value, unit=self.index, u95_abs=CALIBRATED_U95, distribution="truncated_normal",
                valid=(min(row.valid[0], value), max(row.valid[1], value)) if self.index == "ndvi" else (-1, 1),
                source="calibrated or given", status="unverified", cause="end_members",
            )
            for value, row in zip(found, shipped, strict=True)
        )  # fmt: skip

    @property
    def index(self) -> str:
        """The index that cover and biomass are computed from."""
        return self.end_members.index

    @property
    def method(self) -> str:
        if self.stands:
            return self.ecosystem.stand_method
        return self.ecosystem.method + ("; shrub: class mean C x cover/reference cover" if self.shrub else "")

    @property
    def method_zh(self) -> str:
        if self.stands:
            return self.ecosystem.stand_method_zh
        return self.ecosystem.method_zh + ("；灌木：类型均值×覆盖度/参考覆盖度" if self.shrub else "")

    def stand_density(self, period: Period) -> dict[str, np.ndarray]:
        """agb (t DM/ha) and carbon_stock (t C/ha) of each stand at the date of the period."""
        agb, carbon = self.stands.stock(self.ecosystem, self.stands.dated(period.years))
        return {"agb": agb, "carbon_stock": carbon}

    def volume_m3(self, period: Period) -> float | None:
        """Live volume of the stands at the date of the period, m3; None without stands."""
        if self.stands is None:
            return None
        return self.ecosystem.stand_volume.value * self.stands.volume_m3(self.stands.dated(period.years))

    def weights(self, years: tuple[int, ...]) -> np.ndarray:
        """Weight of each year in the mean over the years, (y,), adding up to 1: small for a year in which little was
        seen."""
        known = dict(self.year_weights)
        found = np.array([known.get(year, 1.0) for year in years])
        return found / found.sum() if found.any() else np.full(len(years), 1 / max(len(years), 1))

    def years_between(self, baseline: Period, current: Period) -> float:
        """Years between the dates at which the stocks of two periods are known: with stands the dates of the volumes,
        otherwise the mean of the years, weighted by what was seen."""
        if self.stands:
            return self.stands.dated(current.years) - self.stands.dated(baseline.years)
        return float(self.weights(current.years) @ current.years - self.weights(baseline.years) @ baseline.years)

    def incomparable(self, baseline: Period | None, current: Period) -> tuple[str, str] | None:
        """Why the two periods give no sink, in English and Chinese; None if they give one."""
        if baseline is None:
            return "one period only", "仅一期"
        if self.stands:
            if self.years_between(baseline, current) > 0:
                return None
            return "the inventories do not span both periods", "调查年份未跨越两期"
        need = self.ecosystem.min_window_years
        short = min(len(baseline.years), len(current.years))
        if short < need:
            return f"a period has {short} years, {need} are needed", f"时段仅{short}年，少于{need}年"
        known = dict(self.year_weights)
        for period in (baseline, current):
            if not any(known.get(year, 1.0) for year in period.years):
                return f"0% observed in {period.label}", f"{period.label}年有效观测仅0%"
        # as many years of equal weight would average out as much (Kish 1965)
        seen = min(1 / (self.weights(period.years) ** 2).sum() for period in (baseline, current))
        if seen < need - UNSEEN_YEARS:
            return (
                f"a period was seen in {seen:.1f} years only, {need} are needed",
                f"时段仅{seen:.1f}年有观测，少于{need}年",
            )
        return None


def totals(
    model: ZoneModel, then: Sketch | None, now: Sketch, baseline: Period | None, current: Period
) -> dict[str, float]:
    """carbon_tC of the current period and, where the periods compare, sink_tCO2_yr; NaN where nothing is known."""
    area, density = model.zone.area_ha, stock(model, now, current)["carbon_stock"]
    found = {"carbon_tC": density * area}
    if baseline and not model.incomparable(baseline, current):
        before = stock(model, then, baseline)["carbon_stock"]
        sink = float(stock_difference(before, density, model.years_between(baseline, current)))
        found["sink_tCO2_yr"] = sink * area
    return found


def stock(model: ZoneModel, sketch: Sketch, period: Period) -> dict[str, float]:
    """Zone means of the stock: fvc (1), agb (t DM/ha), carbon_stock (t C/ha); NaN where nothing is known.

    Stands count by their area in the zone; ground outside the stands of an inventoried zone is no forest.
    """
    means = {name: sketch.mean(levels) for name, levels in model.responses.items()}
    if model.stands:
        for name, density in model.stand_density(period).items():
            means[name] = float((model.stands.area_ha * density).sum() / model.zone.area_ha)
    return means
