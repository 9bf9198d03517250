"""What a request may say for the journal beside its rows, and by what its answer is found there."""

PREDICTION_ID = "prediction_id"  # output of the served models, one text a request, where a journal is kept
KEY = "key"  # input, BYTES [rows, 1]: the caller's own key of each row
EVENT_TIME_MS = "event_time_ms"  # parameter, a whole number: when the rows' event was, milliseconds since 1970
LONGEST_KEY = 256  # bytes; LONGEST_KEY in serving/native/request/sent.h
SCHEMA = "journal.json"  # in the version folder of the native `ctr`: what a segment says of the rows in it
