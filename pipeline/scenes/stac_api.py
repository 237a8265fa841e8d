"""Ask a STAC API for scenes, once: its answer is kept with the run, so that a rerun sends no request and reads the same
scenes.

Each answer has a folder of its own for its items. The downloaded pixels are kept beside these folders and shared by all
answers, so that another year or a moved boundary downloads nothing again.
"""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlparse

import pystac
import requests
from pyproj import Transformer
from pystac_client import Client
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO

from pipeline.errors import SceneError
from pipeline.execution.json_file import read_json, write_json
from pipeline.execution.provenance import content_key
from pipeline.execution.whole_file import whole
from pipeline.scenes.season import Season
from pipeline.scenes.sensors.metadata import number_or_none
from pipeline.scenes.sensors.sentinel2_item import PRODUCT_METADATA

ASSETS = {
    "red": ("red", "B04", "B04_10m"),
    "nir": ("nir", "B08", "B08_10m", "nir08"),
    "nir08": ("nir08", "B8A", "B8A_20m"),
    "swir16": ("swir16", "B11", "B11_20m"),
}
"""Names of a band among the assets of the products; the first that an item has is used."""

QUALITY = frozenset(("scl", "SCL", "SCL_20m", "qa_pixel", "qa_radsat"))
"""Quality layers, fetched whatever the bands."""

TIMEOUT_S = (10.0, 60.0)
"""Timeouts to connect, and between two pieces of an answer, s."""

HTTP = ("http", "https")

GONE = (404, 410)
"""HTTP status for a file that the server does not have: asking again does not help."""

CLOSED = (401, 403, 409)
"""HTTP status for a file that needs an account or a signed address."""

BY_HAND = "download them with that catalogue's own tools and name their folder as scenes.path (docs/data.md)"

NO_STAC = (
    pystac.STACError, pystac.STACTypeError, KeyError, ValueError, TypeError, AttributeError, RecursionError,
)  # fmt: skip
"""What pystac raises for an answer that is no valid STAC."""

ASKED = "search.json"
"""File with the search, written when the answer is complete."""

PIXELS = "pixels"
"""Folder of the downloaded assets, below the cache."""

PIECE = 1 << 20

PAGE = 100
"""Items that are asked for at a time."""


@dataclass(frozen=True)
class Search:
    """What is asked for: items of ``collections`` at the API's ``url`` that meet ``bbox`` (west, south, east, north in
    degrees), in the season of the years, with less than ``cloud_below`` percent of cloud as they state it (None: any).
    Only ``bands`` and quality layers are fetched."""

    url: str
    collections: tuple[str, ...]
    bbox: tuple[float, float, float, float]
    years: tuple[int, ...]
    season: Season
    cloud_below: float | None = None
    bands: tuple[str, ...] = ("red", "nir")


def in_degrees(bounds: Sequence[float], crs: str) -> tuple[float, float, float, float]:
    """West, south, east, north in degrees of bounds (left, bottom, right, top) in ``crs``, to a tenth of a metre."""
    to_degrees = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    return tuple(round(float(edge), 6) for edge in to_degrees.transform_bounds(*bounds))


def fetch_items(search: Search, cache: Path, remote: bool) -> Path:
    """The folder below ``cache`` that holds the answer as STAC items, asked for only where it is not there yet.

    Assets on disk are used where they lie. With ``remote``, those that a server holds are downloaded, where no other
    answer below ``cache`` has done so; without it they are refused. One that the server does not hold keeps its href,
    so that its scene lacks it. Delete the folder to ask again, and ``cache`` to download again, too. Raises SceneError
    where the API does not answer, finds nothing, or has pixels that may not or cannot be fetched.
    """
    folder = cache / content_key(asdict(search))
    if read_json(folder / ASKED) == json.loads(json.dumps(asdict(search))):
        return folder
    if folder.exists():  # an incomplete answer, perhaps to another search
        shutil.rmtree(folder)
    try:
        items = _ask(search)
        if not items:
            raise SceneError(f"{search.url}: has no scene of {', '.join(search.collections)} there; widen scenes.api")
        held = False
        for item in items:
            # an item that was issued again has other properties, and may have other pixels
            issue = content_key(search.url, item.collection_id, item.properties)[:16]
            name = _one_name(item.id)
            held |= _keep(item, search.bands, folder / name, cache / PIXELS / f"{name}-{issue}", remote)
        if not held:  # private storage answers an address without a signature as if the file were not there
            raise SceneError(
                f"{search.url}: none of its pixels is where its items say; where they take an account or a signed "
                f"address, {BY_HAND}"
            )
    except (APIError, requests.RequestException, *NO_STAC) as error:
        raise SceneError(
            f"{search.url}: the STAC API cannot be read ({error}); check scenes.api and the network, then run again"
        ) from error
    write_json(folder / ASKED, asdict(search))
    return folder


def _ask(search: Search) -> list[pystac.Item]:
    """The items by id, each once, from all pages of the answer."""
    client = Client.open(search.url, stac_io=StacApiIO(timeout=TIMEOUT_S, max_retries=2))
    # an API need not answer POST; where it does, long searches fit
    methods = {link.extra_fields.get("method", "GET") for link in client.get_links("search")}
    method = "POST" if "POST" in methods else "GET"
    found = {}
    for year in search.years:
        # a day more on both sides: the local day may begin in the day before of UTC
        (first, last), day = search.season.ends(year), timedelta(days=1)
        asked = client.search(
            method=method, collections=list(search.collections), bbox=search.bbox,
            datetime=f"{first - day}/{last + day}", limit=PAGE,
        )  # fmt: skip
        seen: set[tuple[str | None, str]] = set()
        again = 0
        for item in asked.items():
            again = again + 1 if (item.collection_id, item.id) in seen else 0
            seen.add((item.collection_id, item.id))
            if again > PAGE:  # the last page links to an earlier one
                raise SceneError(f"{search.url}: lists the same scenes again and again without an end; {BY_HAND}")
            # asked here and not of the server: its query would drop the items that do not tell their cloud
            cloud = number_or_none(item.properties.get("eo:cloud_cover"))
            if search.cloud_below is None or cloud is None or cloud < search.cloud_below:
                found[item.id] = item
    return [found[key] for key in sorted(found)]


def _keep(item: pystac.Item, bands: tuple[str, ...], folder: Path, pixels: Path, remote: bool) -> bool:
    """Store an item in ``folder`` with the assets of ``bands``, `QUALITY` and `PRODUCT_METADATA` alone, with hrefs to
    files on disk; assets on a server are downloaded to ``pixels``. Returns whether any pixels are available."""
    folder.mkdir(parents=True, exist_ok=True)
    item.make_asset_hrefs_absolute()
    content = item.to_dict(include_self_link=False, transform_hrefs=False)
    content["links"] = []
    names = {next((name for name in ASSETS[band] if name in content["assets"]), None) for band in bands}
    wanted = names | QUALITY | {*PRODUCT_METADATA}
    content["assets"] = {key: asset for key, asset in content["assets"].items() if key in wanted}
    held = False
    for key, asset in content["assets"].items():
        href, is_pixels = asset["href"], key not in PRODUCT_METADATA
        scheme = urlparse(href).scheme
        here = scheme == "file" or len(scheme) < 2  # C: is a drive
        if is_pixels and not here and scheme not in HTTP:
            raise SceneError(f"scene {item.id} has its pixels at {href}, which takes an account; {BY_HAND}")
        if is_pixels and not here and not remote:
            raise SceneError(f"scene {item.id} has its pixels at {href}; set scenes.remote: true to download them")
        if remote and scheme in HTTP:
            # two assets may have one file name, told apart by folder or query alone
            file = _download(href, pixels / f"{key}_{_file_name(href)}", is_pixels)
            if file is not None:
                asset["href"] = Path(os.path.relpath(file, folder)).as_posix()
            here = file is not None
        held |= here and is_pixels
    write_json(folder / "item.json", content)
    return held


def _one_name(name: str) -> str:
    """A name from a server, if it is a plain name of a folder or file and no path. Raises SceneError."""
    if name in ("", ".", "..") or any(sign in name for sign in "/\\\0:"):
        raise SceneError(f"the STAC API names a scene or file {name!r}, which cannot name a file here; leave it out")
    return name


def _file_name(href: str) -> str:
    return _one_name(unquote(urlparse(href).path).rsplit("/", 1)[-1])


def _download(href: str, target: Path, needed: bool) -> Path | None:
    """The file behind ``href`` as ``target``, None if the server does not have it; an existing file is complete. Raises
    SceneError if it is ``needed`` and the server does not give it without an account."""
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with requests.get(href, stream=True, timeout=TIMEOUT_S) as answer:
        if answer.status_code in CLOSED and needed:
            place = href.partition("?")[0]  # behind it may be somebody's signature
            raise SceneError(f"{place}: the server gives no pixels without account or signature; {BY_HAND}")
        if answer.status_code in (*GONE, *CLOSED):
            return None
        answer.raise_for_status()
        with whole(target) as part, part.open("wb") as file:
            for piece in answer.iter_content(PIECE):
                file.write(piece)
    return target
