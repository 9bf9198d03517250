"""A metrics endpoint on a free port that shows what a test wants it to show."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class MetricsPage:
    """What is shown from now on: `text`, with HTTP status `status`. `asked` counts the requests."""

    def __init__(self) -> None:
        self.text, self.status, self.asked, self.url = "", 200, 0, ""

    def counts(self, requests: int, queue_us: int = 0) -> None:
        """A page like Triton's after so many requests of model ctr."""
        self.text = (
            "# HELP nv_inference_request_success Number of successful inference requests\n"
            "# TYPE nv_inference_request_success counter\n"
            f'nv_inference_request_success{{model="ctr",version="1"}} {requests}\n'
            "# TYPE nv_inference_queue_duration_us counter\n"
            f'nv_inference_queue_duration_us{{model="ctr",version="1"}} {queue_us}\n'
            "# TYPE nv_inference_pending_request_count gauge\n"
            'nv_inference_pending_request_count{model="ctr",version="1"} 3\n'
            "# TYPE adclick_requests_total counter\n"
            f'adclick_requests_total{{outcome="answered",version="1"}} {requests}\n'
            "# TYPE adclick_predicted_probability_bucket counter\n"
            'adclick_predicted_probability_bucket{le="0.5",version="1"} 1\n'
            "# TYPE nv_gpu_utilization gauge\n"
            "nv_gpu_utilization 0.5\n"
        )


@contextmanager
def metrics_page() -> Iterator[MetricsPage]:
    page = MetricsPage()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = page.text.encode()
            page.asked += 1
            self.send_response(page.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    page.url = f"http://127.0.0.1:{server.server_port}/metrics"
    try:
        yield page
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
