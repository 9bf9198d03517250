"""The page of a rollout says how it stands, shows every metric over the looks, and who decided what."""

import re
from dataclasses import replace

from lifecycle.rollout.control.files import Decision, Remembered, append_decision, write_state
from lifecycle.rollout.page import __main__ as command
from lifecycle.rollout.page.write import rendered
from lifecycle.rollout.rollout import Rollout
from tests.lifecycle.rollout.page.sample_rollout import sample
from tests.lifecycle.rollout.statistics.simulated_pairs import START_NS, settings


def test_it_says_why_a_challenger_was_sent_back():
    page = rendered(*sample(), now_ns=START_NS)
    assert "Sent back: release 13. log-loss against the champion&#39;s: +" in page
    assert page.count('<figure class="card">') >= 8 and page.count("<svg") == page.count("</svg>")
    for view in ("both", "own", "other", "interaction"):
        assert f"<b>{view}</b>" in page
    assert "worse than it may be" in page and "as the route says" in page and "device=3" in page
    assert "ann" in page and "the newest export" in page


def test_it_needs_nothing_but_itself():
    page = rendered(*sample(), now_ns=START_NS)
    assert not re.search(r"(src|href)=[\"'](?!#|data:)", page) and "<script" not in page and "default-src 'none'" in page


def test_texts_of_others_are_no_markup():
    remembered, decisions = sample(noise=0.2)
    nasty = Decision(at_ns=START_NS, step=1, action="pause", who="<b>eve</b>", reasons=("<script>alert(1)</script>",))
    page = rendered(remembered, [*decisions, nasty], now_ns=START_NS)
    assert "<script" not in page and "&lt;b&gt;eve" in page


def test_a_rollout_without_evidence_is_shown_too():
    rollout = Rollout(name="x", champion=1, challenger=2, salt="s", begun_ns=START_NS)
    page = rendered(Remembered(rollout=rollout, config=settings()), [], now_ns=START_NS)
    assert "No step has begun." in page and "No day of the rollout has final labels yet." in page
    paused = replace(rollout, status="paused")
    assert "Paused: release 2" in rendered(Remembered(rollout=paused, config=settings()), [], now_ns=START_NS)


def test_the_command_writes_the_newest_or_says_which_there_are(tmp_path, monkeypatch, capsys):
    remembered, decisions = sample(noise=0.2)
    folder = remembered.rollout.folder(tmp_path / "rollouts")
    folder.mkdir(parents=True)
    write_state(folder, remembered)
    for decision in decisions:
        append_decision(folder, decision)
    page = tmp_path / "reports/rollout.html"
    monkeypatch.setattr("sys.argv", ["page", "--folder", str(tmp_path / "rollouts"), "--page", str(page)])
    command.main()
    assert (
        "Under way: release 13 in the place of 12, step 3 of 5" in page.read_text()
        and "shows 2025-11-30-13-9f86" in capsys.readouterr().out
    )
    monkeypatch.setattr("sys.argv", ["page", "nosuch", "--folder", str(tmp_path / "rollouts")])
    try:
        command.main()
    except ValueError as error:
        assert "has no rollout nosuch; there are: 2025-11-30-13-9f86" in str(error)
    else:
        raise AssertionError
