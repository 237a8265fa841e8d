"""One file per ecosystem: its numbers as read from YAML, its biomass formula and their sources.

To add an ecosystem: a file here, its class in `AnyEcosystem`, a block in ``configs/coefficients``.
"""

from typing import Annotated

from pydantic import Field

from pipeline.ecosystems.base import Ecosystem, coefficients, find, used_by, with_values
from pipeline.ecosystems.forest import Forest
from pipeline.ecosystems.grassland import Grassland
from pipeline.ecosystems.rows import AnyCoefficient, BinnedCoefficient, Coefficient
from pipeline.ecosystems.shrub import Shrub
from pipeline.ecosystems.wetland import Wetland

AnyEcosystem = Annotated[Forest | Grassland | Wetland, Field(discriminator="ecosystem")]

__all__ = ["AnyCoefficient", "AnyEcosystem", "BinnedCoefficient", "Coefficient", "Ecosystem", "Forest", "Grassland",
           "Shrub", "Wetland", "coefficients", "find", "used_by", "with_values"]  # fmt: skip
