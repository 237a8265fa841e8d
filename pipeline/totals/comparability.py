"""Whether two periods of a zone may be compared, and why not: the comparability certificate. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from math import nan
from statistics import fmean
from typing import Literal

from pipeline.stock.sketch import seen_enough

Verdict = Literal["comparable", "conditional", "not comparable"]

VERDICT_ZH: dict[Verdict, str] = {
    "comparable": "可比",
    "conditional": "有条件可比",
    "not comparable": "不可比",
}

FEW_CLEAR = 2
"""Clear observations a year below which the peak of the season may be missed (median over the zone)."""

OTHER_DAYS = 10
"""Least difference in days between the mean dates of two periods at which phenology may look like a change (expert
choice)."""

UNEVEN_CLEAR = 1.5
"""Ratio of clear observations a year at which a maximum composite may show the higher number as growth (expert choice):
with pure noise, the maximum of 3 lies .3 standard deviations above that of 2, and that of 9 lies .6 above that of 3."""

UNEVEN_OBSERVED = 0.1
"""Difference of the observed fractions at which the two means may be of different ground."""

UNEVEN_GROUND = 0.01
"""Largest share of the ground under stands that not all inventories cover, or not all count twice, and that counts as
inaccurate drawing (expert choice)."""


@dataclass(frozen=True)
class PeriodFacts:
    """The data behind the stock of one period.

    ``clear_per_year`` is the zone's median number of clear observations divided by the years; ``sensors`` are those
    of the period's scenes, ``days`` their days, ``declared_scale`` whether any scale was declared by hand instead of by
    the product.
    """

    label: str
    observed_fraction: float
    clear_per_year: float
    sensors: frozenset[str]
    days: frozenset[date]
    declared_scale: bool

    @property
    def day_of_year(self) -> float:
        """Mean day of the year of the scenes, 1 on the first of January; NaN without scenes."""
        return fmean(day.timetuple().tm_yday for day in self.days) if self.days else nan


@dataclass(frozen=True)
class Certificate:
    """The verdict on one pair of periods and its reasons, in English and Chinese; no reason where they compare."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    reasons_zh: tuple[str, ...] = ()

    @property
    def verdict_zh(self) -> str:
        return VERDICT_ZH[self.verdict]


def certify(
    baseline: PeriodFacts,
    current: PeriodFacts,
    min_observed: float,
    refused: tuple[str, str] | None = None,
    by_inventory: bool = False,
    by_maximum: bool = True,
    uneven_ground: float = 0,
    uneven_twice: float = 0,
) -> Certificate:
    """The certificate of a zone's two periods.

    Within one run the boundary, the end-members, the coefficients, the season window and the composite are the same for
    both by construction. ``refused`` is the reason why the method itself gives no difference (too few years, one
    inventory). To be judged are the ground seen, the number of clear observations (for composites ``by_maximum`` also
    whether the two numbers are similar), their dates in the season, whether all are from one sensor (an adjusted one
    counts as the one that it is adjusted to), and whether their scale is the product's own. A stock by inventory
    depends on no scene, but on the ground that inventories cover: ``uneven_ground`` is the share of it that not all do,
    ``uneven_twice`` the share that one of them counts twice and another does not.
    """
    reasons = [refused] if refused else []
    if not by_inventory:
        reasons += _refusals(baseline, current, min_observed)
    reasons = list(dict.fromkeys(reasons))  # the method refuses a period that was not seen, too
    doubts = [] if reasons or by_inventory else list(_doubts(baseline, current, by_maximum))
    if uneven_ground > UNEVEN_GROUND:
        doubts.append(
            (
                f"{uneven_ground:.0%} of the ground under stands has some in one inventory only, and counts as without "
                "forest in another",
                f"{uneven_ground:.0%}的小班用地仅见于部分调查，其余按无林计",
            )
        )
    if uneven_twice > UNEVEN_GROUND:
        doubts.append(
            (
                f"{uneven_twice:.0%} of the ground under stands counts twice in one inventory and not in another",
                f"{uneven_twice:.0%}的小班用地在部分调查中重复计算，在其他调查中没有",
            )
        )
    if not reasons + doubts:
        return Certificate("comparable")
    verdict: Verdict = "not comparable" if reasons else "conditional"
    return Certificate(verdict, *zip(*(reasons or doubts), strict=True))


def _refusals(baseline: PeriodFacts, current: PeriodFacts, min_observed: float) -> Iterator[tuple[str, str]]:
    for period in (baseline, current):
        if not seen_enough(period.observed_fraction, min_observed):
            share = f"{period.observed_fraction:.0%}"
            yield f"{share} observed in {period.label}", f"{period.label}年有效观测仅{share}"


def _doubts(baseline: PeriodFacts, current: PeriodFacts, by_maximum: bool) -> Iterator[tuple[str, str]]:
    for period in (baseline, current):
        if period.clear_per_year < FEW_CLEAR:
            yield (
                f"{period.clear_per_year:.1f} clear observations a year in {period.label}, fewer than {FEW_CLEAR}",
                f"{period.label}年均晴空观测仅{period.clear_per_year:.1f}次，少于{FEW_CLEAR}次",
            )
    few, many = sorted([baseline.clear_per_year, current.clear_per_year])
    if by_maximum and many > UNEVEN_CLEAR * few:
        counts = f"{baseline.clear_per_year:.1f} / {current.clear_per_year:.1f}"
        yield (
            f"clear observations a year differ, {counts}, and the maximum of more is higher (composite.method: median)",
            f"两期年均晴空观测次数不同（{counts}），次数多则最大值合成偏高，可改用中值合成",
        )
    if abs(baseline.observed_fraction - current.observed_fraction) > UNEVEN_OBSERVED:
        shares = f"{baseline.observed_fraction:.0%} / {current.observed_fraction:.0%}"
        yield f"the periods saw different shares of the zone, {shares}", f"两期有效观测面积不同（{shares}）"
    if abs(baseline.day_of_year - current.day_of_year) > OTHER_DAYS:
        days = [date(2023, 1, 1) + timedelta(round(period.day_of_year) - 1) for period in (baseline, current)]
        yield (
            f"the scenes are of other days of the season, on average {days[0]:%m-%d} / {days[1]:%m-%d}",
            f"两期影像季相不同（平均{days[0].month}月{days[0].day}日 / {days[1].month}月{days[1].day}日）",
        )
    if len(baseline.sensors | current.sensors) > 1:  # the same ones in both may have other shares
        names = [" + ".join(sorted(period.sensors)) for period in (baseline, current)]
        yield (
            f"sensors differ and are not harmonised, {names[0]} / {names[1]}",
            f"传感器不同且未归一（{' / '.join(names)}）",
        )
    if baseline.declared_scale or current.declared_scale:
        yield "scale and offset of scenes were declared by hand", "部分影像的定标系数为人工声明"
