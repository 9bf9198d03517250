"""`reports/monitor.html`: what the monitor found, on one page that needs nothing but itself."""

from lifecycle.monitor.page.write import write_page

__all__ = ["write_page"]
