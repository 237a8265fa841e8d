"""Merging of small regions, on grids whose answer can be seen."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.mapping.regions import label_regions, merge_small_regions, region_graph


def grid(text: str) -> np.ndarray:
    """Codes from rows of digits."""
    return np.array([[int(digit) for digit in row] for row in text.split()], "uint8")


def merged(codes: np.ndarray, minimum: float, weights: np.ndarray | None = None) -> np.ndarray:
    """Code of each cell after merging."""
    regions, code = merge_small_regions(codes, np.ones(codes.shape) if weights is None else weights, minimum)
    return np.concatenate([[0], code])[regions]


def test_cells_that_join_by_a_corner_only_are_two_regions():
    labels, count = label_regions(grid("110 001 101"))
    assert count == 3
    assert labels.tolist() == [[1, 1, 0], [0, 0, 2], [3, 0, 2]]


def test_a_region_that_closes_a_ring_is_one():
    labels, count = label_regions(grid("1111 1221 1111 2112"))
    assert (count, labels.max()) == (4, 4)
    assert (labels == 1).sum() == 12


def test_the_graph_knows_areas_codes_and_lengths_of_borders():
    codes = grid("112 113 333")
    graph = region_graph(*label_regions(codes), codes, np.full(codes.shape, 0.5))
    assert graph.area.tolist() == [2, 0.5, 2]
    assert graph.code.tolist() == [1, 2, 3]
    assert dict(zip(map(tuple, graph.pairs.tolist()), graph.length, strict=True)) == {(0, 1): 1, (0, 2): 3, (1, 2): 1}


def test_a_small_region_joins_the_neighbour_with_the_longest_border():
    assert merged(grid("1111 1221 3333"), 3).tolist() == grid("1111 1111 3333").tolist()
    assert merged(grid("1111 1221 1331 3333"), 3).tolist() == grid("1111 1111 1331 3333").tolist()


def test_of_equal_borders_the_larger_neighbour_then_the_first_takes_a_small_region():
    assert merged(grid("11123333"), 2).tolist() == grid("11133333").tolist()
    assert merged(grid("33332111"), 2).tolist() == grid("33333111").tolist()
    assert (
        merged(grid("33332111"), 2, np.array([[0.5, 0.5, 0.5, 0.5, 1, 1, 1, 1]])).tolist() == grid("33331111").tolist()
    )
    assert merged(grid("3332111"), 2).tolist() == grid("3333111").tolist()


def test_what_is_large_enough_stays():
    codes = grid("1122 1122 3333")
    assert merged(codes, 4).tolist() == codes.tolist()


def test_what_has_no_neighbour_stays_however_small():
    codes = grid("1110 0000 0020")
    assert merged(codes, 3).tolist() == codes.tolist()


def test_cells_at_the_rim_count_by_what_they_cover():
    codes, weights = grid("1122"), np.array([[1, 1, 1, 0.1]])
    assert merged(codes, 2, weights).tolist() == [[1, 1, 1, 1]]


def test_scattered_cells_gather_to_the_class_that_prevails():
    rng = np.random.default_rng(1)
    codes = np.where(rng.random((60, 120)) < np.repeat([0.2, 0.8], 60), 1, 2).astype("uint8")
    found = merged(codes, 50)
    assert (found[:, :50] == 2).mean() > 0.95
    assert (found[:, 70:] == 1).mean() > 0.95


def test_noise_is_merged_in_bounded_memory():
    """Of 4 million cells in as many regions it took 1 GB, which every worker may do at a time."""
    codes, weights = (
        np.random.default_rng(1).integers(1, 12, (400, 400)).astype("uint8"),
        np.ones((400, 400), "float32"),
    )
    merge_small_regions(codes[:9, :9], weights[:9, :9], 4)  # compiled
    tracemalloc.start()
    merge_small_regions(codes, weights, 4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 130 * codes.size


def test_nothing_is_nothing():
    regions, code = merge_small_regions(np.zeros((3, 2), "uint8"), np.zeros((3, 2)), 4)
    assert not regions.any()
    assert code.size == 0


@given(
    arrays("uint8", st.tuples(st.integers(1, 14), st.integers(1, 14)), elements=st.integers(0, 3)),
    st.floats(1, 30),
    st.integers(0, 99),
)
def test_every_region_is_large_enough_or_alone_and_no_two_alike_are_neighbours(codes, minimum, seed):
    weights = np.random.default_rng(seed).uniform(0.01, 1, codes.shape)
    regions, code = merge_small_regions(codes, weights, minimum)
    assert ((regions > 0) == (codes > 0)).all()
    assert sorted(set(regions[regions > 0])) == list(range(1, code.size + 1))
    after = np.concatenate([[0], code])[regions].astype("uint8")
    labels, count = label_regions(after)
    assert count == code.size, "each region hangs together and differs from its neighbours"
    graph = region_graph(labels, count, after, weights)
    alone = ~np.isin(np.arange(count), graph.pairs)
    assert (alone | (graph.area >= minimum - 1e-9)).all()
    assert graph.area.sum() == pytest.approx(weights[codes > 0].sum())
