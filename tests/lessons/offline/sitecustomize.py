"""On PYTHONPATH, this ends every attempt to reach another machine: a lesson must run without a network."""

import sys


def _refuse(event, arguments):
    if event in ("socket.connect", "socket.sendto"):
        host = arguments[1][0] if isinstance(arguments[1], tuple) else "localhost"  # a path: a socket of this machine
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    if host not in (None, "", "localhost", "127.0.0.1", "::1", b"localhost"):
        raise OSError(f"lessons run without a network; {event} was asked for {host!r}")


sys.addaudithook(_refuse)
