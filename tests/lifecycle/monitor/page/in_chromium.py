"""A page opened in headless Chromium, all of whose requests go to a proxy here that answers some and remembers each."""

import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST = "http://page.test"
ITS_OWN = ("clients2.google.com", "update.googleapis.com", "accounts.google.com", "optimizationguide-pa.googleapis.com")
FRAME = """<body style="margin: 0"><iframe src="/framed" style="width: {width}px; height: 900px; border: 0"></iframe><script>
addEventListener("load", () => {{
  const page = document.querySelector("iframe").contentDocument;
  page.querySelectorAll("details").forEach(one => one.open = true);
  const all = [...page.querySelectorAll("body *")].filter(one => !one.closest("thead, svg"));
  const hides = one => one.scrollWidth > one.clientWidth + 1 && page.defaultView.getComputedStyle(one).overflowX !== "visible";
  const right = Math.max(...all.map(one => one.getBoundingClientRect().right));
  const hidden = all.filter(hides).length;
  const found = [page.defaultView.innerWidth, page.documentElement.scrollWidth, Math.ceil(right), hidden, all.length];
  document.body.setAttribute("data-seen", found.join(" "));
}})</script></body>"""


@dataclass(frozen=True, kw_only=True)
class SeenPage:
    asked: list[str]  # addresses of all requests, in order
    dom: str  # as it is once all is loaded


@dataclass(frozen=True, kw_only=True)
class SeenWidths:
    window: int
    document: int
    right: int  # where the furthest element ends
    hidden: int  # elements that hide a part of themselves
    elements: int


def widths(page: str, folder: Path, width: int) -> SeenWidths:
    """Of the page in a frame of `width`, all details open: a window of Chromium's is never narrower than 500 pixels."""
    seen = opened(FRAME.format(width=width), folder, {f"{HOST}/framed": page})
    numbers = map(int, re.findall(r'data-seen="([\d ]+)"', seen.dom)[0].split())
    return SeenWidths(**dict(zip(("window", "document", "right", "hidden", "elements"), numbers, strict=True)))


def opened(page: str, folder: Path, others: Mapping[str, str] | None = None) -> SeenPage:
    """The page at `HOST`/, beside `others` by their addresses; nothing else is answered."""
    with _proxy({f"{HOST}/": page, **(others or {})}) as (port, asked):
        command = [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
            *(
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-features=NetworkTimeServiceQuerying",
            ),
            *(f"--user-data-dir={folder / 'chromium'}", "--window-size=1400,900", f"--proxy-server=127.0.0.1:{port}"),
            *("--proxy-bypass-list=<-loopback>", "--virtual-time-budget=4000", "--dump-dom", f"{HOST}/"),
        ]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    return SeenPage(asked=[address for address in asked if _host(address) not in ITS_OWN], dom=ran.stdout)


def _host(address: str) -> str:
    """Chromium's own requests, whatever page it opens, are known by it."""
    return address.removeprefix("http://").partition("/")[0].partition(":")[0]


@contextmanager
def _proxy(pages: Mapping[str, str]) -> Iterator[tuple[int, list[str]]]:
    asked: list[str] = []

    class Remembering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = pages.get(self.path, "").encode("utf-8", "backslashreplace")
            self.send_response(200 if content else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_CONNECT(self) -> None:
            asked.append(self.path)
            self.send_error(502)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Remembering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
