"""Pairs of rows of one user: rows of one request say nothing of whether a column is the user's."""

import numpy as np

from lifecycle.monitor.counts.likeness import members_of, one_a_request, pairs_of

UNIT = np.zeros(7, dtype=np.int64)
USER = np.array([0, 0, 0, 0, 1, 1, -1])
REQUEST = np.array([0, 0, 1, 1, 2, 2, 3])


def test_one_row_of_each_request_is_kept():
    assert one_a_request(UNIT, USER, REQUEST).tolist() == [0, -1, 0, -1, 1, -1, -1]


def test_rows_of_one_request_are_no_pair():
    """User 0 has four rows in two requests: 12 ordered pairs of rows, 2 of requests; user 1 has one request."""
    _, group, unit = members_of(UNIT, USER)
    assert pairs_of(group, unit, None, 1).tolist() == [14]
    _, group, unit = members_of(UNIT, one_a_request(UNIT, USER, REQUEST))
    assert pairs_of(group, unit, None, 1).tolist() == [2]


def test_a_request_in_two_units_of_time_counts_in_both():
    unit_N = np.array([0, 0, 1, 1, 1, 1, 1])
    assert one_a_request(unit_N, USER, np.zeros(7, dtype=np.int64)).tolist() == [0, -1, 0, -1, 1, -1, -1]
