"""Where the files of a STAC item are."""

import os
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname


def local_file(href: str, folder: Path) -> Path | None:
    """The file behind an href, relative ones from ``folder``; None for a remote one, as pixels come from disk, for what
    is no address, and where there is no such file."""
    try:
        parts = urlparse(href)
    except ValueError:
        return None
    if len(parts.scheme) > 1 and parts.scheme != "file":
        return None
    file = url2pathname(parts.path) if parts.scheme == "file" else os.path.normpath(folder / href)
    return Path(file) if os.path.isfile(file) else None  # pathlib raises for a name that is too long
