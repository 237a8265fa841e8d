"""Forest stands (小班): species and live volume at the inventories, cover of shrubs."""

import json
from collections.abc import Iterable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pandas.api.types import is_numeric_dtype

from pipeline.ecosystems import Forest
from pipeline.ecosystems.forest import NO_TREES, UNSTOCKED
from pipeline.ecosystems.shrub import SHRUB
from pipeline.errors import ConfigError, ZoneError
from pipeline.zones.coverage import areal
from pipeline.zones.vector_file import ellipsoidal_area_ha, one_line, read_vector
from pipeline.zones.zone_stands import StandFile, ZoneStands


def read_stands(file: StandFile, forest: Forest) -> tuple[gpd.GeoDataFrame, list[str]]:
    """The stands with species (key of the forest table), ``word`` (that of the table for it), one volume column named
    by each inventory year, cover where its column is named, and geometry in the file's CRS; and sentences on what was
    repaired or left out. Shrubs have no volume, so theirs is 0, and without a cover column no word. Raises ZoneError
    for an unknown species, a species without the parameters of the expansion, a volume that is no finite number >= 0, a
    volume on ground without trees, and a cover of shrubs that is no fraction; and ConfigError for words assigned to an
    unknown species.
    """
    path = file.path
    found = read_vector(path, file.layer, file.named)
    stands = gpd.GeoDataFrame(geometry=found.geometry.make_valid(), crs=found.crs)
    mended = []
    if invalid := int((found.geometry.notna() & ~found.geometry.is_valid).sum()):
        mended.append(f"{path}: {invalid} stands cross themselves, repaired in the run's copy; see check")
    if empty := int((stands.geometry.isna() | stands.geometry.is_empty).sum()):
        mended.append(f"{path}: {empty} of {len(stands)} stands have no geometry and do not count")
    names = species_names(file, found, forest)
    unknown, unexpanded = unusable_species(names, forest)
    if unknown:
        raise ZoneError(f"{path}: unknown species {_counted(unknown)}; {how_to_count(max(unknown), forest)[0]}")
    if unexpanded:
        raise ZoneError(
            f"{path}: the forest coefficient file has no `continuous` row for {_counted(unexpanded)}; add it or take "
            "expansion: ipcc"
        )
    stands["species"] = names.map(forest.species_key)
    shrubs = stands["species"] == SHRUB
    for year, column in file.volume_m3_ha.items():
        stands[year] = volumes(path, found[column], stands["species"])
    if file.cover:
        stands["cover"] = _numbers(path, found[file.cover], "a cover from 0 to 1").where(shrubs, 0)
        if not stands["cover"].between(0, 1).all():
            raise ZoneError(
                f"{path}: the column {file.cover} of a shrub stand is empty or not a cover from 0 to 1; correct it, "
                "dividing a percentage by 100"
            )
    # compared by the words of the table: two groups of one polygon may count as one species and hold the same volume.
    # Shrub without a cover column is compared without them: its stock goes by its ground, whatever it is called
    words = found[file.species].map(one_line)
    stands["word"] = words if file.cover else words.mask(shrubs)
    again = repeated(stands)
    if doubled := int(again.sum()):
        mended.append(
            f"{path}: {doubled} stands are there once more with the same outline, species and volume, and count once"
        )
    return stands[~again], mended


def repeated(stands: gpd.GeoDataFrame) -> pd.Series:
    """Rows that repeat an earlier one in all columns, including the outline. Several rows for the species of one
    polygon are no repetition."""
    return pd.DataFrame(stands).assign(**{stands.geometry.name: stands.geometry.to_wkb()}).duplicated()


def species_names(file: StandFile, found: gpd.GeoDataFrame, forest: Forest) -> pd.Series:
    """The species of each stand in one line, those that the config has words for by the name that they count as. Raises
    ConfigError if the ``forest`` coefficients have no such species."""
    for name in file.words:
        try:
            forest.species_key(name)
        except KeyError:
            raise ConfigError(
                f"stands.species: {name!r} is none of the forest coefficient file; take one of "
                f"{', '.join(_kinds(forest))}"
            ) from None
    counted = {one_line(word): name for name, words in file.words.items() for word in words}
    return found[file.species].map(one_line).map(lambda name: counted.get(name, name))


def how_to_count(name: str, forest: Forest) -> tuple[str, str]:
    """What to do with a species that is not known, in English and Chinese."""
    quoted, bare, kinds = json.dumps(name, ensure_ascii=False), NO_TREES.names[0], _kinds(forest)
    return (
        f"write into the config, under stands, what it counts as: `species: {{SPECIES: [{quoted}]}}`, SPECIES being "
        f"one that the forest coefficient file has, {', '.join(kinds)}; the last is ground without trees",
        f"请在配置的 stands 中写明按什么计：species: {{树种: [{quoted}]}}，其中树种换成森林系数文件中的一种"
        f"（{'、'.join(kinds)}），没有林木的地块为{bare}",
    )


def _kinds(forest: Forest) -> list[str]:
    return [kind.names[0] for kind in forest.kinds.values()]


def volumes(path: Path, column: pd.Series, species: pd.Series) -> pd.Series:
    """Live volume in m3/ha, 0 for shrubs and ground without trees; ``species`` are keys. Raises ZoneError where it is
    no finite number >= 0, and where ground without trees has one."""
    given = _numbers(path, column, "a volume in m3/ha")
    volume = given.where(~species.isin([SHRUB, UNSTOCKED]), 0)
    wrong = (~((volume >= 0) & np.isfinite(volume))).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise ZoneError(
            f"{path}: the column {column.name} has an empty, negative or infinite volume, first in row {row + 1} "
            f"({column.iloc[row]}); give it in m3/ha, 0 only where a stand holds none ({wrong.sum()} rows)",
            f"字段{column.name}的蓄积为空、负数或无穷大，首见第{row + 1}行（{column.iloc[row]}），共{wrong.sum()}行；"
            "请填每公顷立方米数，确无蓄积的才填0",
        )
    stocked = ((species == UNSTOCKED) & (given > 0)).to_numpy()
    if stocked.any():
        row = int(stocked.argmax())
        raise ZoneError(
            f"{path}: the column {column.name} has a volume in row {row + 1} ({column.iloc[row]}), of ground that "
            f"counts as without trees; name its species ({stocked.sum()} rows)",
            f"字段{column.name}第{row + 1}行有蓄积（{column.iloc[row]}），但该地块按无林木计，共{stocked.sum()}行；"
            "请填写树种",
        )
    return volume


def unusable_species(names: pd.Series, forest: Forest) -> tuple[dict[str, int], dict[str, int]]:
    """Unknown names, and names of species without the parameters of the forest's expansion, each with its number of
    stands."""
    unknown, unexpanded = {}, {}
    for name, number in names.value_counts(sort=False).items():
        try:
            key = forest.species_key(name)
        except KeyError:
            unknown[name] = number
            continue
        if forest.expansion == "continuous" and key in forest.species and forest.species[key].continuous is None:
            unexpanded[name] = number
    return unknown, unexpanded


def _counted(names: dict[str, int]) -> str:
    return ", ".join(f"{name!r} ({number} stands)" for name, number in names.items())


def _numbers(path: Path, column: pd.Series, what: str) -> pd.Series:
    cells = column if is_numeric_dtype(column) else column.map(one_line).replace("", None)
    try:
        return cells.astype(float)
    except (TypeError, ValueError):
        row, value = next((row, value) for row, value in enumerate(cells, 1) if not _is_number(value))
        raise ZoneError(
            f"{path}: the column {column.name} has {value!r} in row {row}, which is not {what}; correct it",
            f"字段{column.name}第{row}行的“{value}”不是数值，请更正",
        ) from None


def _is_number(value: object) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return bool(pd.isna(value))
    return True


def stands_in_zone(stands: gpd.GeoDataFrame, zone: shapely.Geometry, years: Iterable[int]) -> ZoneStands | None:
    """The stands cut to a zone, both in the CRS of the grid; None where the inventory does not reach it."""
    near = stands.iloc[stands.sindex.query(zone, predicate="intersects")]
    shapely.prepare(zone)
    outlines = near.geometry.to_numpy().copy()
    # a cut costs as much as all the outline of the zone has vertices, and most stands need none
    across = ~shapely.contains_properly(zone, outlines)
    outlines[across] = shapely.intersection(outlines[across], zone)
    cut = near.set_geometry([areal(outline) for outline in outlines])
    cut = cut[cut.geometry.area > 0]
    if cut.empty:
        return None
    area_ha = np.array(ellipsoidal_area_ha(cut.geometry))
    claims = pd.DataFrame({"outline": cut.geometry.normalize().to_wkb(), "word": cut.get("word", cut["species"])})
    first, again = ~claims["outline"].duplicated().to_numpy(), claims.duplicated().to_numpy()
    union = areal(shapely.union_all(cut.geometry[first].to_numpy()))
    (ground,) = ellipsoidal_area_ha(gpd.GeoSeries([union], crs=cut.crs))
    return ZoneStands(
        geometry=cut.geometry.to_numpy(),
        species=cut["species"].tolist(),
        area_ha=area_ha,
        volume_m3_ha={year: cut[year].to_numpy(float) for year in years},
        cover=cut["cover"].to_numpy(float) if "cover" in cut else None,
        ground_ha=ground,
        twice_ha=max(sum(area_ha[first | again]) - ground, 0.0),
    )
