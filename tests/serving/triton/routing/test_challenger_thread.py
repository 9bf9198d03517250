"""The thread of a challenger: what it was asked comes back, late or not at all, and whoever waits can give up."""

import threading
import time

from serving.triton.routing.runner import Runner


def soon() -> float:
    return time.monotonic() + 5


def test_what_was_handed_over_is_computed_in_another_thread():
    runner = Runner(lambda asked: (asked, threading.current_thread().name))
    for number in range(100):
        task = runner.begin(number)
        assert task.wait(soon()) and task.found == (number, "challenger") and task.error is None
        assert 0 <= task.took_ms < 5000
    assert runner.close(1)


def test_an_error_comes_back_as_text_and_the_thread_goes_on():
    def compute(asked: int) -> float:
        return 1 / asked

    runner = Runner(compute)
    task = runner.begin(0)
    assert task.wait(soon()) and task.found is None and "ZeroDivisionError" in task.error
    task = runner.begin(2)
    assert task.wait(soon()) and task.found == 0.5
    assert runner.close(1)


def test_nobody_waits_longer_than_he_said_and_nothing_is_begun_until_it_is_done():
    go_on = threading.Event()
    runner = Runner(lambda asked: go_on.wait(10) and asked)
    late = runner.begin("late")
    began = time.monotonic()
    assert not late.wait(began + 0.05)
    assert 0.04 < time.monotonic() - began < 1
    assert runner.begin("next") is None and runner.busy_s >= 0.05
    go_on.set()
    assert late.wait(soon()) and late.found == "late" and runner.busy_s == 0
    task = runner.begin("next")
    assert task.wait(soon()) and task.found == "next"
    assert runner.close(1)


def test_one_that_hangs_is_left_behind():
    go_on = threading.Event()
    runner = Runner(lambda asked: go_on.wait(10))
    runner.begin(1)
    began = time.monotonic()
    assert not runner.close(0.1) and time.monotonic() - began < 2
    assert not runner.close(0)
    go_on.set()
    assert runner.close(5)


def test_one_that_was_asked_nothing_has_no_thread():
    before = threading.active_count()
    assert Runner(lambda asked: asked).close(0) and threading.active_count() == before
