"""`reports/ab.html`: an A/B test on one page that needs nothing but itself."""

from lifecycle.ab.page.content import AbPage, lines_of
from lifecycle.ab.page.write import write_ab_page

__all__ = ["AbPage", "lines_of", "write_ab_page"]
