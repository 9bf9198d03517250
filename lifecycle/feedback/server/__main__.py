"""`python -m lifecycle.feedback.server` (`make feedback-serve`): takes events in over HTTP, on loopback."""

if __name__ == "__main__":  # before the imports below, which take their time
    from contracts.terminal import end_on_ctrl_c

    end_on_ctrl_c()

import argparse
import asyncio
import signal
import socket
import sys
from pathlib import Path

import polars as pl
from aiohttp import web

from lifecycle.feedback.running.surroundings import surroundings
from lifecycle.feedback.server.app import Endpoint
from lifecycle.feedback.store import opened_store
from serving.entry import run
from serving.secret_file import secret_of

HOST = "127.0.0.1"
EXIT_S = 30.0  # for requests that are being answered


def main() -> None:
    pl.Config.set_engine_affinity("in-memory")
    parser = argparse.ArgumentParser(prog="python -m lifecycle.feedback.server", description="POST /feedback, on loopback.")
    parser.add_argument("--port", type=int, help="0: any that is free (default: feedback.port)")
    parser.add_argument("--journal", help="its folder (default: serving.journal.folder)")
    parser.add_argument("--folder", help="of the store and the labels (default: feedback.folder)")
    args = parser.parse_args(sys.argv[1:])
    around = surroundings(args.journal, args.folder)
    port = around.config.port if args.port is None else args.port
    secret = secret_of(Path(around.config.secret_file))
    with _listening(port) as sock:
        url = f"http://{HOST}:{sock.getsockname()[1]}"
        with opened_store(around.config, {"url": url}) as store:
            asyncio.run(_serve(Endpoint(store, around, secret), sock, url))


def _listening(port: int) -> socket.socket:
    """Raises ValueError if the port is taken."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((HOST, port))
    except OSError as error:
        sock.close()
        raise ValueError(f"port {port} cannot be used: {error.strerror}; set feedback.port or give --port") from None
    return sock


async def _serve(endpoint: Endpoint, sock: socket.socket, url: str) -> None:
    """Until it is told to stop."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    runner = web.AppRunner(endpoint.app(), access_log=None, shutdown_timeout=EXIT_S)
    await runner.setup()
    await web.SockSite(runner, sock).start()
    print(f"feedback: {url}/feedback takes events", flush=True)
    looking = asyncio.create_task(endpoint.look_again_and_again())
    await stopped.wait()
    looking.cancel()
    await runner.cleanup()
    await asyncio.gather(looking, return_exceptions=True)
    endpoint.close()
    print("feedback: stopped", flush=True)


if __name__ == "__main__":
    run("feedback", main)
