"""The settings of load runs: every shape composes, and what is wrong is said in one sentence."""

import json

import pytest

from contracts.dataset.config_errors import ConfigError
from loadtests.settings import check_settings, load_settings, shapes
from loadtests.users.plan import RunPlan, read_plan, write_plan


@pytest.mark.parametrize("shape", shapes())
def test_every_shape_composes_and_survives_being_written_down(shape, tmp_path):
    config = load_settings(shape, [])
    assert config.shape == shape and config.total_s >= 20
    plan = RunPlan(config=config, grpc="a:1", http="a:2", version=3)
    write_plan(tmp_path, plan)
    assert read_plan(tmp_path) == plan


def test_the_command_line_wins_and_a_mapping_replaces_the_whole_mapping():
    config = load_settings("open", ["rate=500", "rows_per_request={128: 1}", "thresholds.p99_ms=null", "seconds=4"])
    assert [(stage.seconds, stage.rate) for stage in config.stages] == [(4, 500)]
    assert config.rows_per_request == {128: 1} and config.thresholds.p99_ms is None and config.thresholds.p50_ms is not None
    assert config.open_loop and not load_settings("smoke", []).open_loop


def test_stages_follow_one_another_after_the_warm_up():
    config = load_settings("steps", ["warmup_s=2", "stages=[{seconds: 3, users: 1}, {seconds: 4, users: 9}]"])
    at = {elapsed_s: config.stage_at(elapsed_s) for elapsed_s in (0, 4.9, 5, 8.9, 9)}
    assert [at[moment] and at[moment].users for moment in at] == [1, 1, 9, 9, None]


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["usrs=4"], "usrs is not a known key; did you mean 'users'? allowed: shape, seed, "),
        (["thresholds.p98_ms=4"], "thresholds.p98_ms is not a known key; did you mean 'p9"),
        (["users=0"], "users: got 0; input should be greater than or equal to 1"),
        (["rate=5"], "rate is not used by shape smoke, whose stages say what they hold; give stages=[...]"),
        (["kinds={grpc: 0}"], "kinds needs shares of at least 0 that are not all 0, got {'grpc': 0.0}"),
        (["kinds={soap: 1}"], "kinds.soap: got 'soap'; input should be 'grpc', 'http_binary' or 'http_json'"),
        (["rows_per_request={0: 1}"], "rows_per_request needs numbers of rows of at least 1, got [0]"),
        (["stages=[{seconds: 3, users: 1, rate: 4}]"], "a stage has either users or a rate"),
        (["processes=9"], "processes must be at most the users of each stage, got 9"),
        (["users"], "expected key=value with a key of conf/loadtest/base.yaml, got 'users'"),
        (["users=["], "conf/loadtest/smoke.yaml does not compose with ['users=[']: "),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(overrides, sentence):
    with pytest.raises(ConfigError) as refused:
        load_settings("smoke", overrides)
    assert sentence in str(refused.value) and "\n" not in str(refused.value)


def test_stages_with_users_and_stages_with_a_rate_do_not_mix():
    with pytest.raises(ConfigError, match="all stages have users, or all have a rate"):
        load_settings("steps", ["stages=[{seconds: 1, users: 2}, {seconds: 1, rate: 2}]"])


def test_an_unknown_shape_is_answered_with_those_there_are():
    with pytest.raises(
        ConfigError, match="no shape 'base' in conf/loadtest/; there are burst, open, overload, smoke, steady, steps"
    ):
        load_settings("base", [])


def test_settings_read_from_json_are_checked_as_well():
    values = json.loads(json.dumps({"shape": "x", "seed": -1}))
    with pytest.raises(ConfigError):
        check_settings(values)
