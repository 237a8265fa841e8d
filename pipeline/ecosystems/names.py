"""What the coefficients are called in Chinese, for sheets, workbook and answers. Pure."""

from collections.abc import Iterable, Mapping

from pipeline.ecosystems.base import Ecosystem
from pipeline.ecosystems.rows import Named

QUANTITIES = {
    "index_bias": "指数偏差",
    "residual": "像元残差",
    "residual_persistence": "残差持续性",
    "stand_volume": "小班蓄积误差",
    "stand_area": "小班面积误差",
    "reference_cover": "参考覆盖度",
    "bcef": "BCEF",
    "bcef_increment": "增量BCEF",
    "root_shoot": "根茎比",
    "carbon_fraction": "含碳率",
    "wood_density": "木材密度",
    "biomass_expansion": "BEF",
    "carbon_t_ha": "生物量碳密度",
    "above_ground_share": "地上碳占比",
    "soil_index": "裸土端元",
    "vegetation_index": "植被端元",
    "agb_g_m2": "地上生物量",
    "fresh_agb": "鲜草产量模型",
    "dry_agb": "干草产量模型",
    "fresh_to_dry": "鲜干比",
    "flux": "CH4通量",
    "warming": "CH4增温潜势",
}
"""Chinese names of the last step of a path, such as carbon_fraction in species.elm.carbon_fraction."""

KINDS = {
    "hardwoods": "阔叶树",
    "pines": "松类",
    "other_conifers": "其他针叶树",
    "conifers": "针叶树",
    "broadleaf": "阔叶树",
    "oak": "栎类",
    "continuous": "连续函数法",
}
"""Kinds that have no `Named.names` in the YAML."""


def name_zh(ecosystem: Ecosystem | Mapping, path: str) -> str:
    """A coefficient in Chinese, such as 榆树含碳率 of species.elm.carbon_fraction: its kind by the first of its names
    in the YAML, then the quantity. A step without a name stays as it is. With several ecosystems the path begins with
    the name of one."""
    return "".join(_parts(ecosystem, path))


def names_zh(ecosystem: Ecosystem | Mapping, paths: Iterable[str]) -> str:
    """Coefficients in Chinese in one line, with the kinds of each quantity together and no repetition:
    侧柏、榆树含碳率；参考覆盖度. Paths of several ecosystems begin with the name of theirs."""
    kinds: dict[tuple[str, bool], dict[str, None]] = {}
    for path in paths:
        kind, quantity = _parts(ecosystem, path)
        kinds.setdefault((quantity, kind == ""), {})[kind] = None
    return "；".join("、".join(kind) + quantity for (quantity, _), kind in kinds.items())


def _parts(ecosystem: Ecosystem | Mapping, path: str) -> tuple[str, str]:
    """Kind ("" for all of the ecosystem) and quantity of a coefficient."""
    kind, quantity, part = "", "", ecosystem
    steps = path.split(".")
    for place, step in enumerate(steps):
        part = part[step] if isinstance(part, Mapping) else getattr(part, step)
        if isinstance(part, Named):
            kind += part.names[0]
        elif step in QUANTITIES:
            quantity = QUANTITIES[step]
        elif step in KINDS or place == len(steps) - 1:
            kind += KINDS.get(step, step)
    return kind, quantity
