"""The note on maps and tables: what their figures are and which sources they are from. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from pipeline.ecosystems import Ecosystem
from pipeline.scenes.season import Season

SIMULATED = "示意，模拟数据 (schematic, simulated)"
NOT_CREDITABLE = "遥感估算，不作为交易依据 (remote-sensing estimate, not creditable)"

COPERNICUS = "（含修改后的 Copernicus Sentinel 数据）"
"""Attribution that the licence of Sentinel data requires of products made from them."""

HYPHEN_MINUS = r"(^|[^0-9A-Za-z])-(?=[0-9])"
"""The minus of a number in the texts of a table, written as a hyphen since GBK has no minus sign."""


def note_of(simulated: bool, ecosystems: Iterable[Ecosystem]) -> str:
    """The note, in Chinese and English, on figures of these ecosystems, single or summed."""
    excluded = [ecosystem.excluded for ecosystem in ecosystems if ecosystem.excluded]
    return "；".join([*([SIMULATED] if simulated else []), NOT_CREDITABLE, *excluded])


def true_minus(text: str) -> str:
    """Texts of a table with minus signs before negative numbers; ranges (9-15) and names keep the hyphen."""
    return re.sub(HYPHEN_MINUS, r"\1−", text)


def source_line(scenes: list[dict], inventories: Sequence[int], season: Season, simulated: bool) -> str:
    """Years of the forest inventories, sensors, number of scenes, the season of each year that they are taken from, and
    their first and last day."""
    return f"数据源：{stands_of(inventories)}{images(scenes, season, simulated)}"


def stands_of(inventories: Sequence[int]) -> str:
    """The forest inventories by their years as they stand before the `images`; "" for none."""
    return f"小班蓄积 {'、'.join(map(str, inventories))} 年；" if inventories else ""


def images(scenes: list[dict], season: Season, simulated: bool) -> str:
    """Sensors, number of scenes, their season and their first and last day."""
    if not scenes:
        return "无影像"
    # a name that a manifest gives stays as it is
    counts = Counter(s["sensor"] if s.get("scale_known_from") == "manifest" else _named(s["sensor"]) for s in scenes)
    days = sorted(scene["day"] for scene in scenes)
    listed = "、".join(f"{'模拟 ' if simulated else ''}{sensor} {count} 景" for sensor, count in sorted(counts.items()))
    copernicus = not simulated and any(sensor.casefold().startswith(("sentinel", "hls")) for sensor in counts)
    window = "–".join(f"{month}月{day}日" for month, day in season)
    return f"{listed}，每年{window}，{days[0]} 至 {days[-1]}{COPERNICUS if copernicus else ''}"


def _named(sensor: str) -> str:
    return sensor[:1].upper() + sensor[1:]
