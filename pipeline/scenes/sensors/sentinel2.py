"""Sentinel-2 L2A, native resolution 10 m (B8A, B11, SCL 20 m): .SAFE folders and their zips.

The offset of baseline 04.00 and later comes from the product's own metadata. The scene classification is one rule for
all ecosystems: open water is clear and marked, and each ecosystem defines which share of water observations makes a
pixel open water.
"""

import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError
from zipfile import BadZipFile, ZipFile

from defusedxml.ElementTree import fromstring

from pipeline.errors import SceneError, too_long
from pipeline.scenes.integrity import DAMAGED, opened
from pipeline.scenes.quality import QualityRule
from pipeline.scenes.scene import Band, Scene
from pipeline.scenes.sensors.metadata import number_or_none

PRODUCT, SENSOR = "Sentinel-2 L2A", "sentinel-2"

COMMON_NAMES = {"B02": "blue", "B03": "green", "B04": "red", "B08": "nir", "B8A": "nir08", "B11": "swir16"}
NATIVE_RESOLUTION = {"B02": "10m", "B03": "10m", "B04": "10m", "B08": "10m", "B8A": "20m",
                     "B11": "20m", "SCL": "20m"}  # fmt: skip
BAND_IDS = {"B02": "1", "B03": "2", "B04": "3", "B08": "7", "B8A": "8", "B11": "11"}
"""``band_id`` of BOA_ADD_OFFSET in MTD_MSIL2A.xml."""

QUANTIFICATION = ("BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE")
"""What MTD_MSIL2A.xml calls the divisor of its pixels; the second up to 2018 (PSD-13)."""

OFFSET_BASELINE = 4.0
"""Processing baseline from which on the product carries BOA_ADD_OFFSET."""

DIGESTS = ("md5", "sha3_256")
"""The digests of a manifest.safe, older and newer, as Python names them."""

MAX_XML_BYTES = 32 << 20
"""Largest metadata file; that of a product has some 100 kB."""

SCENE_CLASSIFICATION = QualityRule(
    clear=frozenset({4, 5}),
    water=frozenset({6}),
    buffered=frozenset({3, 8, 9}),
    nodata=0,
    source="Sentinel-2 L2A scene classification: 4 vegetation, 5 not vegetated, 6 water; 3 shadow, 8-9 cloud",
)


def scene_from_safe(product: Path) -> Scene:
    """The scene of a .SAFE folder or of a zip of one; scale and offset from its MTD_MSIL2A.xml, never from the date.

    Raises SceneError for level 1C, unreadable metadata and missing bands.
    """
    files = _safe_files(product)
    if "MTD_MSIL2A.xml" not in files:
        level = "level 1C, not surface reflectance" if "MTD_MSIL1C.xml" in files else "without MTD_MSIL2A.xml"
        raise SceneError(f"{product.name} is {level}; get its complete L2A product")
    metadata = ProductMetadata(files["MTD_MSIL2A.xml"], product / "MTD_MSIL2A.xml")
    images = _images(product.name, files)
    scales = metadata.scales(product.name, [code for code in COMMON_NAMES if images[code]])
    bands = {
        COMMON_NAMES[code]: replace(images[code], scale=scale, offset=offset)
        for code, (scale, offset) in scales.items()
    }
    require(product.name, bands, images["SCL"] is not None)
    tile = re.search(r"_T(\d\d[A-Z]{3})_", product.name)
    return Scene(
        id=product.name.removesuffix(".zip").removesuffix(".SAFE"),
        sensor=SENSOR,
        taken=metadata.taken,
        bands=bands,
        quality=images["SCL"],
        rule=SCENE_CLASSIFICATION,
        origin=metadata.origin,
        product=PRODUCT,
        platform=(metadata.root.findtext(".//SPACECRAFT_NAME") or "").lower(),
        tile=tile[1] if tile else "",
        cloud_percent=number_or_none(metadata.root.findtext(".//Cloud_Coverage_Assessment")),
    )


class ProductMetadata:
    """What the MTD_MSIL2A.xml at ``place`` says; ``root`` is all of it. Raises SceneError for what cannot be read."""

    def __init__(self, file: Band, place: Path) -> None:
        try:
            self.root = _xml(file)
            self.quantification = float(_text(self.root, *QUANTIFICATION))
            if not self.quantification > 0:
                raise ValueError(f"BOA_QUANTIFICATION_VALUE is {self.quantification:g}")
            self.offsets = {e.get("band_id"): float(e.text) for e in self.root.iter("BOA_ADD_OFFSET")}
            self.baseline = _text(self.root, "PROCESSING_BASELINE")
            self.carries_offset = float(self.baseline) >= OFFSET_BASELINE
            self.taken = datetime.fromisoformat(_text(self.root, "PRODUCT_START_TIME"))
        except (OSError, ValueError, TypeError) as error:
            raise SceneError(f"{place}: cannot be read ({error}); get the product again") from error
        self.origin = f"MTD_MSIL2A.xml baseline {self.baseline}"

    def scales(self, product: str, codes: list[str]) -> dict[str, tuple[float, float]]:
        """(scale, offset) of each band that turn the product's values into reflectance. Raises SceneError."""
        missing = [code for code in codes if BAND_IDS[code] not in self.offsets]
        if self.carries_offset and missing:
            raise SceneError(
                f"{product} has baseline {self.baseline} but no BOA_ADD_OFFSET of {', '.join(missing)}; "
                "get its metadata again"
            )
        offsets = {code: self.offsets.get(BAND_IDS[code], 0) for code in codes}
        return {code: (1 / self.quantification, offset / self.quantification) for code, offset in offsets.items()}


def _safe_files(product: Path) -> dict[str, Band]:
    """The files of a .SAFE folder or zip by their path within it, with what its manifest says of them. Raises
    SceneError for an unreadable folder or zip."""
    try:
        if product.is_dir():
            files = {path.relative_to(product).as_posix(): Band(str(path)) for path in sorted(product.rglob("*.*"))}
        else:
            with ZipFile(product) as archive:
                files = {name: Band(str(product), member=name) for name in sorted(archive.namelist())}
    except (OSError, BadZipFile) as error:
        mend = too_long(product) or "get the product again"
        raise SceneError(f"{product}: cannot be read ({error}); {mend}") from error
    # a zip holds the .SAFE folder, and so does the folder of that name which Windows unpacks it into
    return _with_digests({name.rpartition(".SAFE/")[2]: file for name, file in files.items()})


def _images(product: str, files: dict[str, Band]) -> dict[str, Band | None]:
    """The image of each band, None where it is missing. Raises SceneError for images of several products."""
    found = {code: [name for name in files if name.endswith(f"_{code}_{resolution}.jp2")]
             for code, resolution in NATIVE_RESOLUTION.items()}  # fmt: skip
    if double := next((code for code, names in found.items() if len(names) > 1), None):
        raise SceneError(f"{product} holds {len(found[double])} images of {double}; get the product again")
    starts = {name.rpartition("/")[2].partition(f"_{code}_")[0] for code, names in found.items() for name in names}
    if len(starts) > 1:
        raise SceneError(f"{product} holds images of several products ({', '.join(sorted(starts))}); get it again")
    return {code: files[names[0]] if names else None for code, names in found.items()}


def _with_digests(files: dict[str, Band]) -> dict[str, Band]:
    """The files with the digests that manifest.safe gives of them; unchanged if it gives no known digest."""
    try:
        root = _xml(files["manifest.safe"])
    except (KeyError, OSError, ValueError):
        return files
    found = {}
    for stream in root.iter("byteStream"):
        place, checksum = stream.find("fileLocation"), stream.find("checksum")
        if place is not None and checksum is not None and checksum.text:
            algorithm = checksum.get("checksumName", "").lower().replace("-", "_")
            if algorithm in DIGESTS:
                found[place.get("href", "").removeprefix("./")] = f"{algorithm}:{checksum.text.strip().lower()}"
    return {name: replace(file, digest=found.get(name, "")) for name, file in files.items()}


def _xml(file: Band) -> Element:
    """The XML in a file, which may lie in a zip. Raises OSError, and ValueError for what is damaged, or too large."""
    try:
        with opened(file) as stream:
            # a few megabytes of a zip may unpack to more than any memory
            content = stream.read(MAX_XML_BYTES + 1)
        if len(content) > MAX_XML_BYTES:
            raise ValueError(f"it is larger than {MAX_XML_BYTES >> 20} MiB, as no product's metadata is")
        return fromstring(content)
    except (*DAMAGED, ParseError, LookupError) as error:  # LookupError is an unknown encoding
        raise ValueError(str(error)) from error


def require(scene: str, bands: dict, has_quality: bool) -> None:
    """Raises SceneError where red, nir or the scene classification is missing."""
    missing = [name for name in ("red", "nir") if name not in bands] + ([] if has_quality else ["SCL"])
    if missing:
        raise SceneError(f"scene {scene} lacks {', '.join(missing)}; download these files beside the item or metadata")


def _text(root: Element, *tags: str) -> str:
    """The text of the first of ``tags`` that there is. Raises ValueError where there is none."""
    if text := next((found for tag in tags if (found := root.findtext(f".//{tag}"))), None):
        return text
    raise ValueError(f"no {tags[0]}")
