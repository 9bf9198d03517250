"""No more requests wait than may, and what arrives during the longest batch, however large they are and however many come.

Both implementations of the bound in the same simulated overload, as in waiting/ beside this.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.serving.triton.waiting.native import NativeModel, compile_harness
from tests.serving.triton.waiting.python import PythonModel
from tests.serving.triton.waiting.scenarios import APART, BOUND, SCENARIOS, Model, simulate

NATIVE = pytest.param("native", marks=pytest.mark.compiler)


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    return compile_harness(tmp_path_factory.mktemp("harness"))


@pytest.fixture(params=[NATIVE, "python"])
def model_of(request, inside_triton) -> Callable[[int, int], Model]:
    """Makes the model for so many requests of so many rows."""
    if request.param == "python":
        module = inside_triton("serving.triton.backlog")
        return lambda number, rows: PythonModel(module, rows)
    library = request.getfixturevalue("harness")
    return lambda number, rows: NativeModel(library, number, rows)


@pytest.mark.parametrize("scenario", [*SCENARIOS, APART], ids=str)
def test_what_waits_is_bounded_and_the_model_does_what_it_can(model_of, scenario):
    number = len(scenario.arrivals())
    course = simulate(scenario, model_of(number, scenario.rows))
    assert course.most_waiting <= BOUND + course.most_arrived
    assert course.goodput >= 0.9
    assert course.answered + course.refused == number and course.refused > 0


def test_a_model_that_is_not_overloaded_refuses_nobody(model_of):
    scenario = replace(SCENARIOS[0], load=0.5)
    course = simulate(scenario, model_of(len(scenario.arrivals()), scenario.rows))
    assert course.refused == 0 and course.most_waiting <= BOUND


def test_half_of_the_time_it_answers_even_if_refusing_does_not_help(model_of):
    """Clients that ask again at once, faster than they can be refused."""
    number, now, spent, stretch, longest = 60_000, 10.0, {True: 0.0, False: 0.0}, 0.0, 0.0
    model = model_of(number, 1)
    for request in range(number):
        end, answered = model.run(0, range(request, request + 1), now, 100 * BOUND)
        stretch = 0.0 if answered else stretch + end - now
        longest = max(longest, stretch)
        if now > 11:
            spent[answered] += end - now
        now = end
    assert 0.99 < longest < 1.01
    assert spent[True] == pytest.approx(spent[False], rel=0.02) and now > 12


@pytest.mark.compiler
@pytest.mark.parametrize("scenario", SCENARIOS[6:], ids=str)
def test_every_request_is_answered_once_released_once_and_counted_once(harness, scenario):
    number = len(scenario.arrivals())
    model = NativeModel(harness, number, scenario.rows)
    course = simulate(scenario, model)
    outcomes = model.outcomes()
    assert (outcomes["answered"] + outcomes["refused"] == 1).all() and (outcomes["released"] == 1).all()
    assert model.sentence() == (
        "overloaded: too many requests are waiting, at most 256 may (serving.repository.max_queue_size); try again later"
    )
    assert model.counted() == {"answered": course.answered, "overloaded": course.refused, "failed": 0}


@pytest.mark.compiler
@pytest.mark.parametrize(
    "page",
    [
        "",
        'nv_inference_pending_request_count{model="ctr",version="70"} 0\n',
        'nv_inference_pending_request_count{model="ctr",namespace="a",version="7"} 0\n',
        '# nv_inference_pending_request_count{model="ctr",version="7"} 0\n',
    ],
)
def test_a_server_that_does_not_count_what_waits_loads_no_model(harness, page):
    with pytest.raises(ValueError, match="under other labels than model and version.*start Triton as `make serve` does"):
        NativeModel(harness, 1, 1, page)


@pytest.mark.compiler
def test_a_server_without_metrics_counts_all_the_same(harness):
    model = NativeModel(harness, 2, 1, page=None)
    assert [model.run(0, range(i, i + 1), 0.01 * i, waiting)[1] for i, waiting in enumerate((BOUND, BOUND + 1))] == [True, False]


@pytest.mark.compiler
def test_what_was_counted_last_is_handed_on_at_the_end(harness):
    for _ in range(50):
        model = NativeModel(harness, 1, 1)
        model.run(0, range(1), 0.01, 0)
        assert model.counted()["answered"] == 1
