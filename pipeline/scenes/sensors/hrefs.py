"""Where the files of a STAC item are."""

import os
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname


def local_file(href: str, folder: Path) -> Path | None:
    """The file behind an href, relative ones from ``folder``; None for a remote one, as pixels come from disk, and for
    what is no address."""
    try:
        parts = urlparse(href)
    except ValueError:
        return None
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return None if len(parts.scheme) > 1 else Path(os.path.normpath(folder / href))
