"""A server's metrics page as it is where there is a route."""

from contracts.serving.route import Route


def labels(route: Route, version: str = "1") -> str:
    """Of the route, as a scrape writes them."""
    challenger = "" if route.trial is None else route.trial.challenger
    named = {"champion": route.champion, "challenger": challenger, "mode": route.mode, "model": "ctr"}
    named |= {"route": f"{route.digest:016x}", "version": version}
    return ",".join(f"{name}={named[name]}" for name in sorted(named))


def page_of(route: Route, *, is_open: bool, **fallbacks: int) -> str:
    """The page of a server that follows it."""
    shown = ",".join(f'{name}="{value}"' for name, _, value in (pair.partition("=") for pair in labels(route).split(",")))
    counted = "".join(
        f'adclick_fallback_total{{model="ctr",version="1",reason="{reason}"}} {number}\n' for reason, number in fallbacks.items()
    )
    return (
        f"# TYPE adclick_route_info gauge\nadclick_route_info{{{shown}}} 1\n"
        f'# TYPE adclick_challenger_open gauge\nadclick_challenger_open{{model="ctr",version="1"}} {int(is_open)}\n'
        f"# TYPE adclick_fallback_total counter\n{counted}"
    )
