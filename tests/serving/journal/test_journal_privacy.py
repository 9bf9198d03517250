"""Columns that are not written as they came: the backend in C and the Python models write the same, and refuse the same."""

import hashlib
import hmac
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import tritonclient.grpc as triton

from serving.journal.folder import kept_journal
from serving.journal.privacy import journal_key
from tests.serving.doors import ask_grpc, over_grpc, packed
from tests.serving.journal.journalled import journal_config, journalling
from tests.serving.journal.test_journal_served import SAME, by_id
from tests.serving.native.test_native import odd_requests
from tests.serving.pictures import encoded
from tests.serving.served_world import REPOSITORY, exported_with, serving
from tests.serving.strict_world import STRICT_LIMITS

pytestmark = pytest.mark.triton
COLUMNS = {
    "device": "keyed_hash", "site": "drop", "view": "keyed_hash", "mobile": "as_is",
    "ad": "keyed_hash", "creative_image": "drop", "visits": "drop",
}  # fmt: skip


@pytest.fixture(scope="module", params=[True, False], ids=["native", "python"])
def hiding(request, strict_exported, tmp_path_factory):
    """A server that hides columns: `ctr` is the backend in C, or the Python model."""
    folder = tmp_path_factory.mktemp("hiding")
    repository = exported_with(strict_exported, folder / "repository", native=request.param, **STRICT_LIMITS)
    with journalling(folder, repository, columns=COLUMNS, caller_key="keyed_hash", segment_mib=8) as running:
        yield running


def doors(running) -> list[str]:
    return [name for name in ("ctr", "ctr_careful") if (running.folder.parent / "models" / name).is_dir()]


def hashed(running, text: bytes) -> str:
    """By the page: HMAC-SHA256, its first 16 bytes as digits."""
    key = running.folder.with_name("journal-key").read_bytes().strip()
    return hmac.new(key, text, hashlib.sha256).digest()[:16].hex() if text else ""


def test_no_hidden_value_is_written_whatever_the_door(hiding, strict_spec, strict_rows):
    requests = odd_requests(strict_spec, strict_rows, 120)
    for n, tensors in enumerate(requests):
        tensors["key"] = np.array([[f"key {n}".encode() if n % 3 else b""]] * len(tensors["numeric"]), dtype=object)
    with triton.InferenceServerClient(hiding.server.grpc_url) as client:
        asked = [[ask_grpc(client, tensors, name, event_time_ms=5) for name in doors(hiding)] for tensors in requests]
    rows, ids = by_id(hiding.rows()), hiding.about()[0]["schema"]["ids"]
    answered = []
    for tensors, replies in zip(requests, asked, strict=True):
        if replies[0].code != "OK":
            continue
        found = [rows[reply.prediction_id] for reply in replies]
        assert len({repr([[row[name] for name in SAME] for row in some]) for some in found}) == 1
        sent = zip(found[0], tensors["categorical"], tensors["numeric"], tensors["key"], strict=True)
        for row, strings, numbers, key in sent:
            assert_hidden(hiding, strict_spec, row, strings, numbers)
            assert row["key"] == hashed(hiding, key[0])
            answered.append(dict(zip(ids, row["ids"], strict=True)))
    assert len(answered) > 100 and {"mobile", "device", "view"} <= {*ids}
    assert all(row[name] == 0 for row in answered for name in ids if COLUMNS.get(name, "as_is") != "as_is")
    assert any(row["mobile"] for row in answered)


def assert_hidden(running, spec, row, strings, numbers) -> None:
    sent = dict(zip((column.name for column in spec.categorical), strings, strict=True))
    written = dict(zip(sent, row["strings"], strict=True))
    assert written["site"] == "" and written["mobile"] == sent["mobile"].decode()
    assert all(written[name] == hashed(running, sent[name]) for name in ("device", "view", "ad"))
    for column, ours, theirs in zip(spec.numeric, row["numbers"], numbers, strict=True):
        assert math.isnan(ours) if column.name == "visits" else np.array_equal(np.float32(ours), theirs, equal_nan=True)


def test_segments_say_what_is_hidden_and_by_which_key_and_nothing_holds_the_key(hiding, strict_spec, strict_rows):
    for model in doors(hiding):
        assert over_grpc(hiding.server, packed(strict_rows[:1], strict_spec), model).code == "OK"
    for about in hiding.about():
        assert about["columns"] == {name: how for name, how in COLUMNS.items() if how != "as_is"}
        assert about["caller_key"] == "keyed_hash"
        assert about["key_fingerprint"] == hashed(hiding, b"adclick journal key")[:16]
    key, process = journal_key(hiding.folder.with_name("journal-key")), Path("/proc", str(hiding.server.process.pid))
    told = (*hiding.segments(), hiding.folder.parent / "triton.log", process / "environ", process / "cmdline")
    assert len(key) > 40 and not any(key in path.read_bytes() for path in told)
    assert hiding.folder.with_name("journal-key").stat().st_mode & 0o777 == 0o600


def test_an_image_that_is_hidden_leaves_no_digest(hiding, strict_spec, strict_rows):
    tensors = packed(strict_rows[5:6].with_columns(ad=77), strict_spec, [encoded(color=(9, 9, 9))])
    reply = over_grpc(hiding.server, tensors)
    assert reply.code == "OK" and by_id(hiding.rows())[reply.prediction_id][0]["image_sha256"] is None


def test_in_parquet_a_hash_is_a_string_and_what_was_dropped_is_null(strict_exported, strict_spec, strict_rows, tmp_path):
    repository = exported_with(strict_exported, tmp_path / "repository", **STRICT_LIMITS)
    with journalling(tmp_path, repository, columns=COLUMNS, caller_key="drop") as running:
        tensors = packed(strict_rows, strict_spec)
        tensors["key"] = np.array([[b"mine"]] * len(strict_rows), dtype=object)
        assert over_grpc(running.server, tensors).code == "OK"
    table = running.served()
    assert all(table.schema[name] == pl.String for name in ("view", "device", "site", "ad"))
    assert table.schema["visits"] == pl.Int64 and table.schema["mobile"] == pl.Boolean
    for name in ("visits", "site", "key", "device__id", "view__id", "creative_image__id", "image_sha256"):
        assert table[name].null_count() == 50, name
    assert table.schema["view__id"] == pl.UInt32 and table["mobile__id"].null_count() == 0
    assert set(table["device"]) == {hashed(running, text.encode()) for text in strict_rows["device"]}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (
            {"user": "drop"},
            "names 'user', and this release takes no such column; correct it in conf/serving, allowed: site, device",
        ),
        ({"age": "keyed_hash"}, "'age' is not sent as text and cannot be a keyed_hash; drop it"),
        ({"ad": "drop"}, "'ad' is not kept as it came, but the id and the digest of its image .* add creative_image: drop"),
    ],
)
def test_columns_that_do_not_fit_the_release_are_refused_before_anything_starts(strict_exported, tmp_path, columns, words):
    repository = exported_with(strict_exported, tmp_path / "repository", **STRICT_LIMITS)
    config = journal_config(tmp_path / "journal", columns=columns)
    with pytest.raises(ValueError, match=words), kept_journal(config, repository / "ctr/1"):
        pass
    assert not (tmp_path / "journal").exists() and not (tmp_path / "journal-key").exists()


def test_what_is_computed_of_a_hidden_column_has_to_be_hidden_too(exported_as, tmp_path):
    version = exported_as("computed") / REPOSITORY / "ctr/1"
    hidden = {"view": "drop"}
    for name in ("site_view", "ad_site_view"):
        config = journal_config(tmp_path / "journal", columns=hidden)
        words = f"'view' is not kept as it came, but the id of '{name}', which the model .* add {name}: drop"
        with pytest.raises(ValueError, match=words), kept_journal(config, version):
            pass
        hidden |= {name: "drop"}
    with kept_journal(journal_config(tmp_path / "journal", columns=hidden), version) as told:
        assert told


@pytest.mark.parametrize("native", [True, False])
def test_a_release_that_lacks_a_hidden_column_is_not_loaded(strict_exported, tmp_path, native):
    """As one that is deployed into a running server may."""
    repository = exported_with(strict_exported, tmp_path / "repository", native=native, **STRICT_LIMITS)
    config = journal_config(tmp_path / "journal", columns={"user": "drop"})
    with (
        kept_journal(config) as told,
        pytest.raises(ValueError, match="serving.journal.columns names 'user', and this release takes no such column"),
        serving(tmp_path, repository, False, told),
    ):
        pass


def test_a_key_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "journal-key"
    path.write_text("a key\n")
    path.chmod(0o644)
    config = journal_config(tmp_path / "journal", caller_key="keyed_hash")
    with (
        pytest.raises(ValueError, match=r"key_file\): .*can be read by others; run `chmod"),
        kept_journal(config),
    ):
        pass
