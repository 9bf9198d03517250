"""Triton's control API as the server's own tools use it: what goes wrong there is one sentence."""

import time

import pytest

from serving.server.admin import AdminApi, reason
from tests.serving.doors import over_http, packed
from tests.serving.served_world import free_ports, secret_of, wait_for

pytestmark = pytest.mark.triton


@pytest.fixture
def nobody() -> str:
    """An address where nothing listens."""
    return f"http://127.0.0.1:{free_ports(1)[0]}"


def test_a_running_server_says_what_it_serves(server):
    admin = AdminApi(server.http_url, secret_of(server))
    assert admin.live() and admin.ready()
    assert admin.versions("ctr") == [1] and admin.versions("none") == []
    assert admin.settled()


def test_answers_are_counted_well_or_not(server, spec, exported_rows):
    admin, tensors = AdminApi(server.http_url, secret_of(server)), packed(exported_rows[:3], spec)
    time.sleep(0.3)  # Triton counts an answer a moment after it was sent: those of other tests, here
    before = admin.answered("ctr")
    assert over_http(server, tensors).code == "OK"
    tensors["categorical"][1, 0] = b"\xff"
    assert over_http(server, tensors).code == "INVALID_ARGUMENT"
    wait_for(lambda: admin.answered("ctr") == before + 2, 5, "both are counted")


def test_a_model_that_is_not_there_is_not_loaded(server):
    with pytest.raises(ValueError, match="model 'none' was not loaded: failed to load 'none', failed to poll from model"):
        AdminApi(server.http_url, secret_of(server)).load("none")


@pytest.mark.parametrize("secret", [None, "guess"])
def test_without_the_secret_nothing_is_loaded_or_listed(server, secret):
    stranger = AdminApi(server.http_url, secret)
    with pytest.raises(ValueError, match="model 'ctr' was not loaded: This API is restricted"):
        stranger.load("ctr")
    with pytest.raises(ValueError, match="model 'ctr' was not unloaded: This API is restricted"):
        stranger.unload("ctr")
    with pytest.raises(ValueError, match="does not list its models: This API is restricted"):
        stranger.settled()
    with pytest.raises(ValueError, match="does not tell the statistics of 'ctr': This API is restricted"):
        stranger.answered("ctr")


def test_a_server_that_is_not_there_is_said(nobody):
    admin = AdminApi(nobody, "secret")
    assert not admin.live() and not admin.ready() and admin.versions("ctr") == []
    with pytest.raises(ValueError, match=f"model 'ctr' was not loaded: {nobody} does not answer \\(NewConnectionError\\)"):
        admin.load("ctr")
    with pytest.raises(ValueError, match=f"{nobody} does not answer \\(NewConnectionError\\)"):
        admin.settled()
    with pytest.raises(ValueError, match=f"{nobody} does not answer"):
        admin.answered("ctr")


def test_the_reason_is_one_line_of_whatever_was_answered():
    assert reason(b'{"error": "first\\nsecond"}') == "first"
    assert reason(b"<html>\xff") == "<html>\ufffd"
    assert reason(b'["no object"]') == '["no object"]'
