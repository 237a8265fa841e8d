"""Areas of cover classes, computed from the sketches of a zone: rows of ``cover_classes.csv``. Pure.

The cover is that seen by satellite (遥感植被覆盖度); its classes are not an official grassland or forest statistic.
"""

from typing import NamedTuple

import numpy as np

from pipeline.carbon import HA_PER_MU
from pipeline.stock.sketch import Sketch, seen_enough
from pipeline.zones.zone import Zone

EXACT = 6
"""Decimals to which a cover is compared with a bound, so that rounding of float32 cannot put a cover at the bound below
it."""


class CoverClass(NamedTuple):
    """A class lower <= cover < upper, the last with its upper bound; ``key`` is that of its style."""

    key: str
    lower: float
    upper: float
    zh: str
    en: str


SCHEMES: dict[str, tuple[CoverClass, ...]] = {
    "sl190": (
        CoverClass("low", 0.0, 0.30, "低覆盖", "low"),
        CoverClass("medium_low", 0.30, 0.45, "中低覆盖", "medium-low"),
        CoverClass("medium", 0.45, 0.60, "中覆盖", "medium"),
        CoverClass("medium_high", 0.60, 0.75, "中高覆盖", "medium-high"),
        CoverClass("high", 0.75, 1.0, "高覆盖", "high"),
    ),
    "five": (
        CoverClass("very_low", 0.0, 0.10, "极低覆盖", "very low"),
        CoverClass("low", 0.10, 0.30, "低覆盖", "low"),
        CoverClass("medium", 0.30, 0.50, "中覆盖", "medium"),
        CoverClass("medium_high", 0.50, 0.70, "中高覆盖", "medium-high"),
        CoverClass("high", 0.70, 1.0, "高覆盖", "high"),
    ),
}
"""SL 190-2007 quoted from memory, its thresholds not checked against the standard; and the five classes usual in desert
steppe."""

OPEN_WATER = CoverClass("open_water", np.nan, np.nan, "开阔水面", "open water")
"""Ground outside all cover classes; it has no bounds."""

SCHEMES_ZH = {"sl190": "SL 190-2007", "five": "五级"}
"""What the schemes are called in Chinese."""

STATUS = {"sl190": "unverified", "five": "unverified"}
"""Whether the thresholds of a scheme were read in their source."""

CLASS_COLUMNS: dict[str, tuple[str, str]] = {
    "zone_id": ("Zone", "片区编号"),
    "name_zh": ("Name", "片区名称"),
    "ecosystem": ("Ecosystem", "生态系统"),
    "period": ("Year or years", "时段(年)"),
    "scheme": ("Classes", "分级方案"),
    "class_key": ("Class", "等级代码"),
    "class_zh": ("Class in Chinese", "等级"),
    "class_en": ("Class in English", "等级（英文）"),
    "lower": ("Least cover of the class", "下限（含）"),
    "upper": ("Cover below which the class lies", "上限（不含，最高级除外）"),
    "area_ha": ("Area, ha", "面积(公顷)"),
    "area_mu": ("Area, mu", "面积(亩)"),
    "fraction": ("Fraction of the observed area", "占有效观测面积比例"),
    "status": ("Status of the thresholds", "阈值状态"),
}
"""Columns of the table of cover classes: English and Chinese title."""


def cover_class_areas(sketch: Sketch, per_level_cover: np.ndarray, scheme: str) -> np.ndarray:
    """Fractions of the zone's observed part in each class of the scheme, (classes,); NaN where nothing was observed.

    ``per_level_cover`` (20001,) is the cover at each index level, so the areas are exact to the index step. Open water
    is in no class: with `Sketch.water_fraction` the fractions add up to 1. Over several years they are the mean of the
    years. A class includes its lower bound.
    """
    bounds = [cover_class.lower for cover_class in SCHEMES[scheme][1:]]
    classes = np.searchsorted(bounds, np.round(per_level_cover.astype(float), EXACT), side="right")
    land = np.bincount(classes, sketch.land, minlength=len(bounds) + 1)
    return land / sketch.observed if sketch.observed else np.full(land.shape, np.nan)


def class_rows(
    zone: Zone, sketches: dict[str, Sketch], per_level_cover: np.ndarray, scheme: str, min_observed: float
) -> list[dict]:
    """A row for each class of each period and one for its open water, keys `CLASS_COLUMNS`.

    ``sketches`` are by the label of their period. The fractions are applied to the whole zone, so the areas add up to
    it; below ``min_observed`` the areas stay empty. What is not known is None, never 0.
    """
    rows = []
    named = {"zone_id": zone.id, "name_zh": zone.name, "ecosystem": zone.ecosystem}
    for period, sketch in sketches.items():
        enough = seen_enough(sketch.observed_fraction, min_observed)
        fractions = [*cover_class_areas(sketch, per_level_cover, scheme), sketch.water_fraction]
        for cover_class, fraction in zip((*SCHEMES[scheme], OPEN_WATER), fractions, strict=True):
            about = named | {"period": period, "scheme": scheme, "status": STATUS[scheme]}
            rows.append(about | _class(cover_class) | _areas(float(fraction), zone.area_ha if enough else None))
    return rows


def _class(cover_class: CoverClass) -> dict:
    bounded = cover_class is not OPEN_WATER
    return {
        "class_key": cover_class.key,
        "class_zh": cover_class.zh,
        "class_en": cover_class.en,
        "lower": cover_class.lower if bounded else None,
        "upper": cover_class.upper if bounded else None,
    }


def _areas(fraction: float, zone_ha: float | None) -> dict:
    if np.isnan(fraction):
        return dict.fromkeys(("area_ha", "area_mu", "fraction"))
    area_ha = None if zone_ha is None else fraction * zone_ha
    return {"area_ha": area_ha, "area_mu": None if area_ha is None else area_ha / HA_PER_MU, "fraction": fraction}
