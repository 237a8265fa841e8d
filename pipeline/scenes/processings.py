"""Scenes that are an older processing of an acquisition of which a newer one is there, recognised by name."""

import re
from collections.abc import Iterable

PROCESSED = (
    re.compile(r"(?P<what>S2\w_MSIL2A_\d{8}T\d{6})_N(?P<version>\d{4})(?P<where>_R\d{3}_T\w{5})_\d{8}T\d{6}"),
    re.compile(r"(?P<what>L\w\d\d_L2S[PR]_\d{6}_\d{8})_(?P<version>\d{8}_\d\d)(?P<where>)_(?:T\d|RT)(?:_SR)?"),
    re.compile(r"(?P<what>(?:M[OY]D|VNP|VJ1)13\w\d\.A\d{7}\.h\d\dv\d\d)\.(?P<version>\d{3}\.\d{13})(?P<where>).*"),
)
"""Names of products by what was seen, where, and by which processing: the baseline of Sentinel-2 (two products of one
baseline are two parts of a tile), date and collection of Landsat, collection and time of MODIS and VIIRS."""


def older_processings(scenes: Iterable[str]) -> dict[str, str]:
    """For each scene that a newer processing replaces, by id, the id of the newer one: agencies reprocess their
    archives (Sentinel-2 Collection 1, MODIS 6.1), and what both show would count twice."""
    names = [(scene, name) for scene in scenes for rule in PROCESSED if (name := rule.fullmatch(scene))]
    newest: dict[tuple[str, str], tuple[str, str]] = {}
    for scene, name in names:
        acquisition = name["what"], name["where"]
        newest[acquisition] = max(newest.get(acquisition, ("", "")), (name["version"], scene))
    replaced = ((scene, name["version"], newest[name["what"], name["where"]]) for scene, name in names)
    return {scene: newer for scene, version, (latest, newer) in replaced if version != latest}
