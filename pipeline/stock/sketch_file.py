"""The sketches of a zone in one .npz file."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from pipeline.errors import OutputError
from pipeline.execution.whole_file import whole
from pipeline.stock.sketch import Sketch


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
    """The sketches written by `save_sketches`. Raises OutputError for a file that is gone or damaged."""
    try:
        with np.load(path) as file:
            parts = dict(file)
        labels = dict.fromkeys(name.rsplit("/", 1)[0] for name in parts)
        return {
            label: Sketch(
                *(parts[f"{label}/{name}"] for name in ("land", "water", "clear")),
                float(parts[f"{label}/size"]),
                *(parts.get(f"{label}/{own}") for own in ("mosaic", "years")),
            )
            for label in labels
        }
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        raise OutputError(f"{path}: the sketch is gone or damaged; delete it and run `sinkmap zones` again") from error
