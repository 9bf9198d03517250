"""Overlapped reading, work and writing keep the order, and no error is lost."""

import threading

import pytest

from stages.overlap import WriteBehind, read_ahead, side_by_side


def failing_after(items):
    yield from items
    raise ValueError("row 4 is broken")


def test_items_come_in_order_from_another_thread():
    threads = set()

    def numbers():
        for number in range(5):
            threads.add(threading.current_thread().name)
            yield number

    assert list(read_ahead(numbers())) == [0, 1, 2, 3, 4]
    assert list(read_ahead(iter([]))) == []
    assert threading.current_thread().name not in threads


def test_an_error_while_reading_reaches_the_caller_after_the_items_before_it():
    ahead = read_ahead(failing_after([1, 2, 3]))
    assert [next(ahead), next(ahead), next(ahead)] == [1, 2, 3]
    with pytest.raises(ValueError, match="row 4 is broken"):
        next(ahead)


def test_a_reader_may_stop_early():
    ahead = read_ahead(iter(range(100)))
    assert next(ahead) == 0
    ahead.close()


def test_everything_is_written_in_order_when_the_block_ends():
    written = []
    with WriteBehind(written.append) as behind:
        for number in range(20):
            behind.put(number)
    assert written == list(range(20))


@pytest.mark.parametrize("more", [0, 3])
def test_an_error_while_writing_reaches_the_caller(more):
    def refuse(item):
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"), WriteBehind(refuse) as behind:
        for number in range(1 + more):
            behind.put(number)


def test_an_error_of_the_block_is_not_hidden_by_one_of_the_writer():
    def refuse(item):
        raise OSError("no space left")

    with pytest.raises(ValueError, match="first"), WriteBehind(refuse) as behind:
        behind.put(1)
        raise ValueError("first")


def test_work_side_by_side_comes_in_order_and_overlaps():
    both = threading.Barrier(2, timeout=10)

    def square(number):
        both.wait()  # passes only if two are at work
        return number * number

    assert list(side_by_side(square, range(6), 2)) == [0, 1, 4, 9, 16, 25]


def test_after_an_error_side_by_side_begins_nothing_new():
    begun, fetched = [], []

    def items():
        for number in range(50):
            fetched.append(number)
            yield number

    def work(number):
        begun.append(number)
        if number == 1:
            raise ValueError("month 1 is broken")
        return number

    results = side_by_side(work, items(), 2)
    assert next(results) == 0
    with pytest.raises(ValueError, match="month 1 is broken"):
        list(results)
    assert len(fetched) <= 4
    assert set(begun) <= {0, 1, 2, 3}
