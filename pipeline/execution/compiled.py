"""`njit` of numba for the loops of this package, cached between runs for exactly the code they were compiled from.

To see whether a compiled loop is still valid, numba checks only the file that contains it. Loops of this package call
loops and use constants of other files: after a change there numba would go on with the old numbers.
"""

from hashlib import sha256
from pathlib import Path

from numba import config, njit

__all__ = ["njit"]

SOURCES = (
    "blocks", "compositing/bright_soil", "compositing/composite", "mapping/encoding", "compositing/indices",
    "compositing/median", "compositing/shadow", "outputs/cog", "mapping/regions", "scenes/quality", "stock/sketch",
    "variables", "mapping/zone_pixels",
)  # fmt: skip
"""Where the loops and the constants in them are written."""

PACKAGE = Path(__file__).parents[1]


def cache_folder(package: Path = PACKAGE) -> Path:
    """Where the loops are kept that were compiled from the present sources."""
    digest = sha256()
    for name in SOURCES:
        digest.update((package / name).with_suffix(".py").read_bytes())
    return package / "__pycache__" / f"loops-{digest.hexdigest()[:16]}"


if not config.CACHE_DIR:  # NUMBA_CACHE_DIR; where the package cannot be written to, numba looks for another place
    config.CACHE_DIR = str(cache_folder())
