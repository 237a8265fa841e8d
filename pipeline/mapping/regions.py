"""Regions of one class on a grid, and the merging of those below a minimum size into their neighbours. Pure."""

from dataclasses import dataclass

import numpy as np

from pipeline.execution.compiled import njit

OUTSIDE = 0
"""Code of what belongs to no region."""


@njit(nogil=True, cache=True)
def label_regions(codes):
    """Number of each cell's region, int32, and their count: cells of one code that share an edge form one region,
    numbered from 1 along the rows; 0 outside. ``codes`` (rows, columns) uint8."""
    height, width = codes.shape
    labels = np.zeros((height, width), np.int32)
    parent = np.zeros(height * width // 2 + width + 2, np.int32)
    count = 0
    for y in range(height):
        for x in range(width):
            code = codes[y, x]
            if code == OUTSIDE:
                continue
            above = labels[y - 1, x] if y and codes[y - 1, x] == code else 0
            left = labels[y, x - 1] if x and codes[y, x - 1] == code else 0
            if above and left:
                labels[y, x] = _unite(parent, above, left)
            elif above or left:
                labels[y, x] = max(above, left)
            else:
                count += 1
                if count == parent.size:
                    parent = np.append(parent, np.zeros(parent.size, np.int32))
                parent[count] = count
                labels[y, x] = count
    number = np.zeros(count + 1, np.int32)
    found = 0
    for y in range(height):
        for x in range(width):
            if labels[y, x]:
                root = _root(parent, labels[y, x])
                if number[root] == 0:
                    found += 1
                    number[root] = found
                labels[y, x] = number[root]
    return labels, found


@njit(nogil=True, cache=True)
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(nogil=True, cache=True)
def _unite(parent, i, j):
    """Unite both under the lower root, which is returned."""
    i, j = _root(parent, i), _root(parent, j)
    low, high = min(i, j), max(i, j)
    parent[high] = low
    return low


@njit(nogil=True, cache=True)
def _groups(count, pairs):
    """Group of each of ``count`` regions after all pairs (m, 2) are united, and their count."""
    parent = np.arange(count).astype(np.int32)
    for k in range(pairs.shape[0]):
        _unite(parent, pairs[k, 0], pairs[k, 1])
    number = np.zeros(count, np.int32)
    found = 0
    for i in range(count):
        root = _root(parent, i)
        if root == i:  # the lowest of its group
            number[i] = found
            found += 1
        else:
            number[i] = number[root]
    return number, found


@dataclass(frozen=True)
class RegionGraph:
    """Regions as a graph: ``area`` and ``code`` (n,) of each, and the ``pairs`` (m, 2) that share a border with its
    ``length`` (m,) in cell edges, each pair once."""

    area: np.ndarray
    code: np.ndarray
    pairs: np.ndarray
    length: np.ndarray

    def merged(self, pairs: np.ndarray) -> tuple["RegionGraph", np.ndarray]:
        """The graph with the regions of each pair merged, and the new number of each region. A merged region has the
        code with the largest area in it (the lowest if areas are equal)."""
        number, count = _groups(self.area.size, pairs)
        kinds, kind_of = np.unique(number.astype("int64") * 256 + self.code, return_inverse=True)
        weight = np.bincount(kind_of, self.area)
        order = np.lexsort((kinds, -weight, kinds // 256))
        code = (kinds[order] % 256).astype("uint8")[np.unique(kinds[order] // 256, return_index=True)[1]]
        keys = _pair_keys(*number[self.pairs.T], count)
        apart = np.flatnonzero(number[self.pairs[:, 0]] != number[self.pairs[:, 1]])
        keys, length = keys[apart], self.length[apart]
        order = np.argsort(keys)
        keys, length = keys[order], length[order]
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        length = np.add.reduceat(length, first, dtype="int32")
        return RegionGraph(np.bincount(number, self.area), code, _pairs_of(keys[first], count), length), number

    def alike(self) -> np.ndarray:
        """The pairs of neighbours that have the same code."""
        return self.pairs[self.code[self.pairs[:, 0]] == self.code[self.pairs[:, 1]]]

    def choices(self, minimum: float) -> np.ndarray:
        """Each region below ``minimum`` with the neighbour that it shares the longest border with (the largest, then
        the first, of equals)."""
        neighbour = _longest_borders(self.area, self.pairs, self.length, minimum)
        small = np.flatnonzero(neighbour >= 0).astype("int32")
        return np.stack([small, neighbour[small]], axis=1)


@njit(nogil=True, cache=True)
def _longest_borders(area, pairs, length, minimum):
    """Of each region below ``minimum`` the neighbour of `RegionGraph.choices`; -1 of the others, and where none is."""
    neighbour = np.full(area.size, -1, np.int32)
    longest = np.zeros(area.size, np.int32)
    for k in range(length.size):
        for side in range(2):
            region, other = pairs[k, side], pairs[k, 1 - side]
            if area[region] >= minimum or length[k] < longest[region]:
                continue
            best = neighbour[region]
            if length[k] > longest[region] or area[other] > area[best] or (area[other] == area[best] and other < best):
                neighbour[region], longest[region] = other, length[k]
    return neighbour


def region_graph(labels: np.ndarray, count: int, codes: np.ndarray, weights: np.ndarray) -> RegionGraph:
    """The graph of the regions 1..count of `label_regions`, numbered from 0; ``weights`` are areas of the cells."""
    inside = labels > 0
    area = np.bincount(labels[inside] - 1, weights[inside], minlength=count)
    code = np.zeros(count, "uint8")
    code[labels[inside] - 1] = codes[inside]
    borders = []
    for one, other in ((labels[:, 1:], labels[:, :-1]), (labels[1:], labels[:-1])):
        border = (one != other) & (one > 0) & (other > 0)
        borders.append(_pair_keys(one[border] - 1, other[border] - 1, count))
    keys, length = np.unique(np.concatenate(borders), return_counts=True)
    return RegionGraph(area, code, _pairs_of(keys, count), length.astype("int32"))


def _pair_keys(one: np.ndarray, other: np.ndarray, count: int) -> np.ndarray:
    """One number (int64) for each pair of ``count`` regions, the same from either side."""
    keys = np.minimum(one, other).astype("int64")
    keys *= count
    keys += np.maximum(one, other)
    return keys


def _pairs_of(keys: np.ndarray, count: int) -> np.ndarray:
    """The pairs (m, 2) of `_pair_keys`, the lower region first."""
    pairs = np.empty((keys.size, 2), "int32")
    np.floor_divide(keys, max(count, 1), out=pairs[:, 0], casting="unsafe")
    np.remainder(keys, max(count, 1), out=pairs[:, 1], casting="unsafe")
    return pairs


def merge_small_regions(codes: np.ndarray, weights: np.ndarray, minimum: float) -> tuple[np.ndarray, np.ndarray]:
    """Region of each cell (int32 from 1, 0 outside) and code of each region (n,), none smaller than ``minimum`` unless
    it has no neighbour.

    ``codes`` (rows, columns) uint8, 0 outside; ``weights`` the area of each cell that counts. A region that is too
    small joins the neighbour with the longest common border, the smallest first (sizes doubling up to the minimum), so
    that scattered cells join to form the class that is most frequent among them.
    """
    labels, count = label_regions(codes)
    if count == 0:
        return labels, np.empty(0, "int64")
    graph = region_graph(labels, count, codes, weights)
    number = np.arange(count, dtype="int32")
    steps = max(int(np.ceil(np.log2(minimum / graph.area.min()))), 0) if graph.area.min() > 0 else 16
    for size in minimum / 2.0 ** np.arange(min(steps, 16), -1, -1):
        while len(pairs := np.concatenate([graph.choices(size), graph.alike()])):
            graph, step = graph.merged(pairs)
            number = step[number]
    return np.concatenate([[0], number + 1]).astype("int32")[labels], graph.code
