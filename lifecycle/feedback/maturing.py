"""Labels that are final: of shown rows whose answer lies so far before the feed's watermark that no click can come any more.

What has become final is put into the store in one transaction, to be written; then files of labels/ are replaced, and only when
they lie there it is taken out again. Killed in between, the same files are written once more.
"""

from pathlib import Path

from contracts.lifecycle.feedback import FeedbackConfig
from lifecycle.feedback.answered import AnsweredFile, answered_files, answers_sql
from lifecycle.feedback.store import FINAL, REOPENED, FeedbackStore

DAY = "CAST(make_timestamp_ns({0}) AS DATE)"
FILES_AT_ONCE = 24  # of the journal, in a transaction
FROM_FACTS = f"""
INSERT INTO unwritten SELECT {DAY.format("answered_ns")}, prediction_id, row_no, key, answered_ns, release, shown_ns,
    coalesce(clicked, 0), {{now}}, source FROM facts WHERE """
FROM_JOURNAL = f"""
INSERT INTO unwritten
SELECT {DAY.format("s.answered_ns")}, s.prediction_id, s.row_no, s.key, s.answered_ns, s.release, NULL, 0, {{now}}, NULL
FROM s ANTI JOIN facts f ON f.prediction_id = s.prediction_id AND f.row_no = s.row_no
WHERE s.prediction_id NOT IN (SELECT prediction_id FROM superseded)
"""
SUPERSEDED = """
CREATE OR REPLACE TEMP TABLE superseded AS
SELECT DISTINCT a.prediction_id FROM near a JOIN near b ON a.request_id = b.request_id AND a.row_no = b.row_no
    AND a.key IS NOT DISTINCT FROM b.key AND a.event_ns IS NOT DISTINCT FROM b.event_ns
WHERE a.request_id IN (
    SELECT request_id FROM near WHERE row_no = 0 AND request_id IS NOT NULL GROUP BY request_id HAVING count(*) > 1)
    AND (b.answered_ns, b.prediction_id) > (a.answered_ns, a.prediction_id) AND b.answered_ns <= a.answered_ns + {0}
"""


def mature(store: FeedbackStore, journal: Path, config: FeedbackConfig, now_ns: int, complete_ns: int) -> int:
    """Make labels final; how many. They are in table `unwritten` then.

    All events from before `complete_ns`, and all answers, have been taken in and matched.
    """
    before_ns = complete_ns - config.maturity_ns
    begun = store.value("SELECT count(*) FROM unwritten")
    which = f"is_shown AND final_ns IS NULL AND answered_ns < {before_ns}"
    with store.transaction() as db:
        db.execute(FROM_FACTS.format(now=now_ns) + which)
        db.execute(f"UPDATE facts SET final_ns = {now_ns} WHERE {which}")
        store.count(**{FINAL: store.value("SELECT count(*) FROM unwritten") - begun})
    if config.all_shown:
        _mature_all(store, answered_files(journal), before_ns, config.retry_ns, now_ns)
    return int(store.value("SELECT count(*) FROM unwritten") - begun)


def _mature_all(store: FeedbackStore, files: list[AnsweredFile], before_ns: int, retry_ns: int, now_ns: int) -> None:
    """Every row of whole files of the journal, of which the events have been taken in: without a click it is a 0."""
    names = {name for (name,) in store.db.execute("SELECT name FROM looked_files").fetchall()}
    names -= {name for (name,) in store.db.execute("SELECT name FROM final_files").fetchall()}
    ripe = [file for file in files if file.name in names and file.end_ns <= before_ns]
    for start in range(0, len(ripe), FILES_AT_ONCE):
        some = ripe[start : start + FILES_AT_ONCE]
        begun = store.value("SELECT count(*) FROM unwritten")
        with store.transaction() as db:
            _read(store, some, files, retry_ns)
            here = "final_ns IS NULL AND (prediction_id, row_no) IN (SELECT (prediction_id, row_no) FROM s)"
            db.execute(FROM_JOURNAL.format(now=now_ns))
            db.execute(FROM_FACTS.format(now=now_ns) + here)
            db.execute(f"UPDATE facts SET final_ns = {now_ns} WHERE {here}")
            db.execute("INSERT INTO final_files SELECT unnest(?)", [[file.name for file in some]])
            store.count(**{FINAL: store.value("SELECT count(*) FROM unwritten") - begun})


def _read(store: FeedbackStore, some: list[AnsweredFile], files: list[AnsweredFile], retry_ns: int) -> None:
    """Views of the rows of these files, and of those whose answer was sent again, perhaps in the next hour."""
    near = [file for file in files if some[0].start_ns <= file.start_ns <= some[-1].end_ns + retry_ns]
    for view, read in (("s", some), ("near", near)):
        store.db.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS {answers_sql(read)}")
    store.db.execute(SUPERSEDED.format(retry_ns))


def reopen(store: FeedbackStore, now_ns: int) -> int:
    """Take in the corrections that came too late; how many. Final labels among them are in table `unwritten` then."""
    with store.transaction() as db:
        number = int(store.value("SELECT count(*) FROM facts WHERE late_clicked IS NOT NULL"))
        db.execute(
            "UPDATE facts SET clicked = late_clicked, said_ns = late_ns, source = late_source, late_clicked = NULL, "
            f"late_ns = NULL, late_source = NULL, final_ns = CASE WHEN final_ns IS NOT NULL THEN -{now_ns} END "
            "WHERE late_clicked IS NOT NULL"
        )
        db.execute(FROM_FACTS.format(now=now_ns) + "final_ns < 0")
        db.execute("UPDATE facts SET final_ns = -final_ns WHERE final_ns < 0")
        store.count(**{REOPENED: number})
    return number
