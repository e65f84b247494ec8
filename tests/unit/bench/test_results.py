"""Medians, ratios, targets and tables."""

from pathlib import Path

import pytest

from bench import report, targets
from bench.results import Results
from bench.rounds import Outcome
from bench.targets import Target


def results(**rates: list[float | None]) -> Results:
    """Rounds of one workload: the rates of each server; None for a round that failed."""
    outcomes = [
        Outcome("fast-ct-1", server, number, failure="it died")
        if rate is None
        else Outcome("fast-ct-1", server, number, {"instances_per_s": rate})
        for server, values in rates.items()
        for number, rate in enumerate(values)
    ]
    return Results({"cores": 2}, outcomes)


def test_ratio_is_the_median_of_the_ratios_in_each_round() -> None:
    measured = results(dicomnode=[100, 50, 30], Orthanc=[10, 10, 1])

    assert measured.ratio("fast-ct-1", "dicomnode", "Orthanc", "instances_per_s") == 10


def test_ratio_leaves_out_rounds_that_one_of_the_two_lacks() -> None:
    measured = results(dicomnode=[100, 50, 30], Orthanc=[None, 10, None])

    assert measured.ratio("fast-ct-1", "dicomnode", "Orthanc", "instances_per_s") == 5


def test_ratio_against_nobody_is_not_measured() -> None:
    assert results(dicomnode=[100]).ratio("fast-ct-1", "dicomnode", "Orthanc", "instances_per_s") is None


@pytest.mark.parametrize(
    ("target", "holds"),
    [
        (Target("", lambda _: 2.7, "x", at_least=2.7), True),
        (Target("", lambda _: 2.69, "x", at_least=2.7), False),
        (Target("", lambda _: 60.0, "us", at_most=60), True),
        (Target("", lambda _: 60.1, "us", at_most=60), False),
        (Target("", lambda _: None, "x", at_least=1), None),
    ],
)
def test_target_holds_up_to_its_bound(target: Target, holds: bool | None) -> None:
    assert target.holds(results()) is holds


def test_every_target_is_reported_even_when_nothing_was_measured() -> None:
    text = report.markdown(results())

    assert text.count("not measured") == len(targets.ALL)


def test_table_says_what_was_lost_and_what_failed() -> None:
    lossy = Outcome("fast-ct-1", "dcmqrscp", 0, {"instances_per_s": 9, "lost": 3})
    failed = Outcome("fast-ct-1", "qrscp", 0, failure="DidNotStartError: port in use")

    text = report.markdown(Results({}, [lossy, failed]))

    assert "3 acknowledged instances are not there" in text
    assert "1 rounds failed: DidNotStartError: port in use" in text


def test_results_are_the_same_after_writing_and_reading(tmp_path: Path) -> None:
    written = results(dicomnode=[100, None])

    written.write(tmp_path / "run.json")

    assert Results.read(tmp_path / "run.json") == written


def test_manual_keeps_what_stands_around_the_markers(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{report.BEGIN}\nold table\n{report.END}\nafter\n")

    report.write_manual(results(dicomnode=[100]), page)
    report.write_manual(results(dicomnode=[200]), page)

    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old table" not in text
    assert "| dicomnode |" in text
    assert "200" in text
    assert text.count(report.BEGIN) == 1
