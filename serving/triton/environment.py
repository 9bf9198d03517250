"""What the server's environment tells its models."""

ONNXRUNTIME = "ADCLICK_ONNXRUNTIME"  # ONNX Runtime's library, for the backend in serving/native
JOURNAL = "ADCLICK_JOURNAL"  # how the journal is kept; see serving/native/journal/options.h. Not there: none is
JOURNAL_IMAGES = "ADCLICK_JOURNAL_IMAGES"  # which images it keeps: unknown or all; not there: none
JOURNAL_PRIVACY = "ADCLICK_JOURNAL_PRIVACY"  # what it does not keep as it came; see serving/native/journal/privacy.h
METRICS_URL = "ADCLICK_METRICS_URL"  # where this server publishes its metrics
ROUTE = "ADCLICK_ROUTE"  # path of the file that says who answers (docs/routing.md); not there: this release, unrouted
