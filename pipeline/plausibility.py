"""Ranges in which a zone's figures should and must lie, each with its source. Pure but for `read_ranges`."""

from collections.abc import Collection, Mapping
from math import inf
from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from pipeline.carbon import CO2_PER_C
from pipeline.ecosystems import Frozen
from pipeline.yaml_file import read_yaml

SHIPPED = Path(__file__).with_name("plausibility.yaml")


QUANTITIES_ZH = {
    "ndvi_mean": "平均NDVI",
    "agb_tDM_ha": "地上生物量(吨干物质/公顷)",
    "carbon_tC_ha": "碳密度(吨碳/公顷)",
    "increment_tC_ha_yr": "碳密度年变化(吨碳/公顷/年)",
}
"""What findings call the quantities in Chinese."""


class Range(Frozen):
    """``usual`` and ``hard`` (low, high) of a zone mean, in the unit that ends the quantity's name."""

    quantity: Literal["ndvi_mean", "agb_tDM_ha", "carbon_tC_ha", "increment_tC_ha_yr"]
    where: str
    usual: tuple[float, float]
    hard: tuple[float, float]
    source: str
    status: Literal["verified", "unverified", "local"]

    @model_validator(mode="after")
    def _nested(self) -> Self:
        if not self.hard[0] <= self.usual[0] < self.usual[1] <= self.hard[1]:
            raise ValueError("the usual range lies within the hard one, both ascending")
        return self


class Ranges(Frozen):
    """All ranges; the first that fits a zone and a quantity holds."""

    ranges: tuple[Range, ...]

    def widest(self, quantity: str, places: Collection[str]) -> tuple[float, float]:
        """Least and largest usual value of a quantity in any of the ecosystems and vegetation types ``places``."""
        usual = [r.usual for r in self.ranges if r.quantity == quantity and r.where in places]
        return min((low for low, _ in usual), default=-inf), max((high for _, high in usual), default=inf)

    def of(self, quantity: str, ecosystem: str, stratum: str) -> Range | None:
        """The range of a quantity in a zone, None where there is none."""
        fitting = (r for r in self.ranges if r.quantity == quantity and r.where in (ecosystem, stratum))
        return next(fitting, None)


class OutOfRange(Frozen):
    """A figure outside its range; ``impossible`` where it is outside the hard one."""

    quantity: str
    value: float
    bound: tuple[float, float]
    source: str
    impossible: bool

    def __str__(self) -> str:
        kind = "impossible" if self.impossible else "unusual"
        low, high = self.bound
        return f"{kind}: {self.quantity} {self.value:.3g} outside {low:.3g} to {high:.3g} ({self.source})"

    @property
    def zh(self) -> str:
        """The finding in Chinese."""
        low, high = self.bound
        side, kind = "低于" if self.value < low else "高于", "可能" if self.impossible else "常见"
        value = float(f"{self.value:.3g}")  # three digits, without an exponent
        return f"{QUANTITIES_ZH[self.quantity]} {value:,g}, {side}{kind}范围 {low:.3g} 至 {high:.3g}"


def read_ranges(path: Path | None = None) -> Ranges:
    """The ranges of a YAML file, or the shipped ones. Raises ConfigError."""
    return read_yaml(path or SHIPPED, Ranges)


def findings(row: Mapping, stratum: str, ranges: Ranges) -> list[OutOfRange]:
    """What of a zone's row (keys of the result table) lies outside its ranges."""
    sink = row["sink_tCO2_ha_yr"]
    figures = {name: row[name] for name in ("ndvi_mean", "agb_tDM_ha", "carbon_tC_ha")}
    figures["increment_tC_ha_yr"] = None if sink is None else sink / CO2_PER_C
    found = []
    for quantity, value in figures.items():
        limits = ranges.of(quantity, row["ecosystem"], stratum)
        if value is None or limits is None:
            continue
        for bound, impossible in ((limits.hard, True), (limits.usual, False)):
            if not bound[0] <= value <= bound[1]:
                found.append(
                    OutOfRange(quantity=quantity, value=value, bound=bound, source=limits.source, impossible=impossible)
                )
                break
    return found
