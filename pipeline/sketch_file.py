"""The sketches of a zone in one .npz file."""

from pathlib import Path

import numpy as np

from pipeline.sketch import Sketch
from pipeline.whole_file import whole


def save_sketches(path: Path, sketches: dict[str, Sketch]) -> None:
    """Write sketches by label to an .npz file, whole or not at all."""
    parts = {
        f"{label}/{name}": np.asarray(getattr(sketch, name))
        for label, sketch in sketches.items()
        for name in ("land", "water", "clear", "size", "mosaic", "years")
        if getattr(sketch, name) is not None
    }
    with whole(path) as part, part.open("wb") as file:
        np.savez(file, **parts)


def load_sketches(path: Path) -> dict[str, Sketch]:
    """The sketches written by `save_sketches`."""
    with np.load(path) as parts:
        labels = dict.fromkeys(name.rsplit("/", 1)[0] for name in parts.files)
        return {
            label: Sketch(
                *(parts[f"{label}/{name}"] for name in ("land", "water", "clear")),
                float(parts[f"{label}/size"]),
                *(parts[name] if (name := f"{label}/{own}") in parts.files else None for own in ("mosaic", "years")),
            )
            for label in labels
        }


def holds_shrub(path: Path) -> bool:
    """Whether a sketch of the file has a mosaic; no where there is no file."""
    if not path.is_file():
        return False
    with np.load(path) as parts:
        return any(name.endswith("/mosaic") for name in parts.files)
