"""A zone's model in which chosen sources of error vary: its stock once for every draw. Pure."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import get_args

import numpy as np
from scipy.special import ndtr

from pipeline.ecosystems import with_values
from pipeline.ecosystems.rows import Z95, Cause
from pipeline.stock.zone_model import Period, ZoneModel
from pipeline.uncertainty.monte_carlo import Draws, drawn
from pipeline.vegetation import EndMembers
from pipeline.zones.zone_stands import ZoneStands

CAUSES: tuple[str, ...] = (*get_args(Cause), "harmonisation", "observation")
"""Causes of the error of a total; ``harmonisation`` is the adjustment of one sensor to another, ``observation`` ground
without a clear observation."""

CAUSES_ZH = {
    "index": "植被指数",
    "end_members": "端元",
    "cover_model": "覆盖度模型",
    "biomass_model": "生物量模型",
    "dry_matter": "鲜干比",
    "root_shoot": "根茎比",
    "carbon_fraction": "含碳率",
    "expansion": "扩展因子",
    "stand_volume": "小班蓄积",
    "class_mean": "类型均值",
    "residual": "像元残差",
    "area": "面积",
    "harmonisation": "传感器归一化",
    "observation": "未观测区",
}


@dataclass(frozen=True)
class DrawSettings:
    """How the Monte Carlo draws: ``count`` draws from the ``seed``, the 95 % half-width of a zone's area in % of it,
    and the chance that the cover model of Carlson & Ripley (1997) holds in place of the linear one, where that is in
    use."""

    count: int
    seed: int
    area_u95_percent: float
    carlson_ripley_chance: float = 0.0


class Varying:
    """A zone's model in which only the sources of the causes in ``active`` vary; the others keep their value."""

    def __init__(self, model: ZoneModel, settings: DrawSettings, active: frozenset[str]) -> None:
        self.model, self.settings, self.active = model, settings, active
        self._draws = Draws(settings.seed, settings.count)

    def normal(self, cause: str, *name: object) -> np.ndarray:
        """Standard normal numbers of a source, (n,); zeros where its cause does not vary."""
        return self._draws.of(cause, *name) if cause in self.active else np.zeros(self.settings.count)

    @cached_property
    def _model(self) -> ZoneModel:
        """The model with the rows in use drawn. A row's draws are the same for every zone and year."""
        rows, full = self.model.coefficients, self.model.full_path
        used = [path for path in self.model.rows if rows[path].cause in self.active]
        return self.model.with_values(
            {path: drawn(rows[path], self._draws.of(*full(path).split(".", 1))) for path in used}
        )

    @cached_property
    def persistence(self) -> np.ndarray:
        """Correlation of the residuals of two dates, (n,), the same for all zones. Drawn whether or not its cause is
        active: without varying residuals it has no effect, and with them it is part of their error."""
        return drawn(self.model.coefficients["residual_persistence"], self._draws.of("residual_persistence"))

    def response(self, index: np.ndarray, years: tuple[int, ...] = ()) -> np.ndarray:
        """Carbon stock (t C/ha) and, last, cover (1) at index values (k,), as (2, k, n); with shrub the stock of each
        of the `PARTS` of a mosaic, as (4, k, n).

        The bias of a year's composites is the same for all zones and differs between years; that of a sensor's
        adjustment is the same in all years. ``years`` share the mean.
        """
        ends = self.model.end_members
        found = self._respond(index, years, self._drawn(ends))
        chance = self.settings.carlson_ripley_chance
        if "cover_model" in self.active and ends.model == "linear" and chance:
            other = self._respond(index, years, self._drawn(replace(ends, model="carlson_ripley")))
            takes_other = ndtr(self.normal("cover_model", self.model.ecosystem.ecosystem)) < chance
            found = np.where(takes_other, other, found)
        return found

    def _respond(self, index: np.ndarray, years: tuple[int, ...], end_members: EndMembers) -> np.ndarray:
        row = self.model.coefficients["index_bias"]
        biases = [part * self._index_bias(year) for part, year in zip(self.model.weights(years), years, strict=True)]
        model = self._model.with_values({"index_bias": sum(biases) if biases else row.central})
        found = model.respond(index[:, None], end_members)
        stocks = found["carbon_stock"] if model.shrub else [found["carbon_stock"]]
        shape = (len(index), self.settings.count)
        return np.stack([np.broadcast_to(part, shape) for part in (*stocks, found["fvc"])])

    def _index_bias(self, year: int) -> np.ndarray | float:
        row = self.model.coefficients["index_bias"]
        own = drawn(row, self.normal("index", year)) if "index" in self.active else row.central
        if "harmonisation" not in self.active:
            return own
        of_sensors = [error for error in self.model.sensor_errors if error.year == year]
        return own + sum(error.u95 / Z95 * self.normal("harmonisation", error.sensor) for error in of_sensors)

    def _drawn(self, ends: EndMembers) -> EndMembers:
        name = self.model.ecosystem.ecosystem
        soil, vegetation = (
            drawn(row, self.normal("end_members", name, which)) if "end_members" in self.active else row.central
            for which, row in zip(("soil", "vegetation"), self.model.end_member_rows, strict=True)
        )
        return ends.drawn(np.minimum(soil, vegetation - 0.1), vegetation)

    def stand_density(self, stands: ZoneStands, period: Period) -> np.ndarray:
        """Carbon stock of each stand at a period, t C/ha, (s, n)."""
        date = stands.dated(period.years)
        ecosystem = with_values(self._model.ecosystem, {"stand_volume": self.volume_factor(date)})
        density = stands.stock(ecosystem, date)[1].reshape(len(stands.species), -1)
        return np.broadcast_to(density, (len(stands.species), self.settings.count))

    def volume_factor(self, date: float) -> np.ndarray | float:
        """Draws of true over measured volume. Inventories share part of their error; between two of them it is
        interpolated like the volume."""
        row = self.model.coefficients["stand_volume"]
        if row.cause not in self.active:
            return row.central
        inventories = sorted(self.model.stands.volume_m3_ha)
        stays = self.persistence
        own = np.array([self.normal(row.cause, "inventory", year) for year in inventories])
        at = np.array([np.interp(date, inventories, unit) for unit in np.eye(len(inventories))])
        return drawn(row, np.sqrt(stays) * self.normal(row.cause, "inventories") + np.sqrt(1 - stays) * (at @ own))
