"""Fetch one file over HTTP: with a progress bar, resumed where it stopped, verified, put in place at once or never."""

from pathlib import Path

from ..counting import new_bar
from ..errors import DataError
from ..files import put_in_place

CHUNK = 1 << 16


class Interrupted(ConnectionError):
    """The connection ended before the whole file had arrived; what came is kept for the next attempt."""


def fetch(urls, path, *, verify, progress=True, timeout=30.0):
    """Try the urls in turn until `verify(part)` accepts what came; then the part becomes `path` in one step.

    Bytes gather in `path` + ".part". A part that is already there is continued; one that fails verification is thrown
    away, and the same url gets one fresh attempt if it had only continued somebody else's bytes.
    verify raises DataError for a wrong file. DataError lists what went wrong with every url.
    """
    urllib, broken = _network()
    path = Path(path)
    part = path.with_name(path.name + ".part")
    failures = []
    for url in urls:
        for _ in range(2):
            try:
                resumed = _receive(urllib, url, part, progress=progress, timeout=timeout)
                verify(part)
                put_in_place(part, path)
                return path
            except DataError as error:
                failures.append(f"{url}: {error}")
                part.unlink(missing_ok=True)
                if not resumed:
                    break
            except broken as error:
                failures.append(f"{url}: {error}")
                break
            except OSError as error:  # a full disk, a folder that may not be written: no other mirror helps
                raise DataError(f"{part}: cannot be written ({error})") from error
    raise DataError(f"{path.name} could not be downloaded:\n  " + "\n  ".join(failures))


def _network():
    """Python's own urllib, and the errors of a connection that fails; DataError where this Python cannot connect."""
    try:
        import http.client
        import ssl
        import urllib.error
        import urllib.request
    except ImportError as error:
        raise DataError(f"nothing can be downloaded here: this Python has no network ({error})") from error
    return urllib, (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)


def _receive(urllib, url, part, *, progress, timeout):
    """Append what is missing to the part; True when it continued bytes that were there before."""
    part.parent.mkdir(parents=True, exist_ok=True)
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "tinymaskrcnn"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:  # nothing lies beyond what we have: let verification decide
            return True
        raise
    with response:
        resumed = response.status == 206
        if not resumed:
            have = 0  # the server sends everything again
        length = response.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        name = part.name.removesuffix(".part")
        with (
            open(part, "ab" if resumed else "wb") as file,
            new_bar(desc=name, total=total, initial=have, unit="B", unit_scale=True, disable=not progress) as bar,
        ):
            for chunk in iter(lambda: response.read(CHUNK), b""):
                file.write(chunk)
                have += len(chunk)
                bar.update(len(chunk))
    if total is not None and have < total:
        raise Interrupted(f"the connection ended after {have} of {total} bytes")
    return resumed
