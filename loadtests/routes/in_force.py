"""Which route the server under load follows: of its own metrics, and of the route's file where that lies here."""

import time
from dataclasses import dataclass
from pathlib import Path

import urllib3
from urllib3.exceptions import HTTPError

from contracts.serving.fuse import fuse_path, shown
from contracts.serving.route import Route, percent, read_route
from loadtests.observation.observe import SCRAPE_TIMEOUT_S, scrape

INFO, OPEN = "adclick_route_info", "adclick_challenger_open"
AGREE_WITHIN_S = 3.0  # a route is in force a second after it was written
OPEN_WITHIN_S = 10.0  # a challenger has to be loaded
POLL_S = 0.1
Scraped = dict[str, dict[str, float]]  # values by metric and labels


@dataclass(frozen=True, kw_only=True)
class Followed:
    """A route as a server's metrics tell of it."""

    digest: int
    champion: int
    challenger: int | None
    is_open: bool  # does the challenger take part


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Two arms behind the server under load."""

    champion: int
    challenger: int
    route: Route | None  # None: its file is not here, so nobody knows which arm is whose
    is_open: bool

    def __str__(self) -> str:
        shown = "of a route that is not here" if self.route is None else describe_route(self.route)
        return f"champion {self.champion}, challenger {self.challenger}, {shown}{'' if self.is_open else ', which is off'}"


def experiment_on(metrics_url: str, file: Path | None) -> Experiment | None:
    """The experiment that the server serves; None without a challenger. `file`: of its route, if that can lie here.

    Raises ValueError if the file says something else than the server follows, or is broken.
    """
    began_s = time.monotonic()
    while True:
        route, followed = None if file is None else read_route(file), ask_followed(metrics_url, file)
        waited_s = time.monotonic() - began_s
        problem = None if file is None or route is None else disagreement(file, route, followed)
        if problem is not None and waited_s > AGREE_WITHIN_S:
            raise ValueError(problem)
        challenger = followed.challenger if followed is not None else None
        if problem is None and challenger is None:
            return None
        if problem is None and (followed.is_open or waited_s > OPEN_WITHIN_S or is_off_for_good(file, route)):
            return Experiment(champion=followed.champion, challenger=challenger, route=route, is_open=followed.is_open)
        time.sleep(POLL_S)


def ask_followed(metrics_url: str, file: Path | None) -> Followed | None:
    """What the server says now; None if it follows no route, or does not say."""
    with urllib3.PoolManager(timeout=SCRAPE_TIMEOUT_S, retries=False, maxsize=1) as pool:
        try:
            found = scrape(pool, metrics_url)
        except (HTTPError, ValueError):
            return None
    return followed_of(found)


def followed_of(found: Scraped) -> Followed | None:
    """The newest release's word, if there are several: those that were unloaded no longer correct theirs."""
    said = [dict(pair.split("=", 1) for pair in labels.split(",")) for labels, value in found.get(INFO, {}).items() if value]
    if not said:
        return None
    newest = max(said, key=lambda labels: int(labels["version"]))
    is_open = found.get(OPEN, {}).get(f"model={newest['model']},version={newest['version']}", 0.0) > 0
    challenger = int(newest["challenger"]) if newest["challenger"] else None
    return Followed(digest=int(newest["route"], 16), champion=int(newest["champion"]), challenger=challenger, is_open=is_open)


def disagreement(file: Path, route: Route, followed: Followed | None) -> str | None:
    """Why answers cannot be judged by the file, in a sentence; None where the server follows it, or both know no challenger."""
    challenger = followed.challenger if followed is not None else None
    if route.trial is None and challenger is None:
        return None
    if followed is not None and followed.digest == route.digest:
        return None
    does = (
        "no route"
        if followed is None
        else f"route {shown(followed.digest)} (champion {followed.champion}, challenger {challenger})"
    )
    return (
        f"{file} says route {shown(route.digest)} ({describe_route(route)}), but the server follows {does}, so nobody can say "
        "who should answer; start the server again with `make serve`, so that it reads this file (ADCLICK_ROUTE)"
    )


def describe_route(route: Route) -> str:
    """Its mode and share in a few words."""
    if route.trial is None:
        return f"champion {route.champion} alone"
    return f"mode {route.mode}, {percent(route.trial.share_ppm)} % to challenger {route.trial.challenger}"


def is_off_for_good(file: Path | None, route: Route | None) -> bool:
    """Has its fuse blown, as far as that can be seen here."""
    return file is not None and route is not None and fuse_path(file.parent, route.digest).exists()
