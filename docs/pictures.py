"""Draw the picture of a map sheet for the README from the results of the sample run (``make zones`` first)."""

import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parent.parent
SHEET = ROOT / "out" / "sample" / "zones" / "F05" / "F05_sheet.png"
WIDTH = 1400


def main() -> None:
    if not SHEET.is_file():
        sys.exit(f"{SHEET}: no sheet is there; run `make zones` first")
    with Image.open(SHEET) as sheet:
        small = sheet.convert("RGB").resize(
            (WIDTH, round(WIDTH * sheet.height / sheet.width)), Image.Resampling.LANCZOS
        )
    # of 256 colours by the widest cover: rare ones, such as a class of the map, stay what they are
    small = small.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small.save(ROOT / "docs" / "sheet.png", optimize=True)


if __name__ == "__main__":
    main()
