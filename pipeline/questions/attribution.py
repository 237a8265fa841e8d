"""What a change between two runs comes from: one factor swapped at a time. Pure arithmetic of the chain."""

from collections.abc import Iterable
from dataclasses import dataclass

ATTRIBUTION_COLUMNS: dict[str, tuple[str, str]] = {
    "zone_id": ("Zone", "片区编号"),
    "quantity": ("Quantity with its unit", "指标（含单位）"),
    "before": ("Recorded by the first run", "前次结果"),
    "after": ("Recorded by the second run", "本次结果"),
    "change": ("Change", "变化"),
    "boundary": ("From the boundary and its area", "边界变化"),
    "clear_pixels": ("From the pixels seen clear", "晴空像元变化"),
    "cover": ("From the index values of pixels that both saw", "植被指数变化"),
    "clear_pixels_and_cover": ("From the two together, where they cannot be told apart", "像元与指数（未分）"),
    "stands": ("From the stands' inventories and the dates of their stock", "小班调查与时点"),
    "periods": ("From the years that the periods have", "时段变化"),
    "coefficients": ("From coefficients and end-members", "系数变化"),
    "code": ("What the present code does not reproduce of the two records", "程序版本变化"),
    "beyond_interval": ("Whether the second lies outside the 95 % interval of the first", "是否超出95%区间"),
    "note": ("Note", "说明"),
}
"""Columns of the attribution: English and Chinese title. The factors of a row add up to its change."""

FACTORS = ("boundary", "clear_pixels", "cover", "clear_pixels_and_cover", "stands", "periods", "coefficients", "code")


@dataclass(frozen=True)
class Swap:
    """A figure after the swap of one factor; all earlier factors of the chain are swapped already."""

    factor: str
    value: float


def attribute(before: float, after: float, recomputed: float, chain: Iterable[Swap]) -> dict[str, float | None]:
    """The part of each factor in the change from ``before`` to ``after``, the recorded figures. The chain begins with
    ``recomputed``, the first run's figure by the present code, and ends with the second's. Differences between recorded
    and recomputed figures count as code. A factor may occur twice; None for one that is not in the chain.

    The parts depend on the order of the chain, as those of any sequence of swaps do.
    """
    parts: dict[str, float | None] = dict.fromkeys(FACTORS)
    last = recomputed
    for swap in chain:
        parts[swap.factor] = (parts[swap.factor] or 0.0) + (swap.value - last)
        last = swap.value
    parts["code"] = (recomputed - before) + (after - last)
    return parts


def beyond(figures: dict, quantity: str, after: float) -> bool | None:
    """Whether a figure lies outside its 95 % interval in the result table; None if the table has none."""
    low, high = (figures.get(f"{quantity}_{end}") for end in ("low95", "high95"))
    return None if low is None or high is None else not low <= after <= high
