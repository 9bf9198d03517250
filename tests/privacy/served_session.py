"""A session of a server's life, all as commands: `python -m tests.privacy.served_session ROWS IMAGES` in a project folder.

Starts `serving.server`, scores the file ROWS over both protocols with the images in IMAGES, deploys anew, reads the metrics,
and ends the server in order. Exits with the first status that is not 0.
"""

import signal
import subprocess
import sys

import urllib3

from serving.server.settings import load_server_config

END_S = 30.0


def main() -> None:
    rows, images = sys.argv[1:]
    config = load_server_config()
    serving = subprocess.Popen([sys.executable, "-m", "serving.server"], stdout=subprocess.PIPE, text=True)
    try:
        for line in serving.stdout:
            print(line, end="", flush=True)
            if line.startswith("serve: ready"):
                break
        for protocol, port in (("grpc", config.grpc_port), ("http", config.http_port)):
            output = ["--output", f"scores-{protocol}.parquet", "--images", images]
            run("serving.predict", rows, "--url", f"{config.host}:{port}", "--protocol", protocol, *output)
        run("lifecycle.deploy", "--version", "1")
        with urllib3.PoolManager() as pool:
            page = pool.request("GET", f"http://{config.host}:{config.metrics_port}/metrics", headers={"Connection": "close"})
        print(next(line for line in page.data.decode().splitlines() if line.startswith("adclick_rows_total")))
    finally:
        serving.send_signal(signal.SIGINT)
        print(serving.stdout.read(), end="")
    sys.exit(serving.wait(END_S))


def run(module: str, *arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, *arguments], check=False)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
