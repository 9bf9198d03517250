"""Five times the capacity for some seconds in the middle of normal load: `make spike`."""

from collections.abc import Sequence

import numpy as np
import tritonclient.http as triton_http

from bench.figures import Figure, at_most
from bench.served.capacity import measured_capacity
from bench.served.entry import say, served_main
from contracts.serving.releases import EXPORTED
from contracts.serving.request import PROBABILITY
from loadtests.limits.settings import SpikeConfig
from loadtests.limits.spike import TIMES_BEFORE, Spiked, arrivals, refusals_ms
from loadtests.limits.spike_sender import Check, SpikeSender
from loadtests.perf_analyzer.input import first_row, requests_of
from loadtests.perf_analyzer.settings import load_perf_settings
from loadtests.perf_analyzer.target import analyzers, target_of
from loadtests.requests.bodies import binary_body
from loadtests.requests.traffic import read_traffic
from loadtests.verdicts.latency import quantile
from loadtests.verdicts.samples import count, latencies_ms
from serving.server.settings import load_server_config
from serving.server.trial import trial_server

DATATYPES = {"categorical": "BYTES", "numeric": "FP32"}
WARM_UP = 200


def measure(overrides: Sequence[str] = ()) -> list[Figure]:
    config = load_perf_settings("spike", SpikeConfig, overrides)
    capacity = config.capacity or measured_capacity("http", config.rows)
    requests = requests_of(read_traffic(config.traffic_rows), config.rows, config.distinct)
    typed = [{name: (DATATYPES[name], values) for name, values in tensors.items()} for tensors in requests.tensors]
    with trial_server(EXPORTED, load_server_config()) as server:
        answers = analyzers(target_of(server), requests, ("http",), config.tolerance)["http"].answers
        sender = SpikeSender(
            host=server.config.host,
            port=server.config.http_port,
            bodies=[binary_body(tensors, requests.digest) for tensors in typed],
            rows=config.rows,
            connections=config.connections,
            timeout_s=config.timeout_s,
        )
        expected = [answers[first_row(tensors)] for tensors in requests.tensors]
        check = checker(expected, config.tolerance)
        sender.run(np.linspace(0, 1, WARM_UP), check)
        say(f"spike of {config.spike_times * capacity:,.0f} requests/s for {config.spike_s:g} s")
        due_s = arrivals(config, capacity, np.random.default_rng(config.seed))
        samples = sender.run(due_s, check)
    began = samples["intended_s"][0] - due_s[0] + config.before_s
    return spike_figures(Spiked(samples=samples, began_s=began, ended_s=began + config.spike_s), config, capacity)


def checker(expected: list[np.ndarray], tolerance: float) -> Check:
    """Is the answer to a body what the model said before the load."""

    def right(place: int, body: bytes, header_length: int) -> bool:
        answer = triton_http.InferenceServerClient.parse_response_body(body, header_length=header_length or None)
        found = answer.as_numpy(PROBABILITY)
        return found is not None and found.shape == (len(expected[place]), 1) and np.allclose(
            found[:, 0], expected[place], rtol=0, atol=tolerance
        )  # fmt: skip

    return right


def spike_figures(spiked: Spiked, config: SpikeConfig, capacity: float) -> list[Figure]:
    numbers = {name: number for name, number in count(spiked.spike).items() if number}
    sent = len(spiked.spike) - numbers.get("unsent", 0)
    asked, offered = config.spike_times * capacity, sent / config.spike_s
    what = f"spike of {offered:,.0f} requests/s, {offered / capacity:.1f}x the capacity, for {config.spike_s:g} s"
    failed = sum(number for name, number in numbers.items() if name not in ("ok", "overloaded", "unsent"))
    shown = ", ".join(f"{number / sent:.1%} {name}" for name, number in numbers.items() if name != "unsent")
    figures = [
        at_most(
            f"{what}: failed, timed out or wrong",
            failed,
            0,
            f"{failed:,} of {sent:,} sent: {shown}; asked for were {asked:,.0f} requests/s, {config.spike_times:g}x the capacity",
            "0",
        ),
        Figure(
            what="p99 of what was answered rightly in the spike", figure=str(quantile(latencies_ms(spiked.spike, "ok"), 0.99))
        ),
    ]
    refused = quantile(refusals_ms(spiked.spike), 0.99)
    if refused.ms is not None:
        median = quantile(refusals_ms(spiked.spike), 0.5)
        bar = f"p99 <= {config.refusal_p99_ms:g} ms"
        limit = config.refusal_p99_ms
        figures.append(at_most("time until the excess is refused", refused.ms, limit, f"{median}, {refused}", bar))
    recovered = spiked.recovered_s()
    text = f"p99 before {spiked.before_p99_ms:.1f} ms, after {quantile(latencies_ms(spiked.after, 'ok'), 0.99)}"
    shown = f"not within {config.after_s:g} s; {text}" if recovered is None else f"{recovered:g} s; {text}"
    value = np.inf if recovered is None else recovered
    name = f"from the end of the spike until p99 is at most {TIMES_BEFORE:g}x that before"
    return [*figures, at_most(name, value, config.recovered_s, shown, f"<= {config.recovered_s:g} s")]


if __name__ == "__main__":
    served_main("spike", measure)
