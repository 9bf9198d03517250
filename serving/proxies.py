"""The proxies that the environment names. gRPC obeys them even on the way to this machine, where none can help; HTTP here
knows none (urllib3, aiohttp and geventhttpclient take one only if they are given it).
"""

import os
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")  # gRPC takes the first that is set, and none in capitals
EXCEPTIONS = ("no_grpc_proxy", "no_proxy")  # the same
EVERY = (*VARIABLES, "all_proxy", *(name.upper() for name in (*VARIABLES, "all_proxy")))  # that any program obeys


def is_this_machine(host: str) -> bool:
    """Is it loopback, or the address by which a server means all of its own."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def grpc_options(host_port: str) -> list[tuple[str, int]]:
    """Channel arguments: no proxy between processes of this machine."""
    return [("grpc.enable_http_proxy", 0)] if is_this_machine(_host(host_port)) else []


def proxy_variable(host_port: str) -> str | None:
    """The environment variable whose proxy gRPC goes through to that address; None if it goes straight there."""
    name = next((name for name in VARIABLES if os.environ.get(name)), None)
    host = _host(host_port)
    if name is None or is_this_machine(host) or not os.environ[name].startswith("http://"):  # gRPC knows no other kind
        return None
    exceptions = next((os.environ[name] for name in EXCEPTIONS if os.environ.get(name)), "")
    return None if any(_covers(entry.strip(), host) for entry in exceptions.split(",")) else name


def without_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program that asks this machine alone."""
    return {name: value for name, value in environment.items() if name not in EVERY}


def _covers(entry: str, host: str) -> bool:
    """Does an entry of `no_proxy` mean the host: by its name or domain, or as a network that it is in."""
    try:
        return ip_address(host) in ip_network(entry, strict=False)
    except ValueError:
        domain = entry.removeprefix(".").lower()
        return bool(domain) and f".{host}".endswith(f".{domain}")


def _host(host_port: str) -> str:
    return urlsplit(f"//{host_port}").hostname or ""
