"""Releases and drift in steady growth, at a small size. The benchmarks measure the promised rates."""

import numpy as np

from benchmarks.gate import build_spec
from benchmarks.growth import (
    CANDIDATES,
    GROWTH,
    SimulatedRelease,
    draw_world,
    is_condemned,
    release_once,
    summarize_served,
)
from benchmarks.monitoring import KEYS
from benchmarks.monitoring_growth import GROWTH as RISES
from benchmarks.monitoring_growth import measure_growth, measure_rate

SPEC = build_spec("refute")
RELEASES = 6


def release(world: str, kind: str) -> list[SimulatedRelease]:
    drawn = (draw_world(np.random.default_rng(seed), GROWTH[world], CANDIDATES[kind]) for seed in range(RELEASES))
    return [release_once(SPEC, each) for each in drawn]


def test_a_better_candidate_passes_in_growth_because_it_is_corrected_as_the_champion_is() -> None:
    released = release("fast growth", "better")
    assert not any(each.gate_refuses or each.rehearsal_refuses or each.is_raw for each in released)
    assert all(each.raw_refused for each in released)
    assert not any(is_condemned(SPEC, each, seed) for seed, each in enumerate(released))


def test_a_worse_candidate_is_refused_in_growth() -> None:
    released = release("growth", "worse")
    assert sum(each.gate_refuses for each in released) >= RELEASES // 2
    assert sum(each.rehearsal_refuses for each in released) >= RELEASES // 2
    assert all(is_condemned(SPEC, each, seed) for seed, each in enumerate(released) if each.error_ratio > 1.3)


def test_the_summary_counts_only_candidates_that_serve_what_is_allowed() -> None:
    good, bad = (SimulatedRelease(False, is_bad, True, is_bad, 1.0 + is_bad) for is_bad in (False, True))
    shares = summarize_served(SPEC, {("growth", "as good"): [good, bad]}, [(good, False), (bad, True)])
    assert shares == {"growth_rehearsal_within_margin_refused": 0.0, "growth_canary_within_limit_condemned": 0.0}
    shares = summarize_served(SPEC, {("growth", "as good"): [good]}, [(good, False), (good, True)])
    assert shares == {"growth_rehearsal_within_margin_refused": 0.0, "growth_canary_within_limit_condemned": 0.5}


def test_drift_names_the_number_that_grows_and_no_other() -> None:
    grown = measure_rate(RISES["1 sd a quarter"], years=2)
    assert (grown.found.value, grown.false_years.value) == (1, 0)
    assert grown.delay_days < 120


def test_the_monitoring_benchmark_ends_with_what_drift_finds_in_growth() -> None:
    assert set(measure_growth(years=2)) <= set(KEYS)
