"""Tolerances within which two columns of numbers agree."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tests.warehouse.indicators.on_read import Series

# the largest error that counts as none, as a share of the value or of the column's mean size
TOLERANCE = 1e-9


def scaled_error(ours: Series, theirs: Series, rounding: float = 0.0) -> float:
    """Return the largest error beyond `rounding`; infinite if different values are missing."""
    if not np.array_equal(np.isnan(ours), np.isnan(theirs)):
        return np.inf
    if np.isnan(theirs).all():
        return 0.0
    scale = np.maximum(np.abs(theirs), np.nanmean(np.abs(theirs)))
    beyond = np.maximum(np.abs(ours - theirs) - rounding, 0)
    return float(np.nanmax(beyond / np.where(scale > 0, scale, 1)))


def assert_agrees(
    ours: Series,
    theirs: Series,
    where: str,
    rounding: float = 0.0,
    tolerance: float = TOLERANCE,
) -> None:
    error = scaled_error(ours, theirs, rounding)
    if error <= tolerance:
        return
    unlike = np.flatnonzero(np.isnan(ours) != np.isnan(theirs))
    bar = unlike[0] if unlike.size else np.nanargmax(np.abs(ours - theirs))
    raise AssertionError(
        f"{where}: error {error:.1e}, bar {bar}: {ours[bar]!r}, not {theirs[bar]!r}"
    )


def assert_same(ours: Mapping[str, Series], theirs: Mapping[str, Series], where: str) -> None:
    """Assert that the values are equal to the bit."""
    for output, values in ours.items():
        np.testing.assert_array_equal(values, theirs[output], f"{where} {output}")
