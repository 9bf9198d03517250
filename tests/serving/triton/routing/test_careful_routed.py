"""`ctr_careful` does as the backend that hands it a request tells it, and writes down what the route made of that."""

import time

import pytest

from tests.serving.doors import Reply, over_grpc, packed
from tests.serving.journal.journalled import journalling
from tests.serving.metrics import scrape, total
from tests.serving.served_world import exported_with, wait_for
from tests.serving.triton.routing.routed_world import Routing

pytestmark = pytest.mark.triton
ROUTE = 0xFEDCBA9876543210
SHADOWED = "0192f0c1d2e37a4b8c5d6e7f80910213"


@pytest.fixture(scope="module")
def careful(strict_exported, tmp_path_factory):
    """A server whose `ctr` is the native backend."""
    folder = tmp_path_factory.mktemp("careful")
    repository = exported_with(strict_exported, folder / "repository", instances=1, metrics_interval_s=0.1)
    with journalling(folder, repository) as running:
        yield Routing(server=running.server, store=None, journal=running.folder)


def ask(careful, rows, spec, **parameters) -> Reply:
    return over_grpc(careful.server, packed(rows, spec), "ctr_careful", **parameters)


def told(words: str) -> dict[str, str]:
    return {"adclick_routed": words}


def entry_of(careful, own: str) -> dict:
    (found,) = [entry for entry in careful.entries() if entry["id"] == own]
    return {name: found[name] for name in ("status", "arm", "bucket", "flags", "route", "key", "release")}


@pytest.mark.parametrize(
    ("words", "status", "arm", "bucket", "flags"),
    [
        ("1 0 77 0 fedcba9876543210 -", 0, 1, 77, 0),
        ("2 0 999999 1 fedcba9876543210 -", 0, 2, 999_999, 1),
        ("2 3 5 0 fedcba9876543210 -", 3, 2, 5, 0),
        ("0 0 4294967295 6 fedcba9876543210 -", 0, 0, None, 6),
    ],
)
def test_an_answer_is_written_as_it_was_routed(careful, strict_rows, strict_spec, words, status, arm, bucket, flags):
    reply = ask(careful, strict_rows[:2], strict_spec, **told(words), **({"routing_key": "k 1"} if flags & 1 else {}))
    assert reply.code == "OK", reply.error
    assert entry_of(careful, reply.prediction_id) == {
        "status": status, "arm": arm, "bucket": bucket, "flags": flags, "route": ROUTE, "release": 1,
        "key": "k 1" if flags & 1 else None,
    }  # fmt: skip


def test_a_shadow_is_written_under_the_id_of_the_answer_and_counted_nowhere(careful, strict_rows, strict_spec):
    time.sleep(0.5)  # until what other tests asked is counted
    known = careful.metric("adclick_requests_total"), careful.metric("adclick_rows_total")
    reply = ask(careful, strict_rows[:2], strict_spec, **told(f"1 2 77 0 fedcba9876543210 {SHADOWED}"))
    assert reply.code == "OK" and len(reply.probability) == 2
    own = f"{SHADOWED[:8]}-{SHADOWED[8:12]}-{SHADOWED[12:16]}-{SHADOWED[16:20]}-{SHADOWED[20:]}"
    assert entry_of(careful, own)["status"] == 2
    refused = ask(careful, strict_rows[:1].with_columns(age=-1.0), strict_spec, **told(f"1 2 77 0 fedcba9876543210 {SHADOWED}"))
    assert refused.code == "INVALID_ARGUMENT"
    answered = ask(careful, strict_rows[:1], strict_spec)
    assert answered.code == "OK"
    wait_for(lambda: careful.metric("adclick_rows_total") == known[1] + 1, 5, "the last one is counted")
    assert careful.metric("adclick_requests_total") == known[0] + 1


def test_requests_of_several_routes_share_a_batch_and_each_has_its_own(careful, strict_rows, strict_spec):
    words = [f"1 0 {number} 0 {number + 1:016x} -" for number in range(6)]
    replies = [ask(careful, strict_rows[:1], strict_spec, **told(word)) for word in words]
    found = [entry_of(careful, reply.prediction_id) for reply in replies]
    assert [(entry["bucket"], entry["route"]) for entry in found] == [(number, number + 1) for number in range(6)]


def test_a_release_that_is_not_open_is_refused_with_those_that_are(careful, strict_rows, strict_spec):
    before = total(scrape(careful.server), "adclick_refused_total", rule="release")
    reply = ask(careful, strict_rows[:1], strict_spec, release=7, adclick_open="12, 13")
    assert (reply.code, reply.error) == ("INVALID_ARGUMENT", "release 7 is not open; open are 12, 13")
    reply = ask(careful, strict_rows[:1], strict_spec, release=7)
    assert reply.error == "release 7 is not open; open are 1"
    assert ask(careful, strict_rows[:1], strict_spec, release=1).code == "OK"
    wait_for(lambda: careful.metric("adclick_refused_total", rule="release") == before + 2, 5, "they are counted")


@pytest.mark.parametrize(
    "words", ["", "1 0", "3 0 1 0 fedcba9876543210 -", "1 1 1 0 fedcba9876543210 -", "1 2 1 0 fedc -", "x" * 99]
)
def test_words_that_are_not_understood_are_refused(careful, strict_rows, strict_spec, words):
    reply = ask(careful, strict_rows[:1], strict_spec, **told(words))
    assert (reply.code, "parameter 'adclick_routed' is not understood" in reply.error) == ("INVALID_ARGUMENT", True)


def test_a_routing_key_that_is_none_is_refused(careful, strict_rows, strict_spec):
    reply = ask(careful, strict_rows[:1], strict_spec, routing_key="x" * 257)
    assert (reply.code, "expected a text of 1 to 256 bytes" in reply.error) == ("INVALID_ARGUMENT", True)
