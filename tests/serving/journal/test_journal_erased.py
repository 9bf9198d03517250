"""What real Triton wrote, in C and in Python, with hashed users and requests that were handed on, and one user out of it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import tritonclient.grpc as triton

from lifecycle.erase import segments
from lifecycle.erase.wanted import Wanted
from serving.journal.privacy import journal_key
from tests.lifecycle.journal.second_reader import read
from tests.serving.doors import ask_grpc
from tests.serving.journal.journalled import journalling
from tests.serving.native.test_native import odd_requests
from tests.serving.served_world import exported_with
from tests.serving.strict_world import STRICT_LIMITS

pytestmark = pytest.mark.triton
USER = "device 1"


@pytest.mark.parametrize("columns", [{}, {"device": "keyed_hash"}], ids=["as_is", "hashed"])
def test_one_user_goes_from_what_was_served(strict_exported, strict_spec, strict_rows, tmp_path, columns):
    repository = exported_with(strict_exported, tmp_path / "repository", **STRICT_LIMITS)
    requests = odd_requests(strict_spec, strict_rows, 300)
    with (
        journalling(tmp_path, repository, columns=columns, caller_key="keyed_hash") as running,
        triton.InferenceServerClient(running.server.grpc_url) as client,
        ThreadPoolExecutor(16) as pool,
    ):
        replies = list(pool.map(lambda tensors: ask_grpc(client, tensors, "ctr"), requests))
    key = journal_key(tmp_path / "journal-key")
    wanted = Wanted(column="device", value=USER, is_whole=False, in_caller_keys=False, key=key)
    place = [column.name for column in strict_spec.categorical].index("device")
    theirs = (wanted.hashes[0] if columns else USER.encode()).decode()
    before = running.rows()
    assert {about["written_by"] for about in running.about()} == {"native", "python"}
    expected = [row for row in before if row["strings"][place] != theirs]
    assert len(before) == sum(len(r.probability) for r in replies if r.code == "OK") > len(expected) + 20
    for path in running.segments():
        held = segments.look(path, wanted)
        if held.rows:
            segments.erase(path, wanted)
        assert held.why_not is None and segments.look(path, wanted).rows == 0
    assert repr(running.rows()) == repr(expected)
    erased = [row for path in running.segments() for row in read(path)["erased"]]
    assert len(erased) >= len(before) - len(expected)  # of a batch that was handed on the rows are in two records
    assert not any(theirs.encode() in path.read_bytes() for path in running.segments())
    assert len(running.served()) == len(expected)
