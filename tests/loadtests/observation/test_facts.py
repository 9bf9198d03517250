import json

from loadtests.observation import facts
from serving.server.ports import free_ports
from tests.loadtests.observation.metrics_page import metrics_page


def test_the_server_says_its_version():
    with metrics_page() as page:
        page.text = json.dumps({"name": "triton", "version": "2.51.0"})
        assert facts.triton_version(page.url.removesuffix("/metrics")) == "2.51.0"


def test_a_server_that_does_not_answer_or_says_something_else_has_no_known_version():
    assert facts.triton_version(f"http://127.0.0.1:{free_ports(1)[0]}") == "not known"
    with metrics_page() as page:
        for text in ("no JSON", "[]", "{}"):
            page.text = text
            assert facts.triton_version(page.url.removesuffix("/metrics")) == "not known"


def test_versions_name_what_the_server_environment_holds(tmp_path):
    (tmp_path / "lib/python3.11/site-packages/onnxruntime-1.31.1.dist-info").mkdir(parents=True)
    found = facts.versions(f"http://127.0.0.1:{free_ports(1)[0]}", serving=tmp_path)
    assert found["onnxruntime (server)"] == "1.31.1" and "numpy (server)" not in found
    assert found["python"].count(".") == 2 and found["tritonclient"]


def test_the_machine_is_described_without_its_name():
    found = facts.machine()
    assert set(found) == {"processor", "cores", "memory_gib", "system"}
    assert found["cores"] >= 1 and found["memory_gib"] > 0 and found["processor"]
