"""Panels of what stands behind the server: the journal, the monitor, the machine."""

from lifecycle.alerts.dashboard.grafana import Ask, GraphPanel, PanelRow

JOURNAL = PanelRow(
    title="Journal",
    panels=[
        GraphPanel(
            title="Behind",
            about="Age of the oldest answers that are not Parquet yet. The line is a warning.",
            asks=[Ask(expr="adclick_journal_parquet_lag_seconds", legend="{{instance}}")],
            unit="s",
            limit=300,
        ),
        GraphPanel(
            title="Rows written, made Parquet, lost",
            about="Rows a second. What is lost was answered and is nowhere.",
            asks=[
                Ask(expr='sum(rate(adclick_journal_total{what="rows"}[5m]))', legend="written"),
                Ask(expr="sum(rate(adclick_journal_parquet_rows_total[5m]))", legend="made Parquet"),
                Ask(expr='sum(rate(adclick_journal_lost_total{what="rows"}[5m]))', legend="lost"),
            ],
        ),
        GraphPanel(
            title="Room",
            about="Share of serving.journal.max_gib. At all of it nothing more is written.",
            asks=[Ask(expr="adclick_journal_disk_bytes / (adclick_journal_disk_limit_bytes > 0)", legend="{{instance}}")],
            unit="percentunit",
            limit=0.9,
        ),
    ],
)
MONITOR = PanelRow(
    title="Monitor",
    panels=[
        GraphPanel(
            title="Alerts that fire",
            about="docs/alerts.md says what each means and what to do.",
            asks=[Ask(expr='ALERTS{alertstate="firing"}', legend="{{alertname}}")],
            is_table=True,
            width=12,
        ),
        GraphPanel(
            title="Findings",
            about="What the last look found beyond chance; reports/monitor.html has the evidence.",
            asks=[Ask(expr="adclick_monitor_finding", legend="{{area}} {{subject}} {{kind}}")],
            is_table=True,
            width=12,
        ),
        GraphPanel(
            title="Figures by verdict",
            about="How many figures the last look judged.",
            asks=[Ask(expr="sum by (verdict) (adclick_monitor_findings)", legend="{{verdict}}")],
        ),
        GraphPanel(
            title="Since the last look",
            about="The line is a page.",
            asks=[Ask(expr="time() - adclick_monitor_last_look_timestamp_seconds", legend="{{instance}}")],
            unit="s",
            limit=1800,
        ),
        GraphPanel(
            title="Labels",
            about="How far the time up to which labels are complete lies back, and the oldest event that waits for its answer.",
            asks=[
                Ask(expr="adclick_feedback_watermark_age_seconds", legend="complete up to"),
                Ask(expr="adclick_feedback_oldest_waiting_seconds", legend="waits longest"),
            ],
            unit="s",
        ),
        GraphPanel(
            title="Events of the feed",
            about="What became of them.",
            asks=[Ask(expr="sum by (outcome) (adclick_feedback_events)", legend="{{outcome}}")],
        ),
        GraphPanel(
            title="Rows by release",
            about="Of the time that the last look was about.",
            asks=[Ask(expr="sum by (release, arm) (adclick_monitor_served_rows)", legend="release {{release}} {{arm}}")],
        ),
        GraphPanel(
            title="Training",
            about="Share of the budget of the last training.",
            asks=[Ask(expr='max by (kind) (adclick_monitor_effect{area="machine", subject="training"})', legend="{{kind}}")],
            unit="percentunit",
            limit=1,
        ),
    ],
)
MACHINE = PanelRow(
    title="Machine",
    panels=[
        GraphPanel(
            title="Processors",
            about="Share that is busy.",
            asks=[Ask(expr="adclick:cpu:used", legend="{{instance}}")],
            unit="percentunit",
            limit=0.9,
        ),
        GraphPanel(
            title="Memory",
            about="Share that is not available.",
            asks=[Ask(expr="adclick:memory:used", legend="{{instance}}")],
            unit="percentunit",
            limit=0.9,
        ),
        GraphPanel(
            title="Disks",
            about="Share of each file system.",
            asks=[Ask(expr="adclick:disk:used", legend="{{mountpoint}}")],
            unit="percentunit",
            limit=0.85,
        ),
        GraphPanel(
            title="Network",
            about="Bytes a second, but for loopback.",
            asks=[
                Ask(expr='sum(rate(node_network_receive_bytes_total{device!="lo"}[5m]))', legend="received"),
                Ask(expr='sum(rate(node_network_transmit_bytes_total{device!="lo"}[5m]))', legend="sent"),
            ],
            unit="Bps",
        ),
        GraphPanel(
            title="GPU",
            about="Where NVIDIA's DCGM exporter runs.",
            asks=[Ask(expr="DCGM_FI_DEV_GPU_UTIL / 100", legend="GPU {{gpu}}")],
            unit="percentunit",
        ),
        GraphPanel(
            title="GPU temperature",
            about="The line is a warning.",
            asks=[Ask(expr="DCGM_FI_DEV_GPU_TEMP", legend="GPU {{gpu}}")],
            unit="celsius",
            limit=87,
        ),
        GraphPanel(
            title="GPU memory",
            about="Share that is used.",
            asks=[Ask(expr="DCGM_FI_DEV_FB_USED / (DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE)", legend="GPU {{gpu}}")],
            unit="percentunit",
            limit=0.95,
        ),
        GraphPanel(
            title="Who answers Prometheus",
            about="1 if it does.",
            asks=[Ask(expr="up", legend="{{job}}")],
            unit="none",
        ),
    ],
)
