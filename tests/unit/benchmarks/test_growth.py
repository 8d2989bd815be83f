"""Releases and drift in steady growth, at a small size. The benchmarks measure the promised rates."""

import numpy as np

from benchmarks.gate import build_spec
from benchmarks.growth import CANDIDATES, GROWTH, draw_world, release_once
from benchmarks.monitoring import KEYS
from benchmarks.monitoring_growth import GROWTH as RISES
from benchmarks.monitoring_growth import measure_growth, measure_rate

SPEC = build_spec("refute")
RELEASES = 6


def count_refused(world: str, kind: str) -> list[int]:
    """By gate, by rehearsal, by a rehearsal of raw answers, and without a first calibration."""
    drawn = (draw_world(np.random.default_rng(seed), GROWTH[world], CANDIDATES[kind]) for seed in range(RELEASES))
    refused: list[int] = np.sum([release_once(SPEC, each) for each in drawn], axis=0).tolist()
    return refused


def test_a_better_candidate_passes_in_growth_because_it_is_corrected_as_the_champion_is() -> None:
    gate, rehearsal, raw, without_calibration = count_refused("fast growth", "better")
    assert (gate, rehearsal) == (0, 0)
    assert (raw, without_calibration) == (RELEASES, 0)


def test_a_worse_candidate_is_refused_in_growth() -> None:
    gate, rehearsal, _, _ = count_refused("growth", "worse")
    assert gate >= RELEASES // 2
    assert rehearsal >= RELEASES // 2


def test_drift_names_the_number_that_grows_and_no_other() -> None:
    grown = measure_rate(RISES["1 sd a quarter"], years=2)
    assert (grown.found.value, grown.false_years.value) == (1, 0)
    assert grown.delay_days < 120


def test_the_monitoring_benchmark_ends_with_what_drift_finds_in_growth() -> None:
    assert set(measure_growth(years=2)) <= set(KEYS)
