"""A user's rows go out of what rollouts rest on, by the hash of the routing key, and nobody else's."""

import polars as pl

from lifecycle.erase import rollouts
from lifecycle.erase.wanted import Wanted
from lifecycle.rollout.control.files import Remembered, write_state
from lifecycle.rollout.evidence.files import read_pairs, write_day
from lifecycle.rollout.pairs import key_hash
from lifecycle.rollout.rollout import Rollout
from tests.lifecycle.rollout.statistics.simulated_pairs import START_NS, assigned, settings, simulated

USER, SALT = "user 7", "9f86d081"


def test_a_user_is_found_and_erased_in_every_rollout(tmp_path):
    pairs = simulated(1, days=1, pages=50).with_columns(pl.col("key") + 1)
    theirs = pairs["key"][0]
    for salt in (SALT, "another"):
        rollout = Rollout(name=salt, champion=1, challenger=2, salt=salt, begun_ns=START_NS)
        (tmp_path / salt).mkdir()
        write_state(tmp_path / salt, Remembered(rollout=rollout, config=settings()))
        hashed = pl.when(pl.col("key") == theirs).then(pl.lit(key_hash(salt, USER), pl.UInt64)).otherwise("key").alias("key")
        rows = pairs.with_columns(hashed)
        write_day(tmp_path / salt, rows["answered_at"][0].date(), rows, assigned(rows))
    wanted = Wanted(column="user", value=USER, is_whole=False, in_caller_keys=False, key=None)
    found, number = rollouts.look(tmp_path, wanted), pairs.filter(pl.col("key") == theirs).height
    assert sorted(found.values()) == [1, 1, number, number] and len(found) == 4
    rollouts.erase(found, wanted)
    assert rollouts.look(tmp_path, wanted) == {}
    left = read_pairs(tmp_path / SALT)
    assert (
        left.height == pairs.height - number and left["key"].to_list() == pairs.filter(pl.col("key") != theirs)["key"].to_list()
    )
