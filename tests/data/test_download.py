import gzip
import hashlib
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from tinymaskrcnn.data import download, mnist
from tinymaskrcnn.errors import DataError

CONTENT = gzip.compress(np.random.default_rng(0).bytes(300_000), mtime=0)


class Mirror:
    """A server on this machine: what it serves, how it misbehaves, and what it was asked."""

    def __init__(self):
        self.files, self.ranges, self.ask = {}, True, []
        self.break_after = None  # close the connection after so many bytes
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                mirror.answer(self)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, request):
        wanted = request.headers.get("Range")
        self.ask.append((request.path, wanted))
        body = self.files.get(request.path)
        if body is None:
            return request.send_error(404)
        first = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.ranges else 0
        if wanted and self.ranges and first >= len(body):
            return request.send_error(416)
        request.send_response(206 if wanted and self.ranges else 200)
        request.send_header("Content-Length", str(len(body) - first))
        request.end_headers()
        last = len(body) if self.break_after is None else first + self.break_after
        request.wfile.write(body[first:last])
        request.close_connection = True

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def mirrors(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = [Mirror(), Mirror()]
    yield made
    for mirror in made:
        mirror.close()


def is_content(path):
    if path.read_bytes() != CONTENT:
        raise DataError(f"{path}: wrong content")


def fetch(mirrors, path, **data):
    urls = [f"{mirror.url}/file.gz" for mirror in mirrors]
    return download.fetch(urls, path, verify=is_content, progress=False, **data)


def test_a_file_arrives_and_no_part_is_left(mirrors, tmp_path):
    mirrors[0].files["/file.gz"] = CONTENT
    path = fetch(mirrors, tmp_path / "new" / "folder" / "file.gz")
    assert path.read_bytes() == CONTENT and os.listdir(path.parent) == ["file.gz"]
    assert mirrors[0].ask == [("/file.gz", None)] and mirrors[1].ask == []


def test_the_next_mirror_serves_when_the_first_does_not(mirrors, tmp_path):
    mirrors[1].files["/file.gz"] = CONTENT
    assert fetch(mirrors, tmp_path / "file.gz").read_bytes() == CONTENT
    mirrors[0].close()
    mirrors[0].server.server_close()
    (tmp_path / "file.gz").unlink()
    assert fetch(mirrors, tmp_path / "file.gz").read_bytes() == CONTENT


def test_a_broken_download_is_continued(mirrors, tmp_path):
    mirrors[0].files["/file.gz"] = CONTENT
    mirrors[0].break_after = 100_000
    with pytest.raises(DataError, match=f"connection ended after 100000 of {len(CONTENT)} bytes"):
        fetch(mirrors[:1], tmp_path / "file.gz")
    assert os.listdir(tmp_path) == ["file.gz.part"]
    mirrors[0].break_after = None
    assert fetch(mirrors[:1], tmp_path / "file.gz").read_bytes() == CONTENT
    assert mirrors[0].ask == [("/file.gz", None), ("/file.gz", "bytes=100000-")]
    assert os.listdir(tmp_path) == ["file.gz"]


def test_the_second_mirror_continues_what_the_first_began(mirrors, tmp_path):
    for mirror in mirrors:
        mirror.files["/file.gz"] = CONTENT
    mirrors[0].break_after = 70_000
    assert fetch(mirrors, tmp_path / "file.gz").read_bytes() == CONTENT
    assert mirrors[1].ask == [("/file.gz", "bytes=70000-")]


def test_a_server_that_cannot_continue_starts_again(mirrors, tmp_path):
    mirrors[0].files["/file.gz"] = CONTENT
    mirrors[0].ranges = False
    (tmp_path / "file.gz.part").write_bytes(CONTENT[:5000])
    assert fetch(mirrors, tmp_path / "file.gz").read_bytes() == CONTENT


def test_a_part_of_something_else_is_thrown_away_and_fetched_afresh(mirrors, tmp_path):
    mirrors[0].files["/file.gz"] = CONTENT
    (tmp_path / "file.gz.part").write_bytes(b"something else")
    assert fetch(mirrors[:1], tmp_path / "file.gz").read_bytes() == CONTENT
    assert [wanted for _, wanted in mirrors[0].ask] == ["bytes=14-", None]


@pytest.mark.parametrize("extra", [b"", b"and more"])
def test_a_part_with_nothing_left_to_fetch_is_verified_or_fetched_afresh(mirrors, tmp_path, extra):
    mirrors[0].files["/file.gz"] = CONTENT
    (tmp_path / "file.gz.part").write_bytes(CONTENT + extra)
    assert fetch(mirrors[:1], tmp_path / "file.gz").read_bytes() == CONTENT
    assert len(mirrors[0].ask) == (2 if extra else 1)


def test_a_corrupted_file_is_never_put_in_place(mirrors, tmp_path):
    mirrors[0].files["/file.gz"] = CONTENT[:-1] + b"x"
    with pytest.raises(
        DataError, match="file.gz could not be downloaded:\n  http://127.0.0.1.*wrong content"
    ) as caught:
        fetch(mirrors, tmp_path / "file.gz")
    assert "404" in str(caught.value)  # what the second mirror said
    assert os.listdir(tmp_path) == []
    mirrors[1].files["/file.gz"] = CONTENT
    assert fetch(mirrors, tmp_path / "file.gz").read_bytes() == CONTENT


def test_a_wrong_part_that_somebody_else_removed_is_gone_all_the_same(mirrors, tmp_path):
    """Another process that fetches the same file, say."""
    for mirror in mirrors:
        mirror.files["/file.gz"] = CONTENT
    urls = [f"{mirror.url}/file.gz" for mirror in mirrors]

    def removed(path):
        path.unlink()
        raise DataError("wrong content")

    with pytest.raises(DataError, match="could not be downloaded") as caught:
        download.fetch(urls, tmp_path / "file.gz", verify=removed, progress=False)
    assert str(caught.value).count("wrong content") == 2 and os.listdir(tmp_path) == []


def test_an_older_file_stays_until_the_new_one_is_whole(mirrors, tmp_path):
    (tmp_path / "file.gz").write_bytes(b"old")
    mirrors[0].files["/file.gz"] = CONTENT[:-1] + b"x"
    with pytest.raises(DataError):
        fetch(mirrors, tmp_path / "file.gz")
    assert (tmp_path / "file.gz").read_bytes() == b"old"


def test_a_folder_that_cannot_be_written_is_no_fault_of_the_mirror(mirrors, tmp_path):
    mirrors[0].files["/file.gz"] = CONTENT
    (tmp_path / "taken").write_text("a file where the folder should be")
    with pytest.raises(DataError, match="file.gz.part: cannot be written"):
        fetch(mirrors, tmp_path / "taken" / "file.gz")
    assert mirrors[1].ask == []


def test_progress_is_shown_only_when_asked_for(mirrors, tmp_path, capsys):
    mirrors[0].files["/file.gz"] = CONTENT
    urls = [f"{mirrors[0].url}/file.gz"]
    download.fetch(urls, tmp_path / "quiet.gz", verify=is_content, progress=False)
    assert capsys.readouterr().err == ""
    download.fetch(urls, tmp_path / "file.gz", verify=is_content, progress=True)
    assert "file.gz: 100%" in capsys.readouterr().err


# ---------------------------------------------------------------- the four files of MNIST


@pytest.fixture
def small_mnist(mirrors, monkeypatch):
    """Four small files stand in for MNIST, with their own sizes and checksums; the second mirror has them."""
    files = {}
    for k, name in enumerate(mnist.FILES):
        raw = bytes([k]) * (1000 + k)
        files[name] = (len(raw), hashlib.sha256(raw).hexdigest())
        mirrors[1].files[f"/mnist/{name}.gz"] = gzip.compress(raw)
    monkeypatch.setattr(mnist, "FILES", files)
    monkeypatch.setattr(mnist, "MIRRORS", ())
    return [f"{mirror.url}/mnist" for mirror in mirrors]


def test_mnist_is_downloaded_verified_and_left_alone_afterwards(small_mnist, mirrors, tmp_path):
    assert mnist.download(tmp_path, progress=False, mirrors=small_mnist) == tmp_path
    assert sorted(os.listdir(tmp_path)) == sorted(f"{name}.gz" for name in mnist.FILES)
    asked = len(mirrors[1].ask)
    mnist.download(tmp_path, progress=False, mirrors=small_mnist)
    assert len(mirrors[1].ask) == asked == 4


def test_mnist_goes_to_the_cache_unless_a_folder_is_named(small_mnist, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYMASKRCNN_CACHE", str(tmp_path))
    assert mnist.download(progress=False, mirrors=small_mnist) == tmp_path / "mnist"
    monkeypatch.delenv("TINYMASKRCNN_DATA", raising=False)
    assert mnist.find() == tmp_path / "mnist"


def test_a_damaged_file_of_mnist_is_replaced(small_mnist, tmp_path):
    mnist.download(tmp_path, progress=False, mirrors=small_mnist)
    path = tmp_path / "t10k-labels-idx1-ubyte.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    mnist.download(tmp_path, progress=False, mirrors=small_mnist)
    assert path.read_bytes() == whole


def test_a_damaged_raw_file_would_hide_the_new_one(small_mnist, tmp_path):
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(b"broken")
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte: must hold 1003 bytes.*Remove this file"):
        mnist.download(tmp_path, progress=False, mirrors=small_mnist)


def test_the_mirrors_are_the_two_public_ones():
    assert [mirror.split("/")[2] for mirror in mnist.MIRRORS] == [
        "ossci-datasets.s3.amazonaws.com",
        "storage.googleapis.com",
    ]
