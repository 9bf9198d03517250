"""Who answers: the same as the route itself says of each key, and nobody is in an experiment who should not be."""

import pytest

from contracts.serving.route import Route, bucket, shadow_bucket
from serving.triton.refusal import Refused
from serving.triton.routing.choice import Asking, Chosen, asking, choose, not_open, refuse_unless_open
from tests.serving.triton.routing.routes import trial_route

OFF = Route(champion=1)
USER = Asking(release=None, parameter=None, entity=b"user 7")


def of(route: Route, is_on: bool = True, **asked) -> Chosen:
    return choose(route, Asking(**{"release": None, "parameter": None, "entity": b""} | asked), is_on)


def test_without_a_challenger_the_champion_answers_in_no_experiment():
    for asked in ({}, {"entity": b"user 7"}, {"parameter": b"k"}):
        found = of(OFF, is_on=False, **asked)
        assert (found.release, found.arm, found.bucket, found.flags, found.shadow_bucket) == (1, 0, None, 0, None)


@pytest.mark.parametrize("share", [0, 0.1, 1, 50, 99.9999, 100])
def test_a_key_gets_the_arm_that_the_route_gives_it(share):
    route = trial_route(share=share)
    for number in range(2000):
        key = f"user {number}".encode()
        found = of(route, entity=key)
        expected = {"champion": (1, 1), "challenger": (2, 2)}[route.answers(key)]
        assert (found.release, found.arm) == expected
        assert (found.bucket, found.shadow_bucket) == (bucket("0123abcd", key), shadow_bucket("0123abcd", key))
        assert (found.flags, found.key) == (0, None)


def test_shares_of_many_keys_are_those_of_the_route():
    for share, low, high in ((0.1, 68, 135), (1, 899, 1105), (5, 4_725, 5_280), (50, 49_360, 50_640)):  # 4 standard deviations
        route = trial_route(share=share, salt="feed0001")
        found = sum(of(route, parameter=str(number).encode()).arm == 2 for number in range(100_000))
        assert low <= found <= high


def test_the_parameter_comes_before_the_user():
    route = trial_route(share=50)
    found = of(route, parameter=b"k", entity=b"user 7")
    assert (found.bucket, found.flags, found.key) == (bucket("0123abcd", b"k"), 1, b"k")


def test_who_has_no_key_is_in_no_experiment():
    found = of(trial_route(share=100))
    assert (found.release, found.arm, found.bucket, found.flags, found.shadow_bucket) == (1, 0, None, 0, None)


def test_while_the_challenger_is_off_nobody_is_in_an_experiment():
    found = of(trial_route(share=100), is_on=False, entity=b"user 7")
    assert (found.release, found.arm, found.flags, found.shadow_bucket) == (1, 0, 4, None)
    assert found.bucket == bucket("0123abcd", b"user 7")
    assert of(trial_route(share=100), is_on=False, parameter=b"k").flags == 4 | 1


def test_who_asks_for_a_release_is_in_no_experiment():
    for release in (1, 2):
        found = of(trial_route(share=100), release=release, entity=b"user 7")
        assert (found.release, found.arm, found.bucket, found.flags) == (release, 0, None, 2)
    assert of(OFF, release=1).release == 1


def test_a_release_that_is_not_open_is_refused_in_one_sentence():
    refuse_unless_open(None, [1])
    refuse_unless_open(13, [13, 12])
    with pytest.raises(Refused, match="^release 7 is not open; open are 12, 13$") as refused:
        refuse_unless_open(7, [13, 12])
    assert refused.value.rule == "release"
    assert str(not_open(7, "12, 13")) == str(refused.value)


@pytest.mark.parametrize("sent", ["", "x" * 257, "\u20ac" * 86, 5, 1.5, True, ["k"], "\ud800", "a\0b"])
def test_what_is_no_routing_key_is_refused(sent):
    with pytest.raises(Refused, match="parameter 'routing_key' is .*, expected a text of 1 to 256 bytes in UTF-8") as refused:
        asking({"routing_key": sent}, b"")
    assert refused.value.rule == "routing_key"
    str(refused.value).encode()  # it can be sent


@pytest.mark.parametrize("sent", ["k", "x" * 256, "\u00fc" * 128, " ", "\U0001f600"])
def test_a_routing_key_is_taken_as_it_came(sent):
    assert asking({"routing_key": sent}, b"user").key == sent.encode()


@pytest.mark.parametrize("sent", ["2", 0, -1, True, 1.0, [1]])
def test_what_is_no_release_is_refused(sent):
    with pytest.raises(Refused, match="parameter 'release' is .*, expected the number of a release that is open") as refused:
        asking({"release": sent}, b"")
    assert refused.value.rule == "release"


def test_a_request_without_parameters_asks_for_nothing():
    assert asking({}, b"user 7") == USER and USER.key == b"user 7"
