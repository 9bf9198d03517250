"""Medians, the best door, ratios and bars of the comparison, worked out by hand."""

import re
from dataclasses import replace

import pytest

from bench.servers.page import END, PAGE, PLOT, START, draw, row, table, write_page
from bench.servers.verdicts import WORKLOADS, best, series_of, speed, verdicts
from loadtests.peers.contenders import OURS, PACKED, SECOND
from loadtests.peers.measured import IN_PROCESS, PeerMeasurement, Workload
from tests.loadtests.peer_world import measured


def everything(**ours_at: float) -> list[PeerMeasurement]:
    """Three rounds of all workloads: ours at 300 requests/s over HTTP and 200 over gRPC, FastAPI at 100, MLServer at 50."""
    found = []
    for number, factor in ((1, 1.0), (2, 0.9), (3, 1.2)):
        for workload in map(str, WORKLOADS):
            ours = ours_at.get(f"w{workload.replace('/', '_')}", 300.0)
            found += [
                measured("Triton, HTTP", OURS, workload, number, requests_per_s=ours * factor, p99_ms=4.0 * factor),
                measured("Triton, gRPC", OURS, workload, number, requests_per_s=200.0 * factor, p99_ms=1.0),
                measured("FastAPI", "FastAPI", workload, number, requests_per_s=100.0 * factor, p99_ms=10.0 * factor),
                measured("MLServer", "MLServer", workload, number, requests_per_s=50.0 * factor, p99_ms=90.0),
            ]
        for rows in ("16/0", "128/0"):
            found.append(measured(IN_PROCESS, IN_PROCESS, rows, number, requests_per_s=400.0 * factor, p50_ms=None, p99_ms=None))
    return found


def figure(rows: list, *words: str) -> object:
    found = [one for one in rows if all(re.search(rf"{re.escape(word)}(?!\d)", one.what) for word in words)]
    assert len(found) == 1, [one.what for one in found]
    return found[0]


def test_ours_is_the_better_of_our_doors_and_the_peer_the_best_of_theirs() -> None:
    series, workload = series_of(everything(w1_64=150.0)), Workload(rows=1, clients=64)
    assert best(series, workload, lambda product: product == OURS).door == "Triton, gRPC"
    assert best(series, workload, lambda product: product != OURS).door == "FastAPI"
    assert best(series, Workload(rows=16, clients=16), lambda product: product == OURS).median(speed) == 300.0


def test_all_bars_are_met_by_a_server_that_is_three_times_as_fast() -> None:
    rows = verdicts(everything())
    assert [one.met for one in rows] == [True] * len(rows)
    assert len(rows) == 6 + 1 + 1 + 3 + 1  # speed, p99, the others, shares of the graph alone, errors


def test_a_ratio_is_of_medians_and_shows_both_doors() -> None:
    row = figure(verdicts(everything(w1_64=190.0)), "best peer", "served requests/s", "1 / 64")
    assert row.figure.startswith("2.00x (2.00 to 2.00 in 3 pairs); 200 requests/s (Triton, gRPC) against 100 (FastAPI)")
    assert (row.bar, row.met) == (">= 2x", True)


@pytest.mark.parametrize(
    ("workload", "name", "bar"), [("w1_1", "1 / 1", 1.0), ("w1_16", "1 / 16", 1.3), ("w128_8", "128 / 8", 1.0)]
)
def test_a_bar_is_missed_just_below_it(workload: str, name: str, bar: float) -> None:
    slow = [
        measured(one.door, one.product, str(one.workload), one.round, requests_per_s=1.0) if one.door == "Triton, gRPC" else one
        for one in everything(**{workload: 100.0 * bar - 1})
    ]
    assert figure(verdicts(slow), "best peer", name, "served").met is False
    enough = [
        measured(one.door, one.product, str(one.workload), one.round, requests_per_s=1.0) if one.door == "Triton, gRPC" else one
        for one in everything(**{workload: 100.0 * bar + 1})
    ]
    assert figure(verdicts(enough), "best peer", name, "served").met is True


def test_p99_is_that_of_the_faster_door_and_has_a_bar_at_64_clients() -> None:
    row = figure(verdicts(everything()), "p99", "1 / 64")
    assert row.figure.startswith("0.40x") and row.met is True  # 4 ms by 10 ms, not gRPC's 1 ms
    assert figure(verdicts(everything(w1_64=600.0)), "p99", "1 / 64").met is True


def test_rows_are_a_share_of_what_the_graph_does_alone() -> None:
    row = figure(verdicts(everything(w16_64=240.0)), "graph's own", "16 / 64")
    assert row.figure.startswith("0.60; 3,840 rows/s (Triton, HTTP) of 6,400") and row.met is False


def test_peers_other_than_fastapi_have_a_bar_of_their_own() -> None:
    assert figure(verdicts(everything()), "but FastAPI").figure.startswith("6.00x")
    slow = everything(w1_64=199.0)  # gRPC's 200 by MLServer's 50 is 4
    assert figure(verdicts(slow), "but FastAPI").met is True


def test_fastapi_on_our_packed_graph_is_told_beside_and_has_no_bar() -> None:
    packed = [replace(one, door="packed", product=PACKED, requests_per_s=900.0) for one in everything() if one.door == "FastAPI"]
    rows = verdicts([*everything(), *packed])
    row = figure(rows, f"by those of {PACKED}", "1 / 64")
    assert row.figure.startswith("0.33x") and row.met is None and row.bar == ""
    assert figure(rows, "best peer, rows", "served", "1 / 64").met is True
    assert sum(one.met is not None for one in rows) == 12


def test_one_failed_request_of_ours_is_not_met() -> None:
    found = everything()
    place = next(i for i, one in enumerate(found) if one.door == "Triton, gRPC")
    found[place] = replace(found[place], errors=1)
    row = figure(verdicts(found), "failed requests")
    assert row.figure.startswith("1 ") and row.met is False


def test_errors_of_a_peer_are_theirs_and_stand_in_the_table() -> None:
    found = [replace(one, errors=7) if one.door == "FastAPI" else one for one in everything()]
    assert figure(verdicts(found), "failed requests").met is True
    lines = [line for line in table(series_of(found)).splitlines() if line.startswith("| 1 / 1 | FastAPI")]
    assert len(lines) == 1 and "| 21 |" in lines[0]


def test_nothing_to_compare_with_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing to compare"):
        verdicts([one for one in everything() if one.product == OURS])


def test_a_row_has_medians_ranges_and_cpu_a_thousand_requests() -> None:
    rounds = [
        measured("FastAPI", "FastAPI", "16/16", number, requests_per_s=rate, p99_ms=p99, cpu_s=cpu, requests=requests)
        for number, rate, p99, cpu, requests in (
            (1, 1000.0, 5.0, 2.0, 4000),
            (2, 3000.0, 9.0, 6.0, 12000),
            (3, 2000.0, 7.0, 9.0, 8000),
        )
    ]
    (series,) = series_of(rounds)
    assert row(series, "16/16") == (
        "| 16 / 16 | FastAPI | 2,000 (1,000 to 3,000) | 32,000 | 1.00 | 7.0 (5.0 to 9.0) | 0 | 0.50 | 0.00 |"
    )


def test_the_fastest_comes_first_and_the_graph_alone_last() -> None:
    lines = table(series_of(everything())).splitlines()[2:]
    assert [line.split(" | ")[1] for line in lines[:4]] == ["**Triton, HTTP**", "**Triton, gRPC**", "FastAPI", "MLServer"]
    assert lines[-1].startswith("| 128 | in process | 400 (360 to 480) | 51,200 |")


def test_the_page_keeps_what_people_wrote_and_the_plot_names_every_door(project) -> None:
    PAGE.parent.mkdir()
    PAGE.write_text(f"Before.\n\n{START}\nold\n{END}\n\nAfter.\n")
    found = [replace(one, others_cores=0.25 if one.round == 2 else 0.0) for one in everything()]
    write_page(found, 3, 4.0, "2026-11-22")
    draw(found)
    text = PAGE.read_text()
    assert text.startswith("Before.") and text.endswith("After.\n") and "old" not in text
    assert "rounds: 3, 4 s a load" in text and "0.00 cores during a load in the median, 0.25 at most" in text
    assert text.count("| **Triton, HTTP** |") == 6
    drawn = PLOT.read_text()
    draw(found)
    assert drawn == PLOT.read_text() and all(
        door in drawn for door in ("Triton, gRPC", "MLServer", "rows a request 128, clients 8")
    )


def test_a_page_without_its_marks_is_an_error(project) -> None:
    PAGE.parent.mkdir()
    PAGE.write_text("Only text.")
    with pytest.raises(ValueError, match="has lost a mark"):
        write_page(everything(), 3, 4.0, "2026-11-22")


def test_a_second_opinion_is_told_and_judged_by_nobody() -> None:
    opinion = [measured("Triton, HTTP, by perf_analyzer", SECOND, str(w), requests_per_s=900.0, p99_ms=3.0) for w in WORKLOADS]
    plain, rows = verdicts(everything()), verdicts(everything() + opinion)
    told = [one for one in rows if "another generator" in one.what]
    assert [one for one in rows if one not in told] == plain
    assert {(one.figure, one.met) for one in told} == {("900 requests/s, p99 3.0 ms (Triton, HTTP, by perf_analyzer)", None)}
    assert len(told) == len(WORKLOADS)
