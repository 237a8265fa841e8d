"""HLS v2.0 (Harmonized Landsat and Sentinel-2), L30 and S30, 30 m: folders of GeoTIFFs.

Both are adjusted by NASA to one another, bandpass and view angle; no published coefficient is about them. The near
infrared of S30 is B8A, the one that is adjusted, never B08. Masks after HLS v2 Fmask as NASA's hls-vi uses them (bits
1, 2, 3), and snow; bit 0 (cirrus) is not set by Fmask 4, and high aerosol (bits 6-7) is common over bright land, so
both stay.
"""

import re
from datetime import datetime
from pathlib import Path

from pipeline.errors import SceneError
from pipeline.scenes.quality import BitRule, Bits
from pipeline.scenes.scene import Band, Scene
from pipeline.scenes.sensors.metadata import scale_of_tif

PRODUCT = "HLS v2"
GRANULE = re.compile(r"HLS\.[LS]30\.T", re.IGNORECASE)
FILE_NAME = re.compile(r"(HLS\.([LS]30)\.T(\w{5})\.(\d{7}T\d{6})\.v(\d)\.\d)\.Fmask\.tif", re.IGNORECASE)
BAND_NAME = re.compile(r"(HLS\.[LS]30\.T\w{5}\.\d{7}T\d{6}\.v\d\.\d)\.B\w\w\.tif", re.IGNORECASE)

BANDS = {
    "L30": {"blue": "B02", "green": "B03", "red": "B04", "nir": "B05", "swir16": "B06"},
    "S30": {"blue": "B02", "green": "B03", "red": "B04", "nir": "B8A", "swir16": "B11"},
}
FILL, FMASK_FILL = -9999, 255
DOCUMENTED_SCALE = 1e-4
"""HLS Product User Guide v2.0, for files that do not say it themselves."""

FMASK = BitRule(
    masked=(Bits(2), Bits(4)),
    buffered=(Bits(1), Bits(3)),
    water=(Bits(5),),
    nodata=FMASK_FILL,
    source="NASA HLS v2 Fmask: bit 1 cloud, 2 adjacent to it, 3 shadow, 4 snow or ice, 5 water; fill 255",
)


def scene_from_hls(fmask: Path) -> Scene:
    """The scene of an Fmask file and the bands beside it. Raises SceneError for another version than 2, for a name
    without a date, and for missing or unreadable files."""
    name, kind, tile, time, version = FILE_NAME.fullmatch(fmask.name).groups()
    if version != "2":
        raise SceneError(f"scene {name} is HLS version {version}, whose masks differ; get version 2.0")
    try:
        taken = datetime.strptime(f"{time}+0000", "%Y%jT%H%M%S%z")
    except ValueError:
        raise SceneError(f"scene {name} has no date like 2020153T031201 in its name; name it as delivered") from None
    codes = BANDS[kind.upper()]
    files = {band: fmask.with_name(f"{name}.{code}.tif") for band, code in codes.items()}
    missing = [codes[band] for band in ("red", "nir") if not files[band].is_file()]
    if missing:
        raise SceneError(f"scene {name} lacks {', '.join(missing)}; get the complete product")
    bands = {}
    for band, file in files.items():
        if file.is_file():
            scale, origin = scale_of_tif(name, str(file), 1, DOCUMENTED_SCALE)
            bands[band] = Band(str(file), scale=scale, nodata=FILL)
    return Scene(
        id=name,
        sensor="hls",
        taken=taken,
        bands=bands,
        quality=Band(str(fmask), nodata=FMASK_FILL),
        rule=FMASK,
        origin=origin,
        product=f"{PRODUCT} {kind.upper()}",
        tile=tile,
    )
