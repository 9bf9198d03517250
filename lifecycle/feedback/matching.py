"""Events that wait, and the rows of the journal that they are about: one transaction takes in what was found.

Which answer an event belongs to: the row that it names by prediction id, or, by a caller's key, the last row with that key whose
time is not after the event's (if all are after it, the first). An answer whose request was sent again and answered again hands
its events to the last of these answers, which is the one that the caller has.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from contracts.lifecycle.feedback import FeedbackConfig
from lifecycle.feedback.answered import DAY_NS, AnsweredFile, answered_files, answers_sql, within
from lifecycle.feedback.folding import AT_ONCE, FACTS, fold
from lifecycle.feedback.rules import EXPIRED, REJECTED
from lifecycle.feedback.store import LATE, FeedbackStore

SEVERAL = "the answer has several rows; name the row"
HITS = """
CREATE OR REPLACE TEMP TABLE hits (
    seq BIGINT, kind VARCHAR, at_ns BIGINT, clicked TINYINT, source VARCHAR,
    prediction_id VARCHAR, row_no UINTEGER, key VARCHAR, answered_ns BIGINT, event_ns BIGINT, request_id VARCHAR, release BIGINT,
    name VARCHAR)
"""
OF_EVENT, OF_ROW = "w.seq, w.kind, w.at_ns, w.clicked, w.source", "s.*"
BY_ID = f"""
INSERT INTO hits SELECT {OF_EVENT}, {OF_ROW} FROM served s
JOIN sought w ON w.prediction_id = s.prediction_id AND (w.row_no = s.row_no OR w.row_no IS NULL)
"""
BY_KEY = f"""
INSERT INTO hits SELECT * EXCLUDE (moment) FROM (
    SELECT {OF_EVENT}, {OF_ROW}, coalesce(w.at_ns, w.received_ns) AS moment FROM served s
    JOIN sought w ON w.prediction_id IS NULL AND w.key = s.key)
QUALIFY row_number() OVER (PARTITION BY seq ORDER BY
    coalesce(event_ns, answered_ns) <= moment DESC,
    CASE WHEN coalesce(event_ns, answered_ns) <= moment THEN 1 ELSE -1 END * coalesce(event_ns, answered_ns) DESC,
    answered_ns DESC, prediction_id DESC, row_no DESC) = 1
"""
SENT_AGAIN = """
CREATE OR REPLACE TEMP TABLE last_answers AS
SELECT h.prediction_id AS before_id, h.row_no AS before_row, s.prediction_id, s.row_no, s.key, s.answered_ns, s.release, s.name
FROM (SELECT DISTINCT prediction_id, row_no, request_id, key, event_ns, answered_ns FROM hits WHERE request_id IS NOT NULL) h
JOIN served s ON s.request_id = h.request_id AND s.row_no = h.row_no AND s.key IS NOT DISTINCT FROM h.key
    AND s.event_ns IS NOT DISTINCT FROM h.event_ns AND s.answered_ns BETWEEN h.answered_ns - {0} AND h.answered_ns + {0}
QUALIFY row_number() OVER (PARTITION BY h.prediction_id, h.row_no ORDER BY s.answered_ns DESC, s.prediction_id DESC) = 1
"""
HANDED_ON = """
UPDATE hits SET prediction_id = l.prediction_id, row_no = l.row_no, key = l.key, answered_ns = l.answered_ns, release = l.release,
    name = l.name
FROM last_answers l WHERE hits.prediction_id = l.before_id AND hits.row_no = l.before_row AND l.prediction_id <> l.before_id
"""


def match(store: FeedbackStore, journal: Path, config: FeedbackConfig, now_ns: int, complete_ns: int) -> Counter[str]:
    """Take in the events whose rows are in the journal by now, and give up those that are too old; how many of each class.

    The answers from before `complete_ns` were in Parquet when this began.
    """
    files = answered_files(journal)
    known = {name for (name,) in store.db.execute("SELECT name FROM looked_files").fetchall()}
    new = [file for file in files if file.name not in known]
    classes: Counter[str] = Counter()
    with store.transaction() as db:
        db.execute(
            "CREATE OR REPLACE TEMP TABLE sought AS SELECT * FROM waiting "
            "WHERE prediction_id IS NOT NULL OR coalesce(at_ns, received_ns) < ?",
            [complete_ns],
        )
        wide = _sought_in(store, files, config)
        looked_at = sorted({file.name: file for file in (*new, *wide)}.values(), key=lambda file: (file.start_ns, file.name))
        if looked_at and store.value("SELECT count(*) FROM sought"):
            _find(store, looked_at, config.retry_ns)
            classes += _take(store, config, now_ns)
        db.execute("UPDATE waiting SET looked = true WHERE NOT looked AND seq IN (SELECT seq FROM sought)")
        db.execute("INSERT INTO looked_files SELECT unnest(?)", [[file.name for file in new]])
        _forget(store, {file.name for file in files}, known)
        classes[EXPIRED] += _expire(store, now_ns - config.expiry_ns)
        late = classes.pop(LATE, 0)
        store.count(**classes, **{LATE: late})
    return classes


def _sought_in(store: FeedbackStore, files: list[AnsweredFile], config: FeedbackConfig) -> list[AnsweredFile]:
    """The files in which the answers may be that events are about which nobody has looked for yet."""
    first, last = store.db.execute(
        "SELECT min(coalesce(at_ns, received_ns)), max(coalesce(at_ns, received_ns)) FROM sought WHERE NOT looked"
    ).fetchall()[0]
    if first is None or last is None:
        return []
    return within(files, first - config.expiry_ns, last + DAY_NS)


def _find(store: FeedbackStore, files: list[AnsweredFile], retry_ns: int) -> None:
    """Table `hits`: events and their rows."""
    db = store.db
    db.execute(f"CREATE OR REPLACE TEMP VIEW served AS {answers_sql(files)}")
    db.execute(HITS)
    if store.value("SELECT count(*) FROM sought WHERE prediction_id IS NOT NULL"):
        db.execute(BY_ID)
    if store.value("SELECT count(*) FROM sought WHERE prediction_id IS NULL"):
        db.execute(BY_KEY)
    if store.value("SELECT count(*) FROM hits WHERE request_id IS NOT NULL"):
        db.execute(SENT_AGAIN.format(retry_ns))
        db.execute(HANDED_ON)


def _take(store: FeedbackStore, config: FeedbackConfig, now_ns: int) -> Counter[str]:
    """What `hits` has becomes facts, by the rules; the events wait no longer."""
    db = store.db
    db.execute("CREATE OR REPLACE TEMP TABLE several AS SELECT seq FROM hits GROUP BY seq HAVING count(*) > 1")
    classes = Counter({REJECTED: store.value("SELECT count(*) FROM several")})
    if classes[REJECTED]:
        db.execute("INSERT INTO refused VALUES ('journal', 'row', ?, ?)", [SEVERAL, classes[REJECTED]])
    db.execute("CREATE OR REPLACE TEMP TABLE changed AS SELECT * FROM facts LIMIT 0")
    for batch in fold(_with_facts(store, now_ns), config.maturity_ns, classes):
        db.register("folded", batch)
        db.execute("INSERT INTO changed SELECT * FROM folded")
        db.unregister("folded")
    db.execute("DELETE FROM facts USING changed c WHERE facts.prediction_id = c.prediction_id AND facts.row_no = c.row_no")
    db.execute("INSERT INTO facts SELECT * FROM changed")
    db.execute("DELETE FROM waiting WHERE seq IN (SELECT seq FROM hits)")
    return classes


def _with_facts(store: FeedbackStore, now_ns: int) -> Iterator[pa.RecordBatch]:
    """Events beside what is known of their rows, row by row, in the order in which they came."""
    own = ", ".join(f"coalesce(f.{name}, h.{name}) AS {name}" for name in ("key", "answered_ns", "release"))
    known = ", ".join(f"f.{name}" for name in FACTS[5:-1])
    store.db.execute(
        f"""CREATE OR REPLACE TEMP TABLE folding AS
        SELECT h.prediction_id, h.row_no, {own}, {known},
            CASE WHEN f.prediction_id IS NOT NULL THEN f.final_ns WHEN n.name IS NOT NULL THEN {now_ns} END AS final_ns,
            h.seq, h.kind, h.at_ns AS event_ns, h.clicked AS event_clicked, h.source AS event_source,
            row_number() OVER (ORDER BY h.prediction_id, h.row_no, h.seq) AS place
        FROM (SELECT * FROM hits WHERE seq NOT IN (SELECT seq FROM several)) h
        LEFT JOIN facts f ON f.prediction_id = h.prediction_id AND f.row_no = h.row_no
        LEFT JOIN final_files n ON n.name = h.name"""
    )
    for start in range(0, store.value("SELECT count(*) FROM folding"), AT_ONCE):  # the connection has other work in between
        places = f"place > {start} AND place <= {start + AT_ONCE}"
        piece = f"SELECT * EXCLUDE place FROM folding WHERE {places} ORDER BY place"
        yield from store.db.sql(piece).to_arrow_table().to_batches()


def _forget(store: FeedbackStore, there: set[str], known: set[str]) -> None:
    """Names of files that the journal has removed."""
    for name in known - there:
        for table in ("looked_files", "final_files"):
            store.db.execute(f"DELETE FROM {table} WHERE name = ?", [name])


def _expire(store: FeedbackStore, before_ns: int) -> int:
    number = store.value("SELECT count(*) FROM waiting WHERE looked AND coalesce(at_ns, received_ns) < ?", [before_ns])
    store.db.execute("DELETE FROM waiting WHERE looked AND coalesce(at_ns, received_ns) < ?", [before_ns])
    return int(number)
