"""The table of mapped variables: name, unit, names to print, stored type and scale.

Rasters are stored as scaled integers (half the encoding time and size of float32); the step is far below
the error of each quantity. A stored value times ``scale`` is the value in ``unit``.
"""

from dataclasses import dataclass
from typing import Literal

INDEX_STEP = 1e-4
"""Quantisation of a vegetation index in the cube, in the sketches and in the rasters."""

INDEX_NODATA = -32768


@dataclass(frozen=True)
class Variable:
    """One mapped quantity.

    ``valid`` bounds the quantity physically (science: hard limits), in ``unit``.
    """

    name: str
    unit: str
    long_name: str
    long_name_zh: str
    dtype: str
    scale: float
    nodata: int
    valid: tuple[float, float]


IndexName = Literal["ndvi", "evi2", "savi", "msavi", "kndvi"]
"""Indices that a zone can be mapped from."""


def _index(name: IndexName, en: str, zh: str) -> Variable:
    return Variable(
        name, "1", f"{en} of the yearly composites, mean of the years", f"{zh}（年合成值的多年平均）",
        "int16", INDEX_STEP, INDEX_NODATA, (-1, 1),
    )  # fmt: skip


VARIABLES = {
    variable.name: variable
    for variable in (
        _index("ndvi", "NDVI", "归一化植被指数"),
        _index("evi2", "EVI2", "双波段增强型植被指数"),
        _index("savi", "SAVI", "土壤调节植被指数"),
        _index("msavi", "MSAVI", "修正型土壤调节植被指数"),
        _index("kndvi", "kNDVI", "核归一化植被指数"),
        Variable("fvc", "1", "fractional vegetation cover by satellite", "遥感植被覆盖度",
                 "int16", 1e-4, -32768, (0, 1)),
        Variable("agb", "t DM/ha", "above-ground biomass, dry matter", "地上生物量（干重）",
                 "int16", 0.01, -32768, (0, 300)),
        Variable("carbon_stock", "t C/ha", "biomass carbon stock", "生物量碳密度",
                 "int16", 0.01, -32768, (0, 300)),
        Variable("sink", "t CO2/ha/yr", "carbon sink by stock difference, removal positive",
                 "碳汇强度（储量差法，吸收为正）", "int16", 0.005, -32768, (-160, 160)),
        Variable("clear_count", "1", "number of clear observations", "晴空观测次数",
                 "uint16", 1, 65535, (0, 65534)),
        Variable("water_occurrence", "1", "open water's share of the observed years", "水面出现频率（占有观测年份）",
                 "uint8", 0.01, 255, (0, 1)),
        Variable("sink_class", "1", "class of the carbon sink", "碳汇等级", "uint8", 1, 0, (1, 254)),
        Variable("cover_class", "1", "class of fractional vegetation cover by satellite",
                 "遥感植被覆盖度等级", "uint8", 1, 0, (1, 254)),
    )
}  # fmt: skip
