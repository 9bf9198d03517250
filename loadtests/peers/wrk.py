"""Load over HTTP by wrk: a Lua script that cycles through prepared bodies, and what wrk says at the end."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from loadtests.peers.generator import GeneratorResult, program
from loadtests.peers.wire_formats import Body

TIMEOUT_S = 10  # a request that takes longer is an error
RESULT = "adclick-result "  # begins the line of results
# wrk calls init once in each of its threads, request for each request, done once at the end. Bodies lie in one file: in a
# Lua string each byte beyond ASCII would take four characters.
SCRIPT = """-- Written by loadtests/peers/wrk.py.
local path, bodies_path = {path}, {bodies_path}
local described = {{
{described}
}}
local requests, place = {{}}, 0

function init(args)
  local file = assert(io.open(bodies_path, "rb"))
  for i, one in ipairs(described) do
    requests[i] = wrk.format("POST", path, one.headers, file:read(one.length))
  end
  file:close()
end

function request()
  place = place % #requests + 1
  return requests[place]
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{result}{{"requests":%d,"duration_us":%d,"p50_us":%.3f,"p99_us":%.3f,' ..
    '"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.status, e.timeout))
end
"""


def write_script(folder: Path, path: str, bodies: Sequence[Body]) -> Path:
    """The Lua script that posts `bodies` in turn to `path`, and their file, in `folder`."""
    bodies_path = folder / "bodies.bin"
    bodies_path.write_bytes(b"".join(body.content for body in bodies))
    described = [
        f"  {{length = {len(body.content)}, headers = {{{', '.join(_pair(*header) for header in body.headers.items())}}}}},"
        for body in bodies
    ]
    script = folder / "requests.lua"
    text = SCRIPT.format(path=_quoted(path), bodies_path=_quoted(str(bodies_path)), described="\n".join(described), result=RESULT)
    script.write_text(text, encoding="utf-8")
    return script


def run_wrk(url: str, script: Path, clients: int, seconds: float) -> GeneratorResult:
    """Keep `clients` connections busy for `seconds`. Raises ValueError if wrk cannot run."""
    whole = max(1, round(seconds))  # wrk takes whole seconds
    command = [program("wrk", "wrk"), "-t1", f"-c{clients}", f"-d{whole}s", "--timeout", f"{TIMEOUT_S}s", "--latency"]
    ran = subprocess.run([*command, "-s", str(script), url], capture_output=True, text=True, timeout=whole + 3 * TIMEOUT_S)
    if ran.returncode:
        raise ValueError(f"wrk ended with {ran.returncode}: {(ran.stderr or ran.stdout).strip()[-300:]}")
    return parse(ran.stdout)


def parse(output: str) -> GeneratorResult:
    """wrk's results out of all that it printed. Answers with a status above 399 count as requests in wrk, and as errors here."""
    lines = [line for line in output.splitlines() if line.startswith(RESULT)]
    if len(lines) != 1:
        raise ValueError(f"wrk printed {len(lines)} lines of results, expected one; it said: {output.strip()[-300:]}")
    found = json.loads(lines[0].removeprefix(RESULT))
    return GeneratorResult(
        requests=found["requests"] - found["status"],
        errors=sum(found[kind] for kind in ("connect", "read", "write", "status", "timeout")),
        seconds=found["duration_us"] / 1e6,
        p50_ms=found["p50_us"] / 1e3,
        p99_ms=found["p99_us"] / 1e3,
    )


def _pair(name: str, value: str) -> str:
    return f"[{_quoted(name)}] = {_quoted(value)}"


def _quoted(text: str) -> str:
    """A Lua string of printable text."""
    if not text.isprintable():
        raise ValueError(f"a header or path for wrk must be printable, got {text!r}")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
