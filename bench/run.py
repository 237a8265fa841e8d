"""Measure sinkmap: how near it is to the limit, how much faster than what users write, and how much memory it takes.

    python bench/run.py [--megapixels 36] [--work DIR] [--only L,P,U,G,R,W] [--large] [--native] [--repeat N]

L  the limit: decode the blocks that touch a zone, encode the same rasters (limit.py)
P  the product, all four stages from an empty folder (product.py)
A  P again after one changed coefficient, which comes with P; E: encoding only what A wrote, which comes with L
R  reading each product against decoding the same blocks (reading.py), a line per product
U  what users write with xarray and exactextract; G: with xarray's groupby (user.py)

on a simulated 10 m job (data.py), all on the same two cores. Each contender runs in a process of its own; the clock
starts after imports, a small warm-up and a read of the inputs into the page cache. Rounds go P A L U G, P A L U G, ...
so that other load on the machine affects all alike; ratios are medians of the rounds' own ratios. On a busy machine the
ratio of CPU seconds is the steadier one, but does not show idle cores.

W, if asked for, is no contender: it counts how often the intervals contain the truth of simulated worlds (worlds.py).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent
CORES = 2
TARGETS = {"P / L": "at most 1.5", "A / E": "at most 1.3", "U / P": "at least 2", "G / P": "at least 6"}


def start(module: str, *arguments: object, **environment: str) -> dict:
    """The answer of ``python -m bench.<module>``: the JSON in its last line."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", f"bench.{module}", *map(str, arguments)],
        cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=36)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "sinkmap-bench")
    parser.add_argument("--only", default="L,P,U,G,R", help="contenders; P brings A with it, and W is apart")
    parser.add_argument("--large", action="store_true", help="also the memory of P with four times the area")
    parser.add_argument("--native", action="store_true", help="B11 and SCL at 20 m")
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    work, only = asked.work.resolve(), set(asked.only.upper().split(","))
    if "W" in only:
        subprocess.run([sys.executable, "-m", "bench.worlds"], cwd=ROOT, check=True)
    if only == {"W"}:
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    options = ["--native"] * asked.native
    name = f"{asked.megapixels:g}mp{'-native' * asked.native}"
    job, warm_up = work / name, work / "warm-up"
    start("data", job, "--megapixels", asked.megapixels, *options)
    start("data", warm_up, "--megapixels", 0.25, *options)

    found = rounds(job, warm_up, only, asked.repeat)
    for put_aside in work.glob("*/old-out-*"):
        shutil.rmtree(put_aside)
    print(f"{asked.megapixels:g} megapixels x 6 dates, {CORES} cores, {asked.repeat} rounds; median (least - most)\n")
    for contender, results in found.items():
        report(contender, results)
    print()
    for pair, target in TARGETS.items():
        if ratios := compared(found, *pair.split(" / "), "seconds"):
            cpu = median(compared(found, *pair.split(" / "), "cpu"))
            print(f"{pair}   {spread(ratios)}   of CPU {cpu:.2f}   target: {target}")
    if "P" in only:
        print(f"the first run of an installation compiles numba's kernels: {compile_seconds(work, warm_up):.1f} s more")
    if "R" in only:
        for product, ratio in start("reading", work / "products").items():
            print(f"reading {product:16} x {ratio:.2f} of decoding it   target: at most 1.2")
    if asked.large:
        large = work / f"{name}-large"
        start("data", large, "--megapixels", asked.megapixels, "--mirrored", *options)
        result = start("product", large, warm_up)
        report("P large", [result])
        normal = found["P"] if found["P"] else [start("product", job, warm_up)]
        growth = result["peak_gib"] / median(one["peak_gib"] for one in normal)
        print(f"peak memory with four times the area: x {growth:.2f}   target: at most 1.3")


def rounds(job: Path, warm_up: Path, only: set[str], repeat: int) -> dict[str, list[dict]]:
    """The answers of all contenders, a list each in the order of the rounds."""
    found = defaultdict(list)
    if "P" not in only and "L" in only:
        start("product", job, warm_up)
    for _ in range(repeat):
        changed = []
        if "P" in only:
            found["P"].append(start("product", job, warm_up))
            found["A"].append(start("product", job, warm_up, "--again"))
            changed = found["A"][-1]["rewritten"]
        if "L" in only:
            found["L"].append(start("limit", job, "--changed", *changed))
            if changed:
                found["E"].append(found["L"][-1]["changed"])
        if "U" in only:
            found["U"].append(start("user", job, "exactextract"))
        if "G" in only:
            found["G"].append(start("user", job, "groupby"))
    return found


def compared(found: dict[str, list[dict]], a: str, b: str, key: str) -> list[float]:
    """Ratios of a to b, round by round."""
    return [one[key] / other[key] for one, other in zip(found[a], found[b], strict=False)]


def compile_seconds(work: Path, warm_up: Path) -> float:
    """Seconds that a first run takes longer with an empty numba cache than with a full one."""
    with tempfile.TemporaryDirectory(dir=work) as cache:
        first, second = (start("product", warm_up, warm_up, NUMBA_CACHE_DIR=cache)["warm_up"] for _ in range(2))
    return first - second


def report(contender: str, results: list[dict]) -> None:
    peak = f"peak {median(one['peak_gib'] for one in results):.2f} GiB" if "peak_gib" in results[0] else ""
    cpu = median(one["cpu"] for one in results)
    print(f"{contender:12} {spread([one['seconds'] for one in results])} s   of CPU {cpu:.2f}   {peak}")
    for stage in results[0].get("stages", {}):
        print(f"  {stage:10} {spread([one['stages'][stage] for one in results])}")


def spread(values: list[float]) -> str:
    return f"{median(values):6.2f} ({min(values):.2f} - {max(values):.2f})"


if __name__ == "__main__":
    main()
