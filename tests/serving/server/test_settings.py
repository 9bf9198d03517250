"""The server's settings: read from params.yaml, overridden, checked."""

import pytest
import yaml

from contracts.dataset.config_errors import ConfigError
from serving.server.settings import changed, load_server_config
from tests.serving.served_world import server_config


@pytest.fixture
def params(tmp_path, project):
    """Writes params.yaml with the real settings of the server, some of them changed."""

    def write(**changes):
        values = {**vars(server_config(tmp_path)), **changes}
        (project / "params.yaml").write_text(yaml.safe_dump({"serving": {"server": values}}))

    return write


def test_what_the_command_line_says_comes_first(params):
    params(http_port=9000)
    assert load_server_config().http_port == 9000
    assert load_server_config(http_port=9001, host=None).http_port == 9001


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"http_port": 70_000}, "serving.server.http_port: got 70000; input should be less than or equal to 65535"),
        ({"tls_cert": "cert.pem"}, "tls_cert and tls_key are given together"),
        ({"http_port": 9000, "grpc_port": 9000}, "the three ports must differ, got 9000, 9000, "),
        ({"exit_timeout_s": 0}, "serving.server.exit_timeout_s: got 0"),
        ({"image": "nvcr.io/nvidia/tritonserver:latest"}, "serving.server.image: got 'nvcr.io/nvidia/tritonserver:latest'"),
        ({"unknown": 1}, "serving.server.unknown"),
    ],
)
def test_a_wrong_setting_is_named_in_one_sentence(params, wrong, words):
    params(**wrong)
    with pytest.raises(ConfigError) as refused:
        load_server_config()
    assert words in str(refused.value)


def test_settings_that_are_changed_are_checked_again(tmp_path):
    config = server_config(tmp_path)
    assert changed(config, cache_mib=7).cache_mib == 7
    with pytest.raises(ConfigError, match="serving.server.cache_mib: got 0"):
        changed(config, cache_mib=0)
