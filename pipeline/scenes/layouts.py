"""Scenes found in a folder of whatever the staff were given: each product is recognised by its layout."""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from pathlib import Path

import pystac

from pipeline.errors import ConfigError, SceneError
from pipeline.scenes.scene import Scene
from pipeline.scenes.sensors import hls, landsat, vegetation_index
from pipeline.scenes.sensors.declared import MANIFEST, scenes_of_manifest
from pipeline.scenes.sensors.metadata import local_file
from pipeline.scenes.sensors.sentinel2 import scene_from_safe
from pipeline.scenes.sensors.sentinel2_item import scene_from_item

Candidate = tuple[str, Callable[[], Scene]]
"""Name of something that looks like a scene, and its reader."""

SAFE_ZIP = re.compile(r"S2\w_MSIL\d\w_.*\.zip", re.IGNORECASE)
LANDSAT_TAR = re.compile(r"L[COTEM]0\d_.*\.tar(\.gz)?", re.IGNORECASE)
KEY_FILES = (
    (landsat.MTL_NAME, landsat.BAND_NAME, "_MTL.txt"),
    (hls.FILE_NAME, hls.BAND_NAME, ".Fmask.tif"),
)
"""Patterns for the file that announces a scene and for its bands, and the suffix of the former; both begin with the
scene's name."""

IMAGES = (".tif", ".tiff", ".jp2")
HDF = (".hdf", ".h5")
DELIVERED = (*IMAGES, *HDF, ".img", ".zip", ".tar", ".gz", ".rar")
"""Suffixes of the files in which products are delivered."""


def candidates(path: Path) -> Iterator[Candidate]:
    """Everything at or under ``path`` that looks like a scene, in a fixed order. Raises SceneError where there is no
    such path."""
    if not path.exists():
        raise SceneError(
            f"{path}: there is no such scene folder, catalogue or manifest; correct scenes.path or the path given"
        )
    if path.name.endswith(".SAFE") or SAFE_ZIP.fullmatch(path.name):
        yield from _products(path.parent, [path.name])
        return
    if path.is_file():
        yield from scenes_of_manifest(path) if path.suffix in (".yaml", ".yml") else _items(path)
        return
    folders = list(_folders(path))
    for folder, files in folders:
        yield from _products(folder, files)
    yield from _bands_alone(folders)
    if (path / "catalog.json").is_file():
        yield from _items(path / "catalog.json")
    else:
        yield from _item_files([folder / name for folder, files in folders for name in files])


def _folders(path: Path) -> Iterator[tuple[Path, list[str]]]:
    """``path`` and the folders below it, each with the names in it, sorted; a .SAFE folder is taken as one name. Links
    to folders are followed; a folder that is reached a second time, for instance through a link to a parent, is
    skipped."""
    seen = set()
    for folder, subfolders, files in os.walk(path, followlinks=True):
        if (place := os.path.realpath(folder)) in seen:
            subfolders.clear()
            continue
        seen.add(place)
        products = [name for name in subfolders if name.endswith(".SAFE")]
        subfolders[:] = sorted(set(subfolders) - set(products))
        yield Path(folder), sorted(files + products)


def _products(folder: Path, files: list[str]) -> Iterator[Candidate]:
    """The scenes that the file names in a folder show."""
    metadata: dict[str, Path] = {}
    granules = vegetation_index.granules_of(files)
    for name in files:
        path = folder / name
        if name == MANIFEST:
            yield from _declared(path)
        elif name.endswith(".SAFE") or SAFE_ZIP.fullmatch(name):
            yield name, partial(scene_from_safe, path)
        elif LANDSAT_TAR.fullmatch(name):
            yield name, partial(_refuse, f"{path}: is an archive; unpack it into a folder")
        elif match := landsat.MTL_NAME.fullmatch(name):
            metadata.setdefault(match[1], path)
        elif hls.FILE_NAME.fullmatch(name):
            yield name.removesuffix(".Fmask.tif"), partial(hls.scene_from_hls, path)
        elif vegetation_index.NAME.match(name):
            yield from _vegetation_index(path, granules)
    for scene, path in metadata.items():
        yield scene, partial(landsat.scene_from_mtl, path)
    for name in vegetation_index.without_ndvi(granules):
        yield name, partial(vegetation_index.scene_from_tifs, folder / name, granules)  # which says what it lacks


def _bands_alone(folders: list[tuple[Path, list[str]]]) -> Iterator[Candidate]:
    """Bands of Landsat and HLS without their MTL or Fmask. Left out are those that an item beside them, a file of items
    or a manifest in a folder above may describe."""
    declared = {folder for folder, files in folders if MANIFEST in files}
    names = dict(folders)

    @cache  # a folder above is asked for each of the scenes below it
    def has_items(folder: Path) -> bool:
        return any(_is_collection(folder / name) for name in names.get(folder, ()))

    for folder, files in folders:
        if declared & {folder, *folder.parents}:
            continue
        if any(name.endswith(".json") and not landsat.MTL_NAME.fullmatch(name) for name in files):
            continue
        for main, bands, ending in KEY_FILES:
            described = {match[1] for name in files if (match := main.fullmatch(name))}
            for scene in dict.fromkeys(match[1] for name in files if (match := bands.fullmatch(name))):
                if scene not in described and not any(map(has_items, folder.parents)):
                    lacking = f"the bands of {scene} have no {scene}{ending} beside them"
                    yield scene, partial(_refuse, f"{folder}: {lacking}; get the product again")


def _is_collection(file: Path) -> bool:
    """Whether a file holds several items, which may lie in other folders."""
    with suppress(OSError, ValueError):
        return file.suffix == ".json" and "features" in (content := _read_json(file)) and bool(_items_in(content))
    return False


def unknown(path: Path) -> Iterator[tuple[Path, list[str]]]:
    """Folders at or under ``path`` with the images and archives in them that belong to no known product, and that no
    manifest and no item there or above may describe."""
    folders = list(_folders(path))
    described = {folder for folder, files in folders if any(_describes(folder / name) for name in files)}
    for folder, files in folders:
        if described & {folder, *folder.parents}:
            continue
        products = tuple(name for name, _ in _products(folder, files))
        strange = [name for name in files if Path(name).suffix.lower() in DELIVERED and not name.startswith(products)
                   and not any(bands.fullmatch(name) for _, bands, _ in KEY_FILES) and not _is_layer(name)]  # fmt: skip
        if strange:
            yield folder, strange


def _is_layer(name: str) -> bool:
    """Whether a file is a layer of a vegetation index that a scene does not need; an archive of layers is not."""
    return bool(vegetation_index.NAME.match(name)) and Path(name).suffix.lower() in (*IMAGES, *HDF)


def _describes(file: Path) -> bool:
    """Whether a file may say what other files are: a manifest, an item, several or a catalogue."""
    if file.suffix != ".json" or _is_of_other_product(file):
        return file.name == MANIFEST
    with suppress(OSError, ValueError):
        return "stac_version" in (content := _read_json(file)) or bool(_items_in(content))
    return False


def _declared(manifest: Path) -> Iterator[Candidate]:
    """The scenes of a manifest among other products; a faulty manifest is refused without affecting these."""
    try:
        yield from list(scenes_of_manifest(manifest))
    except (ConfigError, SceneError) as error:
        yield str(manifest), partial(_refuse, str(error))


def _vegetation_index(path: Path, granules: dict[str, dict[str, str]]) -> Iterator[Candidate]:
    """The scene of a file; a GeoTIFF that has to be opened to see whether it is one, and does not open, is refused."""
    try:
        if path.suffix.lower() in HDF:
            yield path.name, partial(vegetation_index.scene_from_hdf, path)
        elif path.suffix.lower() in (".tif", ".tiff") and vegetation_index.is_main_tif(path):
            yield path.name, partial(vegetation_index.scene_from_tifs, path, granules)
    except SceneError as error:
        yield path.name, partial(_refuse, str(error))


def _refuse(sentence: str) -> Scene:
    raise SceneError(sentence)


def _items(file: Path) -> Iterator[Candidate]:
    """One STAC item, or several in one file, or the items linked by a catalogue, or, if the catalogue links none, the
    items in the folders below it (a copied subset)."""
    with suppress(OSError, ValueError):  # told of below
        if found := _items_in(_read_json(file)):
            yield from (_item(content, file) for content in found)
            return
    items, damaged = _linked_items(file)
    for child in damaged:
        yield str(child), partial(_refuse, f"{child}: is not a STAC catalogue; get it again")
    yield from _item_files(items or sorted(folder / name for folder, names in _folders(file.parent) for name in names))


def _item_files(files: list[Path]) -> Iterator[Candidate]:
    for file in files:
        if file.suffix != ".json" or _is_of_other_product(file):
            continue
        try:
            content = _read_json(file)
        except (OSError, ValueError) as error:
            if _has_images_beside(file):
                sentence = f"{file}: cannot be read as JSON ({error}); get the product again"
                yield file.name, partial(_refuse, sentence)
            continue
        found = _items_in(content)
        if found != [content]:  # the answer to a search, which may have been saved before anything was downloaded
            found = [item for item in found if _is_downloaded(item, file.parent)]
        yield from (_item(item, file) for item in found)


def _items_in(content: dict) -> list[dict]:
    """The STAC items that a JSON object is or holds: an ItemCollection is a GeoJSON FeatureCollection of items."""
    features = content.get("features") if content.get("type") == "FeatureCollection" else [content]
    found = [feature for feature in features if isinstance(feature, dict)] if isinstance(features, list) else []
    return [feature for feature in found if feature.get("type") == "Feature" and "stac_version" in feature]


def _is_downloaded(item: dict, folder: Path) -> bool:
    """Whether any file of an item is on disk."""
    assets = item.get("assets")
    found = [asset for asset in assets.values() if isinstance(asset, dict)] if isinstance(assets, dict) else []
    return any(isinstance(href := asset.get("href"), str) and local_file(href, folder) for asset in found)


def _item(content: dict, file: Path) -> Candidate:
    return str(content.get("id", file.name)), partial(_scene, content, file)


def _is_of_other_product(file: Path) -> bool:
    """Whether a JSON file belongs to a product that is known by other files."""
    in_safe = any(parent.suffix == ".SAFE" for parent in file.parents)
    return in_safe or landsat.MTL_NAME.fullmatch(file.name) is not None or _stands_beside_product(file)


def _has_images_beside(file: Path) -> bool:
    return any(other.suffix.lower() in IMAGES for other in file.parent.iterdir())


def _stands_beside_product(file: Path) -> bool:
    """Whether a STAC item describes a product of Landsat or HLS that is known by what lies beside it."""
    product = re.sub(r"(_SR|_ST)?_stac\.json$", "", file.name)
    described = (*(f"{product}_MTL.{kind}" for kind in landsat.MTL_KINDS), f"{product}.Fmask.tif")
    return product != file.name and any(file.with_name(name).exists() for name in described)


def _scene(content: dict, file: Path) -> Scene:
    try:
        item = pystac.Item.from_dict(content, preserve_dict=False)
        if hls.GRANULE.match(item.id):
            raise SceneError(
                f"scene {item.id} is an item of HLS, which is read by its files; put its bands and Fmask in a folder"
            )
        read = landsat.scene_from_landsat_item if landsat.is_landsat(item) else scene_from_item
        return read(item, file.parent)
    except (pystac.STACError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise SceneError(f"{file}: is not a valid STAC item ({error}); get it again") from error


def _linked_items(catalogue: Path) -> tuple[list[Path], list[Path]]:
    """Files of the items that a catalogue on disk links to, through its children, and the children that are no
    catalogues. Files that were not copied or are on a server are left out; each catalogue is read once. Raises
    SceneError if ``catalogue`` itself is none."""
    found, damaged, todo, seen = [], [], [catalogue], set()
    while todo:
        place, *todo = todo
        if place.resolve() in seen:
            continue
        seen.add(place.resolve())
        try:
            links = _read_json(place).get("links")
        except (OSError, ValueError):
            links = None
        if not isinstance(links, list):
            if place == catalogue:
                raise SceneError(f"{place}: is not a STAC catalogue or item; correct scenes.path")
            damaged.append(place)
            continue
        found += _linked(links, "item", place.parent)
        todo = _linked(links, "child", place.parent) + todo
    return found, damaged


def _linked(links: list, rel: str, folder: Path) -> list[Path]:
    """The files on disk that the links of one kind lead to."""
    hrefs = [link.get("href") for link in links if isinstance(link, dict) and link.get("rel") == rel]
    return [file for href in hrefs if isinstance(href, str) and (file := local_file(href, folder))]


def _read_json(file: Path) -> dict:
    """The object in a JSON file, empty where it holds anything else. Raises OSError and ValueError."""
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))  # editors on Windows put a BOM before it
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return content if isinstance(content, dict) else {}
