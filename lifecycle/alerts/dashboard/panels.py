"""What the dashboard shows. Each expression is asked of a real Prometheus by tests/alerts/test_real_prometheus.py."""

from lifecycle.alerts.dashboard.grafana import Ask, GraphPanel, PanelRow
from lifecycle.alerts.dashboard.watched_panels import JOURNAL, MACHINE, MONITOR

TOTAL = "adclick_requests_total"
SERVING = PanelRow(
    title="Serving",
    panels=[
        GraphPanel(
            title="Requests by outcome",
            about="Refused is the callers' fault, overloaded and failed are ours (docs/operations.md#metrics).",
            asks=[Ask(expr=f"sum by (outcome) (rate({TOTAL}[5m]))", legend="{{outcome}}")],
            unit="reqps",
        ),
        GraphPanel(
            title="Requests that are not answered",
            about="Share of those that were not at fault: 0.1 % over 30 days is the objective, the line a page within an hour.",
            asks=[
                Ask(expr="adclick:bad_requests:ratio_rate5m", legend="5 minutes"),
                Ask(expr="adclick:bad_requests:ratio_rate1h", legend="1 hour"),
                Ask(expr="adclick:bad_requests:ratio_rate3d", legend="3 days"),
            ],
            unit="percentunit",
            limit=0.0144,
        ),
        GraphPanel(
            title="Time of a request",
            about="Mean inside ctr, waiting included; Triton has no histogram. The line is the objective of 25 ms.",
            asks=[
                Ask(expr="adclick:request_seconds:mean_rate1m", legend="all of it"),
                Ask(
                    expr='sum(rate(nv_inference_queue_duration_us{model="ctr"}[5m])) / 1e6'
                    ' / sum(rate(nv_inference_request_success{model="ctr"}[5m]))',
                    legend="waiting",
                ),
            ],
            unit="s",
            limit=0.025,
        ),
        GraphPanel(
            title="Rows answered",
            about="Rows a second, by release.",
            asks=[Ask(expr="sum by (version) (rate(adclick_rows_total[5m]))", legend="release {{version}}")],
        ),
        GraphPanel(
            title="Requests that wait",
            about="At serving.repository.max_queue_size they are refused as overloaded.",
            asks=[Ask(expr="sum by (model) (nv_inference_pending_request_count)", legend="{{model}}")],
        ),
        GraphPanel(
            title="Refused, by rule",
            about="Which rule requests break.",
            asks=[Ask(expr="sum by (rule) (rate(adclick_refused_total[5m]))", legend="{{rule}}")],
            unit="reqps",
        ),
    ],
)
MODEL = PanelRow(
    title="Model",
    panels=[
        GraphPanel(
            title="Predictions",
            about="Mean and quantiles of the answered probabilities, within the histogram's buckets.",
            asks=[
                Ask(
                    expr="sum(rate(adclick_predicted_probability_sum[5m])) / sum(rate(adclick_predicted_probability_count[5m]))",
                    legend="mean",
                ),
                Ask(
                    expr="histogram_quantile(0.5, sum by (le) (rate(adclick_predicted_probability_bucket[5m])))", legend="median"
                ),
                Ask(expr="histogram_quantile(0.9, sum by (le) (rate(adclick_predicted_probability_bucket[5m])))", legend="90 %"),
            ],
            unit="percentunit",
        ),
        GraphPanel(
            title="Values that training has not seen",
            about="Share of the rows, by column. A client that changed shows here first.",
            asks=[
                Ask(
                    expr="topk(10, sum by (column) (rate(adclick_unknown_values_total[5m]))"
                    " / scalar(sum(rate(adclick_rows_total[5m]))))",
                    legend="{{column}}",
                )
            ],
            unit="percentunit",
        ),
        GraphPanel(
            title="Missing values",
            about="Share of the rows, by column.",
            asks=[
                Ask(
                    expr="topk(10, sum by (column) (rate(adclick_missing_values_total[5m]))"
                    " / scalar(sum(rate(adclick_rows_total[5m]))))",
                    legend="{{column}}",
                )
            ],
            unit="percentunit",
        ),
        GraphPanel(
            title="Creatives",
            about="Rows by what is known of their creative: known, image (sent along), unknown.",
            asks=[Ask(expr="sum by (kind) (rate(adclick_creatives_total[5m]))", legend="{{kind}}")],
        ),
    ],
)
ROUTING = PanelRow(
    title="Rollout",
    panels=[
        GraphPanel(
            title="Requests by arm",
            about="What the route assigned; none: in no experiment (docs/routing.md).",
            asks=[Ask(expr="sum by (arm) (rate(adclick_routed_total[5m]))", legend="{{arm}}")],
            unit="reqps",
        ),
        GraphPanel(
            title="Fallbacks and guards",
            about="Requests of the challenger that the champion answered, and challengers that were put off.",
            asks=[
                Ask(expr="sum by (reason) (rate(adclick_fallback_total[5m]))", legend="fallback: {{reason}}"),
                Ask(expr="sum by (guard) (increase(adclick_guard_trips_total[1h]))", legend="put off: {{guard}}"),
            ],
        ),
        GraphPanel(
            title="Shadow work",
            about="What the other arm computed, or did not.",
            asks=[
                Ask(expr="sum by (outcome) (rate(adclick_shadow_total[5m]))", legend="{{outcome}}"),
                Ask(expr="max(adclick_challenger_open)", legend="challenger is open"),
            ],
        ),
        GraphPanel(
            title="Route",
            about="The route in force.",
            asks=[Ask(expr="adclick_route_info == 1", legend="{{mode}}: {{champion}} and {{challenger}}")],
            is_table=True,
        ),
    ],
)
ROWS = (SERVING, MODEL, ROUTING, JOURNAL, MONITOR, MACHINE)
