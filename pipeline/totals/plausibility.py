"""Ranges in which a zone's figures should and must lie, each with its source. Pure but for `read_ranges`."""

from collections.abc import Collection, Iterator, Mapping
from math import inf
from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from pipeline.carbon import CO2_PER_C
from pipeline.ecosystems.rows import Status
from pipeline.frozen import Frozen
from pipeline.yaml_file import read_yaml

SHIPPED = Path(__file__).with_name("plausibility.yaml")


QUANTITIES_ZH = {
    "ndvi_mean": ("平均NDVI", ""),
    "agb_tDM_ha": ("地上生物量", "吨干物质/公顷"),
    "carbon_tC_ha": ("生物量碳密度", "吨碳/公顷"),
    "increment_tC_ha_yr": ("生物量碳密度年变化", "吨碳/(公顷·年)"),
}
"""What findings call the quantities in Chinese, and their units."""


class Range(Frozen):
    """``usual`` and ``hard`` (low, high) of a zone mean, in the unit that ends the quantity's name; ``source_zh`` is
    the source in Chinese findings, "" if it is the same."""

    quantity: Literal["ndvi_mean", "agb_tDM_ha", "carbon_tC_ha", "increment_tC_ha_yr"]
    where: str
    usual: tuple[float, float]
    hard: tuple[float, float]
    source: str
    source_zh: str = ""
    status: Status

    @model_validator(mode="after")
    def _nested(self) -> Self:
        if not self.hard[0] <= self.usual[0] < self.usual[1] <= self.hard[1]:
            raise ValueError("the usual range lies within the hard one, both ascending")
        return self


class Ranges(Frozen):
    """All ranges; the first that matches a zone and a quantity is used."""

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
    source_zh: str
    verified: bool
    impossible: bool

    def __str__(self) -> str:
        kind = "impossible" if self.impossible else "unusual"
        low, high = self.bound
        source = self.source if self.verified else f"{self.source}; unverified"
        return f"{kind}: {self.quantity} {self.value:.3g} outside {low:.3g} to {high:.3g} ({source})"

    @property
    def zh(self) -> str:
        """The finding in Chinese."""
        low, high = self.bound
        side, kind = "低于" if self.value < low else "高于", "可能" if self.impossible else "常见"
        name, unit = QUANTITIES_ZH[self.quantity]
        said = " ".join(filter(None, (name, f"{float(f'{self.value:.3g}'):,g}", unit)))  # three digits, no exponent
        source = self.source_zh if self.verified else f"{self.source_zh}；未核实"
        return f"{said}，{side}{kind}范围 {low:.3g} 至 {high:.3g}（依据：{source}）"


def read_ranges(path: Path | None = None) -> Ranges:
    """The ranges of a YAML file, or the shipped ones. Raises ConfigError."""
    return read_yaml(path or SHIPPED, Ranges)


def impossible(row: Mapping, stratum: str, ranges: Ranges) -> list[OutOfRange]:
    """Figures of a zone's row (keys of the result table) whose estimate lies outside the hard range."""
    return [
        _out_of(limits, value, impossible=True)
        for quantity, value, _, limits in _judged(row, stratum, ranges)
        if not limits.hard[0] <= value <= limits.hard[1]
    ]


def unusual(row: Mapping, stratum: str, ranges: Ranges) -> list[OutOfRange]:
    """Figures of a zone's row that are possible but lie outside the usual range, with their whole 95 % interval if they
    have one. The increment of a forest without stands is not judged, since no method shows it."""
    blind = row["ecosystem"] == "forest" and row["stand_area_fraction"] is None
    return [
        _out_of(limits, value, impossible=False)
        for quantity, value, (low, high), limits in _judged(row, stratum, ranges)
        if limits.hard[0] <= value <= limits.hard[1]
        and (max(value, high) < limits.usual[0] or min(value, low) > limits.usual[1])
        and not (blind and quantity == "increment_tC_ha_yr")
    ]


def _out_of(limits: Range, value: float, impossible: bool) -> OutOfRange:
    return OutOfRange(
        quantity=limits.quantity, value=value, bound=limits.hard if impossible else limits.usual,
        source=limits.source, source_zh=limits.source_zh or limits.source, verified=limits.status != "unverified",
        impossible=impossible,
    )  # fmt: skip


def _judged(row: Mapping, stratum: str, ranges: Ranges) -> Iterator[tuple[str, float, tuple[float, float], Range]]:
    """Quantity, value, 95 % interval (the value twice, if it has none) and range of the figures that have a range."""
    sources = {
        "ndvi_mean": ("ndvi_mean", None, 1),
        "agb_tDM_ha": ("agb_tDM_ha", None, 1),
        "carbon_tC_ha": ("carbon_tC_ha", "carbon_tC", 1),
        "increment_tC_ha_yr": ("sink_tCO2_ha_yr", "sink_tCO2_yr", CO2_PER_C),
    }
    for quantity, (column, total, divisor) in sources.items():
        limits = ranges.of(quantity, row["ecosystem"], stratum)
        if row[column] is None or limits is None:
            continue
        value, by = row[column] / divisor, divisor * (row["area_ha"] or 1)
        low, high = row.get(f"{total}_low95"), row.get(f"{total}_high95")
        yield quantity, value, (value, value) if low is None else (low / by, high / by), limits
