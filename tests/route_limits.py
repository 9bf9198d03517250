"""What a challenger may do in tests: the numbers of docs/routing.md."""

from decimal import Decimal

from contracts.serving.route import Limits

LIMITS = Limits(
    timeout_ms=100,
    max_p99_ms=50,
    max_error_share=Decimal("0.02"),
    max_timeout_share=Decimal("0.02"),
    max_mean_ratio=Decimal("1.5"),
    min_distinct_ratio=Decimal("0.2"),
    max_slowdown=Decimal(3),
)
