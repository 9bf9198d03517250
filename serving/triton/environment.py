"""What the server's environment tells its models."""

METRICS_URL = "ADCLICK_METRICS_URL"  # where this server publishes its metrics
