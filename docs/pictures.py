"""Draw the pictures of sheets for the README from the results of the sample run (``make zones`` first)."""

import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parent.parent
RUN = ROOT / "out" / "sample"
SHEETS = {"sheet.png": RUN / "zones" / "F05" / "F05_sheet.png", "monitoring.png": RUN / "monitoring.png"}
"""Pictures in docs/ and the sheets that they show."""
WIDTH = 1400


def main() -> None:
    for picture, path in SHEETS.items():
        if not path.is_file():
            sys.exit(f"{path}: no sheet is there; run `make zones` first")
        draw(path, ROOT / "docs" / picture)


def draw(path: Path, picture: Path) -> None:
    """A sheet on 1400 pixels."""
    with Image.open(path) as sheet:
        small = sheet.convert("RGB").resize(
            (WIDTH, round(WIDTH * sheet.height / sheet.width)), Image.Resampling.LANCZOS
        )
    # of 256 colours, refined until rare ones, such as a class of the map, stay what they are
    small = small.quantize(256, Image.Quantize.MEDIANCUT, kmeans=4, dither=Image.Dither.NONE)
    small.save(picture, optimize=True)


if __name__ == "__main__":
    main()
