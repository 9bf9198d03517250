"""The route changed again and again under load: nobody fails, and nobody's arm is another than the route's."""

import threading
import time
from dataclasses import dataclass, field

import numpy as np

from bench.figures import Figure, at_most
from bench.routing.settings import BenchRoutingConfig
from bench.routing.users import KnownUsers, UsersSent, send
from bench.routing.world import CHALLENGER, LENIENT, RoutedServer, route_of
from bench.served.entry import say
from contracts.serving.route import Route

IN_FORCE_S = 1.0  # after it was written, at the latest
SALTS = ("0123456789abcdef", "fedcba9876543210")


@dataclass
class Changes:
    """What was written, and when, by the clock of the requests."""

    at_s: list[float] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)

    def write(self, running: RoutedServer, route: Route) -> None:
        self.at_s.append(time.monotonic())
        self.routes.append(route)
        running.write(route)

    def allowed(self, began_s: float, ended_s: float) -> list[Route]:
        """Those that may have been in force while a request was under way."""
        ends = [*self.at_s[1:], np.inf]
        return [
            route
            for route, written_s, replaced_s in zip(self.routes, self.at_s, ends, strict=True)
            if written_s < ended_s and replaced_s + IN_FORCE_S > began_s
        ]


def change_figures(config: BenchRoutingConfig, running: RoutedServer) -> list[Figure]:
    users = KnownUsers.of(config, running)
    changes, rng = Changes(), np.random.default_rng(config.seed)
    changes.write(running, route_of("off"))

    def keep_changing() -> None:
        for number in range(config.changes):
            time.sleep(config.change_every_s)
            share, salt = float(rng.integers(0, 101)), SALTS[int(rng.integers(2))]
            is_off = number % 5 == 0
            changes.write(running, route_of("off" if is_off else "ab", share=share, salt=salt, limits=LENIENT))

    thread = threading.Thread(target=keep_changing)
    thread.start()
    sent = send(config, running, users, config.broken_rate, (config.changes + 4) * config.change_every_s)
    thread.join()
    misplaced, certain = misplaced_users(changes, sent, users)
    answered = len(sent.version) - sent.failed
    say(f"{config.changes} changes: {sent.failed} failed, {misplaced} of {certain:,} certain ones with another arm")
    return [
        at_most(
            f"requests that failed while the route changed {config.changes} times", sent.failed, 0,
            f"{sent.failed} of {len(sent.version):,}", "0",
        ),
        at_most(
            "users whose arm was not the route's meanwhile", misplaced, 0,
            f"{misplaced} of {answered:,} answers; for {certain:,} all routes of the second before said the same arm", "0",
        ),
    ]  # fmt: skip


def misplaced_users(changes: Changes, sent: UsersSent, users: KnownUsers) -> tuple[int, int]:
    """Answers by an arm that no route which may have been in force says; and how many had only one such arm."""
    misplaced = certain = 0
    for request in np.flatnonzero(sent.version > 0):
        sample = sent.samples[request]
        routes = changes.allowed(float(sample["sent_s"]), float(sample["done_s"]))
        key = users.keys[sent.user[request]]
        arms = {CHALLENGER if route.answers(key) == "challenger" else 1 for route in routes}
        misplaced += int(sent.version[request]) not in arms
        certain += len(arms) == 1
    return misplaced, certain
