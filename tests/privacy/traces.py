"""What strace saw of a command and of all that it started: the paths that it wrote, and the addresses that it turned to.

Reads the files of `strace -ff -y`, one a thread.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

CALL = re.compile(r"^(?P<name>\w+)\((?P<arguments>.*)\) += (?P<number>-?\d+)(?:<(?P<opened>/[^>]*)>)?")
TEXT = re.compile(r'(?:<(?P<folder>/[^>]*)>, )?"(?P<text>(?:[^"\\]|\\.)*)"')
OPENED_TO_WRITE = re.compile(r"O_(?:CREAT|TMPFILE|WRONLY|RDWR)")
OPENS = ("open", "openat")
MAKES = (
    "creat",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "rename",
    "renameat",
    "renameat2",
)
FORKS = ("clone", "clone3", "fork", "vfork")
MOVES = ("chdir", "fchdir")
TURNS = ("connect", "sendto", "sendmsg", "sendmmsg")
INTERNET = re.compile(r'sin6?_port=htons\((?P<port>\d+)\).*?inet_(?:addr\(|pton\(AF_INET6, )"(?P<host>[^"]+)"')
LOCAL = re.compile(r'sa_family=AF_UNIX, sun_path=@?"(?P<path>[^"]*)"')
NAME_SERVICES = ("resolve", "avahi")  # in the paths of local sockets of those who look names up
DOMAIN = 53
TRACED = ",".join((*OPENS, *MAKES, *FORKS, *MOVES, *TURNS))


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was done."""

    written: frozenset[Path]  # made, renamed to, or opened for writing
    far: frozenset[str]  # host:port that is not loopback, and whoever looks names up

    def outside(self, *allowed: Path) -> list[Path]:
        """What was written, but for what is or lies below one of `allowed`, or in /dev and /proc."""
        places = (Path("/dev"), Path("/proc"), *allowed)
        return sorted(path for path in self.written if not any(path.is_relative_to(place) for place in places))


def read_traces(folder: Path, start: Path) -> Seen:
    """What the files in `folder` tell of a command that began in the folder `start`."""
    calls = {int(path.suffix[1:]): _calls(path) for path in folder.iterdir()}
    started = {int(call["number"]) for made in calls.values() for call in made if call["name"] in FORKS}
    written: set[Path] = set()
    waiting = [(process, start) for process in calls if process not in started]
    while waiting:
        process, inside = waiting.pop()
        for call in calls.pop(process):
            number = int(call["number"])
            if call["name"] in FORKS and number in calls:
                waiting.append((number, inside))
            elif call["name"] in MOVES and number == 0:
                inside = next(_paths(call["arguments"], inside))
            elif number >= 0:
                written |= set(_written(call, inside))
    turned = {address for path in folder.iterdir() for address in _turned_to(path)}
    return Seen(written=frozenset(written), far=frozenset(turned))


def _lines(path: Path) -> list[str]:
    return path.read_text(errors="surrogateescape").splitlines()


def _calls(path: Path) -> list[re.Match[str]]:
    return [found for line in _lines(path) if (found := CALL.match(line)) is not None]


def _written(call: re.Match[str], inside: Path) -> Iterator[Path]:
    if call["name"] in OPENS and OPENED_TO_WRITE.search(call["arguments"]):
        yield Path(call["opened"]) if call["opened"] else next(_paths(call["arguments"], inside))
    elif call["name"] in MAKES:
        yield [*_paths(call["arguments"], inside)][-1]  # of two, the second is the one that is made


def _paths(arguments: str, inside: Path) -> Iterator[Path]:
    """The paths among a call's arguments; those that are relative are so to the folder before them, or to `inside`."""
    found = [*TEXT.finditer(arguments)]
    for text in found:
        name = text["text"].encode().decode("unicode_escape").encode("latin-1").decode(errors="surrogateescape")
        yield Path(text["folder"] or inside, name)
    if not found:  # fchdir(3</folder>)
        yield Path(arguments.partition("<")[2].rstrip(">"))


def _turned_to(path: Path) -> Iterator[str]:
    for line in _lines(path):
        if not line.startswith(TURNS):
            continue
        if (found := INTERNET.search(line)) is not None:
            host = ip_address(found["host"])
            host = getattr(host, "ipv4_mapped", None) or host
            if int(found["port"]) == DOMAIN or not host.is_loopback:
                yield f"{found['host']}:{found['port']}"
        elif (local := LOCAL.search(line)) is not None and any(name in local["path"] for name in NAME_SERVICES):
            yield local["path"]
