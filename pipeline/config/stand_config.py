"""The part of the configuration that says where the stands are and how they are counted."""

from itertools import combinations
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from pipeline.config.input_config import FIRST_YEAR, LAST_YEAR, Word, one_meaning
from pipeline.frozen import Section
from pipeline.yaml_file import FilePath
from pipeline.zones.zone_stands import StandFile


class StandColumns(Section):
    """Names of the columns of the stand table."""

    species: str = "YOU_SHI_SZ"
    """Column of the main species."""
    volume_m3_ha: Annotated[dict[Annotated[int, Field(ge=FIRST_YEAR, le=LAST_YEAR)], str], Field(min_length=1)]
    """Column of the live volume, m3/ha, for each inventory year."""
    cover: str | None = None
    """Column of the cover (0-1) of shrub stands; without it shrub among grass takes its cover from the index, and
    that of a forest inventory counts with the class mean."""


class StandTable(Section):
    """A further file of stands (小班): of another inventory, whose outlines may be others, or of the same one, such as
    that of another county."""

    path: FilePath
    """A vector file, as for the zones."""
    layer: str | None = None
    """Layer of the file; not needed if it has only one."""
    columns: StandColumns


class Stands(StandTable):
    """Forest and shrub stands (小班)."""

    further_files: tuple[StandTable, ...] = ()
    """Inventories that are in files of their own, of which the latest gives the shrub; and further files of one
    inventory, as of each county, which have all their years in common."""
    species: dict[str, tuple[Word, ...]] = Field(default_factory=dict, examples=[{"榆树": ["阔叶混"], "无林木": [""]}])
    """For species of the forest coefficient file, the words and codes of the species column that count as it, in
    quotes; under 无林木 (`unstocked`) those of surveyed ground without trees, with "" for an empty cell."""
    min_area_fraction: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of a forest zone that its stands must cover for its stock to be computed from them."""

    @property
    def files(self) -> list[StandFile]:
        """The files and what each is to hold, in order of their first inventories."""
        return [file for inventory in self.inventories for file in inventory]

    @property
    def inventories(self) -> list[list[StandFile]]:
        """The files with the same years together, in order of their first year."""
        by_years: dict[tuple[int, ...], list[StandFile]] = {}
        for table in (self, *self.further_files):
            file = StandFile(table.path, table.layer, **dict(table.columns), words=self.species)
            by_years.setdefault(tuple(sorted(file.volume_m3_ha)), []).append(file)
        return [by_years[years] for years in sorted(by_years)]

    @field_validator("species")
    @classmethod
    def _one_species(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        return one_meaning(value, "species")

    @model_validator(mode="after")
    def _one_inventory_a_year(self) -> Self:
        for one, other in combinations(self.files, 2):
            both = f"{_named(one)} and {_named(other)}"
            years, common = one.volume_m3_ha.keys(), one.volume_m3_ha.keys() & other.volume_m3_ha.keys()
            if common and (one.path, one.layer) == (other.path, other.layer):
                raise ValueError(f"{_named(one)} is named twice for {min(common)}; name it once")
            if common and years != other.volume_m3_ha.keys():
                raise ValueError(
                    f"{both} share the year {min(common)}, but not all of their years, as files of one inventory do; "
                    "name each year under one of them, or the same years under both"
                )
            if common and bool(one.cover) != bool(other.cover):
                raise ValueError(f"{both} are one inventory, but only one names a column of cover; name it for both")
        return self


def _named(file: StandFile) -> str:
    return file.path.name + (f", layer {file.layer}," if file.layer else "")
