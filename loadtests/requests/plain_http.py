"""A prepared request as the bytes of plain HTTP/1.1, and the headers of its answer."""

from loadtests.requests.bodies import HEADER_LENGTH, MODEL

HEAD_END, LENGTH, JSON_LENGTH = b"\r\n\r\n", b"content-length:", HEADER_LENGTH.lower().encode() + b":"


def http_request(host: str, port: int, body: bytes, header_length: int) -> bytes:
    """`header_length`: of the JSON before the tensors."""
    head = f"POST /v2/models/{MODEL}/infer HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{HEADER_LENGTH}: {header_length}\r\n\r\n".encode() + body


def header_number(head: bytes, name: bytes) -> int:
    """A header's number, 0 where it is not there; head and name are in lower case."""
    start = head.find(b"\r\n" + name)
    return 0 if start < 0 else int(head[start + 2 + len(name) :].split(b"\r\n", 1)[0])
