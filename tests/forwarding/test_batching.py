"""Cutting images into batches, within the limits of images and bytes."""

from itertools import pairwise

import pytest
from django.conf import settings as project
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from importers.forwarding import batching

pytestmark = pytest.mark.on_both_databases

BYTES = st.lists(st.integers(0, 10_000_000), max_size=200)


def split(items: list[int], lengths: list[int]) -> list[list[int]]:
    """Divide the items into parts of these lengths; none may be left over."""
    rest = iter(items)
    parts = [[next(rest) for _ in range(length)] for length in lengths]
    assert list(rest) == []
    return parts


@pytest.mark.parametrize(
    ("images", "batches"),
    [
        (0, []),
        (1, [1]),
        (49, [49]),
        (50, [50]),
        (51, [50, 1]),
        (99, [50, 49]),
        (148, [50, 49, 48, 1]),
        (198, [50, 49, 48, 50, 1]),
    ],
)
def test_batch_holds_at_most_fifty_images(images: int, batches: list[int]) -> None:
    assert batching.sizes([1_000] * images) == batches


@pytest.mark.parametrize(
    ("byte_sizes", "batches"),
    [
        ([10_000_000, 10_000_000, 5_000_000], [3]),
        ([10_000_000, 10_000_000, 5_000_001], [2, 1]),
        ([10_000_000] * 5, [2, 2, 1]),
        ([10_000_000, 10_000_000, 5_000_001, 1], [2, 2]),
        ([0, 0, 0], [3]),
    ],
)
def test_batch_holds_at_most_25_megabytes(byte_sizes: list[int], batches: list[int]) -> None:
    assert batching.sizes(byte_sizes) == batches


@given(BYTES)
def test_every_image_is_batched_and_no_batch_empty(byte_sizes: list[int]) -> None:
    lengths = batching.sizes(byte_sizes)
    assert sum(lengths) == len(byte_sizes)
    assert all(lengths)


@given(BYTES)
def test_no_batch_exceeds_either_limit(byte_sizes: list[int]) -> None:
    for part in split(byte_sizes, batching.sizes(byte_sizes)):
        assert len(part) <= project.BATCH_MAX_IMAGES
        assert sum(part) <= project.BATCH_MAX_BYTES


@given(BYTES)
def test_new_batch_starts_when_the_last_is_full(byte_sizes: list[int]) -> None:
    for full, following in pairwise(split(byte_sizes, batching.sizes(byte_sizes))):
        is_full = len(full) in (50, 49, 48)
        assert is_full or sum(full) + following[0] > project.BATCH_MAX_BYTES


def test_batch_limits_are_settings(settings: Settings) -> None:
    settings.BATCH_MAX_IMAGES, settings.BATCH_MAX_BYTES = 2, 10_000_000
    assert batching.sizes([1, 1, 1, 9_999_999, 1, 1]) == [2, 2, 2]


@given(st.integers(5, 100), st.integers(0, 400))
def test_neighbouring_full_batches_differ_in_size(most: int, images: int) -> None:
    with override_settings(BATCH_MAX_IMAGES=most):
        full = batching.sizes([1] * images)[:-1]
    assert all(one != two for one, two in pairwise(full))


def test_largest_image_fits_the_lowest_limit(settings: Settings) -> None:
    settings.BATCH_MAX_BYTES = 10_000_000
    assert batching.sizes([10_000_000] * 3) == [1, 1, 1]
