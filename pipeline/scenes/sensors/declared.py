"""Any surface-reflectance GeoTIFF, declared in a manifest: its scale is never guessed."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from pipeline.errors import SceneError
from pipeline.frozen import Frozen
from pipeline.scenes.quality import QualityRule
from pipeline.scenes.scene import Band, Scene
from pipeline.yaml_file import read_yaml

MANIFEST = "manifest.yaml"


BandNumber = Annotated[int, Field(ge=1)]


class DeclaredQuality(Frozen):
    """Values of the quality layer: usable, open water (usable), cloud and shadow, not covered."""

    file: str
    band: BandNumber = 1
    clear: tuple[int, ...]
    water: tuple[int, ...] = ()
    cloud: tuple[int, ...] = ()
    nodata: int = 0

    @model_validator(mode="after")
    def _nodata_apart(self) -> Self:
        if self.nodata in (*self.clear, *self.water):
            raise ValueError(
                f"the value {self.nodata} is clear and nodata, which is 0 unless another is given; give a nodata that "
                "no pixel has, such as 255"
            )
        return self


def _written(date: object) -> datetime:
    """A date that is text. Raises ValueError for any other: the number 20240803 would be taken for seconds."""
    with suppress(ValueError):
        if isinstance(date, str):
            return datetime.fromisoformat(date)
    raise ValueError("is no date; write it as 2024-08-03 or 2024-08-03T03:40:00Z")


class DeclaredScene(Frozen):
    """Files of one date. ``bands`` maps common names to a file, or file and band number."""

    id: str
    date: Annotated[datetime, BeforeValidator(_written)]
    bands: dict[Literal["blue", "green", "red", "nir", "swir16"], str | tuple[str, BandNumber]]
    quality: DeclaredQuality | None


class Manifest(Frozen):
    """Reflectance = stored value x ``scale`` + ``offset`` for all scenes listed."""

    sensor: str
    level: str
    scale: Annotated[float, Field(gt=0)]
    offset: float
    nodata: Annotated[float, Field(allow_inf_nan=True)] = 0
    scenes: tuple[DeclaredScene, ...]


def scenes_of_manifest(path: Path) -> Iterator[tuple[str, Callable[[], Scene]]]:
    """(id, reader) of the scenes of a manifest. Raises ConfigError for a wrong manifest, SceneError for a
    level that is not surface reflectance; a reader raises SceneError for its own scene."""
    manifest = read_yaml(path, Manifest)
    if manifest.level != "surface_reflectance":
        raise SceneError(f"{path}: level {manifest.level!r} is not surface_reflectance; correct the atmosphere first")
    folder = path.parent.absolute()  # GDAL takes a name alone, such as GTIFF_DIR:1:..., for more than a file
    for entry in manifest.scenes:
        yield entry.id, partial(_scene, manifest, entry, folder)


def _scene(manifest: Manifest, entry: DeclaredScene, folder: Path) -> Scene:
    if missing := {"red", "nir"} - set(entry.bands):
        raise SceneError(f"scene {entry.id} lacks {', '.join(sorted(missing))}; name the band in the manifest")

    def band(place: str | tuple[str, int]) -> Band:
        file, index = (place, 1) if isinstance(place, str) else place
        return Band(str(folder / file), index, manifest.scale, manifest.offset, manifest.nodata)

    quality = entry.quality
    return Scene(
        id=entry.id,
        sensor=manifest.sensor,
        taken=entry.date,
        bands={name: band(place) for name, place in entry.bands.items()},
        quality=quality and Band(str(folder / quality.file), quality.band, nodata=quality.nodata),
        rule=quality
        and QualityRule(
            frozenset(quality.clear), frozenset(quality.water), frozenset(quality.cloud), quality.nodata, "manifest"
        ),
        origin="manifest",
        product="manifest",
    )
