"""Realisations of a zone's totals: its stock worked out anew with every draw of all that is uncertain. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import get_args

import numpy as np
from scipy.special import ndtr

from pipeline.carbon import stock_difference
from pipeline.ecosystems import Ecosystem, coefficients, with_values
from pipeline.ecosystems.rows import Cause
from pipeline.sketch import Sketch, representative
from pipeline.uncertainty import Z95, Draws, drawn
from pipeline.vegetation import EndMembers
from pipeline.zone_model import Period, ZoneModel

CAUSES: tuple[str, ...] = (*get_args(Cause), "observation")
"""Lines of the variance account; ``observation`` is ground without a clear observation."""

CAUSES_ZH = {
    "index": "植被指数",
    "end_members": "端元",
    "cover_model": "盖度模型",
    "biomass_model": "生物量模型",
    "dry_matter": "干鲜比",
    "root_shoot": "根茎比",
    "carbon_fraction": "含碳率",
    "expansion": "扩展因子",
    "stand_volume": "小班蓄积",
    "class_mean": "类型均值",
    "residual": "像元残差",
    "area": "面积",
    "observation": "未观测区",
}

POINTS = 32
"""Groups of index levels that stand for a zone in the draws."""

SHARE_DRAWS = 2000
"""Draws by which the causes are told apart, the first of all."""


@dataclass(frozen=True)
class Settings:
    """``count`` draws by ``seed``; 95 % half-width of an area in % of it; the chance that the formula of Carlson &
    Ripley (1997) holds instead of the linear one, where that is in use."""

    count: int
    seed: int
    area_u95_percent: float
    carlson_ripley_chance: float = 0.0


MEANS = ("fvc_mean",)
"""Quantities that no sum over zones has."""

Quantity = tuple[str, str]
"""Name and period label, such as ("carbon_tC", "2023-2025")."""


@dataclass(frozen=True)
class Realisations:
    """Draws (n,) of each quantity, and of some of them draws in which one cause alone varies."""

    all: Mapping[Quantity, np.ndarray]
    by_cause: Mapping[Quantity, Mapping[str, np.ndarray]]

    def only(self, quantities: Collection[Quantity]) -> "Realisations":
        """Those of some quantities."""
        return Realisations(
            {quantity: draws for quantity, draws in self.all.items() if quantity in quantities},
            {quantity: draws for quantity, draws in self.by_cause.items() if quantity in quantities},
        )

    @classmethod
    def summed(cls, parts: list["Realisations"]) -> "Realisations":
        """The sum of several zones, draw by draw: what they share errs together. Only totals are summed, no means."""

        def add(draws: list[Mapping]) -> dict:
            keys = dict.fromkeys(key for part in draws for key in part)
            return {key: sum(part[key] for part in draws if key in part) for key in keys}

        totals = [{q: draws for q, draws in part.all.items() if q[0] not in MEANS} for part in parts]
        quantities = dict.fromkeys(quantity for part in parts for quantity in part.by_cause)
        return cls(
            add(totals), {q: add([part.by_cause[q] for part in parts if q in part.by_cause]) for q in quantities}
        )


def realise(
    model: ZoneModel, sketches: Mapping[str, Sketch], years: list[int], baseline: Period | None, current: Period,
    settings: Settings, correlation: float,
) -> Realisations:  # fmt: skip
    """All realisations of a zone: carbon_tC and fvc_mean of each year and of the periods, and, with a baseline, the
    sink_tCO2_yr. The causes are told apart for the current stock and the sink. ``correlation`` is the mean one of the
    residuals at two points of the zone (`uncertainty.mean_correlation`)."""
    everything = _Zone(model, sketches, settings, frozenset(CAUSES), correlation)
    periods = {p.label: p for p in [*(Period((year,)) for year in years), *([baseline] if baseline else []), current]}
    found: dict[Quantity, np.ndarray] = {}
    for label, period in periods.items():
        if model.stands or sketches[label].observed:
            found["carbon_tC", label] = everything.carbon_tC(period)
            found["fvc_mean", label] = everything.cover(period)
    stock, sink = ("carbon_tC", current.label), ("sink_tCO2_yr", current.label)
    if stock not in found:
        return Realisations(found, {})
    few = replace(settings, count=min(SHARE_DRAWS, settings.count))
    alone = {cause: _Zone(model, sketches, few, frozenset([cause]), correlation) for cause in everything.causes()}
    by_cause = {stock: {cause: zone.carbon_tC(current) for cause, zone in alone.items()}}
    if baseline is not None and ("carbon_tC", baseline.label) in found:
        found[sink] = everything.sink_tCO2_yr(baseline, current)
        by_cause[sink] = {cause: zone.sink_tCO2_yr(baseline, current) for cause, zone in alone.items()}
    return Realisations(found, by_cause)


class _Zone:
    """A zone in which only the sources of the causes in ``active`` vary; the others stay at their value."""

    def __init__(
        self, model: ZoneModel, sketches: Mapping[str, Sketch], settings: Settings, active: frozenset,
        correlation: float,
    ) -> None:  # fmt: skip
        self._model, self._sketches, self._active = model, sketches, active
        self._settings, self._correlation = settings, correlation
        self._draws = Draws(settings.seed, settings.count)
        self._rows = coefficients(model.ecosystem)
        self._stocks: dict[str, np.ndarray] = {}
        self._responses: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def causes(self) -> list[str]:
        """The causes that can matter to this zone."""
        of_rows = {self._rows[path].cause for path in self._model.rows}
        always = {"area"} | (
            {"stand_volume"}
            if self._model.stands
            else {"index", "residual", "end_members", "cover_model", "observation"}
        )
        return [cause for cause in CAUSES if cause in of_rows | always]

    def carbon_tC(self, period: Period) -> np.ndarray:
        """Carbon stock of the zone at a period, t C, (n,)."""
        if period.label not in self._stocks:
            self._stocks[period.label] = self._stands_tC(period) if self._model.stands else self._index_tC(period)
        return self._stocks[period.label]

    def _index_tC(self, period: Period) -> np.ndarray:
        density = self._response(period)[0] * self._residual(period) * self._unobserved(period)
        return density * self._model.zone.area_ha * self._area()

    def cover(self, period: Period) -> np.ndarray:
        """Mean fractional vegetation cover, (n,)."""
        return np.clip(self._response(period)[1] * self._unobserved(period, "fvc"), 0, 1)

    def sink_tCO2_yr(self, baseline: Period, current: Period) -> np.ndarray:
        """Stock difference of two periods as a sink, t CO2/yr, (n,)."""
        years = self._model.years_between(baseline, current)
        return stock_difference(self.carbon_tC(baseline), self.carbon_tC(current), years)

    def _normal(self, cause: str, *name: object) -> np.ndarray:
        return self._draws.of(cause, *name) if cause in self._active else np.zeros(self._draws.count)

    @cached_property
    def _ecosystem(self) -> Ecosystem:
        """The ecosystem with the rows in use drawn. A row's draws are the same for every zone and year."""
        name = self._model.ecosystem.ecosystem
        used = [path for path in self._model.rows if self._rows[path].cause in self._active]
        return with_values(
            self._model.ecosystem, {path: drawn(self._rows[path], self._draws.of(name, path)) for path in used}
        )

    def _response(self, period: Period) -> tuple[np.ndarray, np.ndarray]:
        """Zone mean of carbon stock (t C/ha) and of cover, (n,) each."""
        if period.label not in self._responses:
            self._responses[period.label] = self._mean_response(period)
        return self._responses[period.label]

    def _mean_response(self, period: Period) -> tuple[np.ndarray, np.ndarray]:
        sketch = self._sketches[period.label]
        index, weights = representative(sketch.land, POINTS)
        bias = self._rows["index_bias"]
        # the bias of a year's composites is that of all its zones, and another in another year
        biases = (
            [drawn(bias, self._normal("index", year)) for year in period.years] if "index" in self._active else [0.0]
        )
        ecosystem = with_values(self._ecosystem, {"index_bias": np.mean(biases, axis=0)})
        weights = weights / sketch.observed

        def means(end_members: EndMembers) -> np.ndarray:
            found = ecosystem.respond(index[:, None], end_members, self._model.zone.stratum)
            names = ("carbon_stock", "fvc")
            return np.stack([np.broadcast_to(_weighted(weights, found[n]), self._draws.count) for n in names])

        ends = self._model.end_members
        found = means(self._drawn(ends))
        chance = self._settings.carlson_ripley_chance
        if "cover_model" in self._active and ends.model == "linear" and chance:
            other = means(self._drawn(replace(ends, model="carlson_ripley")))
            found = np.where(ndtr(self._normal("cover_model", ecosystem.ecosystem)) < chance, other, found)
        return tuple(found)

    def _drawn(self, ends: EndMembers) -> EndMembers:
        name = self._model.ecosystem.ecosystem
        soil, vegetation = (
            value + half_width / Z95 * self._normal("end_members", name, which)
            for which, value, half_width in zip(
                ("soil", "vegetation"), (ends.soil, ends.vegetation), self._model.end_members_u95, strict=True
            )
        )
        return ends.drawn(np.minimum(soil, vegetation - 0.1), vegetation)

    def _residual(self, period: Period) -> np.ndarray | float:
        """1 + the zone mean of the pixels' residuals. Part of it stays (soil, slope, species), part is the year's."""
        if "residual" not in self._active:
            return 1.0
        row, stays = self._rows["residual"], self._rows["residual_persistence"].central
        zone = self._model.zone
        spread = row.half_width / Z95 * self._correlation**0.5
        lasting = self._normal("residual", zone.id)
        passing = np.mean([self._normal("residual", zone.id, year) for year in period.years], axis=0)
        return 1 + spread * (np.sqrt(stays) * lasting + np.sqrt(1 - stays) * passing)

    def _unobserved(self, period: Period, quantity: str = "carbon_stock") -> np.ndarray | float:
        """1 + what the ground not seen may differ from the mean that it is taken to have: its share of the zone times
        the standard deviation between pixels, relative."""
        sketch = self._sketches[period.label]
        missing = 1 - sketch.observed_fraction
        if "observation" not in self._active or missing < 1e-6:
            return 1.0
        response = self._model.responses[quantity]
        mean = sketch.mean(response)
        spread = max(sketch.mean(response.astype(float) ** 2) - mean**2, 0) ** 0.5 / mean if mean > 0 else 0.0
        return 1 + missing * spread * self._normal("observation", self._model.zone.id, period.label)

    def _area(self) -> np.ndarray:
        return 1 + self._settings.area_u95_percent / 100 / Z95 * self._normal("area", self._model.zone.id)

    def _stands_tC(self, period: Period) -> np.ndarray:
        """Stock of the stands, (n,)."""
        stands = self._model.stands.grouped()
        date = stands.dated(period.years)
        ecosystem = with_values(self._ecosystem, {"stand_volume": self._volume_factor(date)})
        density = stands.stock(ecosystem, date)[1].reshape(len(stands.species), -1)
        area = drawn(self._rows["stand_area"], self._normal("area", self._model.zone.id))
        return np.broadcast_to(_weighted(stands.area_ha, density), self._draws.count) * area

    def _volume_factor(self, date: float) -> np.ndarray | float:
        """Draws of true over measured volume. Inventories repeat part of each other's error; between two of them it is
        interpolated like the volume."""
        row = self._rows["stand_volume"]
        if row.cause not in self._active:
            return row.central
        inventories = sorted(self._model.stands.volume_m3_ha)
        stays = self._rows["residual_persistence"].central
        own = np.array([self._normal(row.cause, "inventory", year) for year in inventories])
        at = np.array([np.interp(date, inventories, unit) for unit in np.eye(len(inventories))])
        return drawn(row, np.sqrt(stays) * self._normal(row.cause, "inventories") + np.sqrt(1 - stays) * (at @ own))


def _weighted(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sum of weights (k,) x values (k, n), (n,); always in the same order, unlike a matrix product."""
    return np.einsum("k,kn->n", weights, values)
