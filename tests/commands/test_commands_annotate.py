"""`tinymaskrcnn annotate`: a page for this machine alone, which keeps what is drawn on it."""

import http.client
import io
import json
import socket
import struct
import threading

import pytest
from PIL import Image

from tinymaskrcnn import cli
from tinymaskrcnn.commands import annotate_page


@pytest.fixture
def server(annotate_server):
    return annotate_server


def ask(server, path, *, method="GET", body=None, host=None, secret=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    headers = {"Host": host} if host else {}
    connection.request(method, f"/{server.secret if secret is None else secret}/{path}", body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read(), answer


def test_it_is_open_to_this_machine_alone(server):
    assert server.server_address[0] == "127.0.0.1" and server.secret in server.address
    assert ask(server, "")[0] == ask(server, "list", host=f"localhost:{server.server_port}")[0] == 200
    for words in ({"secret": "guess"}, {"secret": ""}, {"host": "evil.example"}, {"host": "127.0.0.1:1"}):
        assert ask(server, "list", **words)[0] == 403
        assert ask(server, "boxes/0", method="PUT", body="[]", **words)[0] == 403
    assert not server.notebook.path.exists()


@pytest.mark.parametrize(
    "path",
    ["boxes.json", "../a.png", "picture/2", "picture/-1", "picture/x", "picture/0/1", "picture", "list/0", "a.png"]
    + ["picture/00", "picture/0000000001", "picture/1" + "0" * 30, "suggest/2", "suggest"],
)
def test_nothing_else_can_be_had(path, server):
    assert ask(server, path)[0] == 404


def test_pictures_come_upright_and_boxes_go_into_the_file(server):
    listed = json.loads(ask(server, "list")[1])
    assert [(p["name"], p["width"], p["height"], p["boxes"]) for p in listed["pictures"]] == [
        ("a.png", 60, 40, None),
        ("b.jpg", 40, 60, None),
    ]
    assert Image.open(io.BytesIO(ask(server, "picture/1")[1])).size == (40, 60)
    status, body, _ = ask(server, "boxes/1", method="PUT", body=json.dumps([[1, 2, 30, 40, 7]]))
    assert (status, json.loads(body)) == (200, [[1, 2, 30, 40, 7]])
    table = json.loads(server.notebook.path.read_text())
    assert [i["file_name"] for i in table["images"]] == ["b.jpg"] and table["annotations"][0]["bbox"] == [1, 2, 29, 38]
    assert json.loads(ask(server, "list")[1])["pictures"][1]["boxes"] == [[1, 2, 30, 40, 7]]


def test_a_suggestion_is_told_and_changes_nothing(server):
    status, body, _ = ask(server, "suggest/0")
    assert (status, json.loads(body)) == (200, [[1, 2, 3, 4, 5]]) and not server.notebook.path.exists()
    server.suggest = None
    assert ask(server, "suggest/0")[0] == 404


@pytest.mark.parametrize("body", ["", "{", "[[1,2,3]]", "[[NaN,2,3,4,5]]", "\xff", '"no"', '"suggest"', "[" * 100_000])
def test_what_is_no_box_is_refused_in_words(body, server):
    status, said, _ = ask(server, "boxes/0", method="PUT", body=body.encode("latin-1"))
    assert status == 400 and 0 < len(said) <= 500 and not server.notebook.path.exists()


@pytest.mark.parametrize("length", ["1000001", "0000000009999999999999", "9" * 5000, "-1", "1e3", ""])
def test_too_much_is_not_read(length, server):
    """Nor a length believed that is small by its first digits; where there is none, there are no boxes."""
    head = f"PUT /{server.secret}/boxes/0 HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n"
    with socket.create_connection(server.server_address, timeout=10) as client:
        client.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode())
        client.shutdown(socket.SHUT_WR)
        assert client.makefile("rb").readline().split()[1] == b"413"
    assert not server.notebook.path.exists()


@pytest.mark.parametrize("request_of", ["GET picture/0", "GET picture/0 in full", "PUT boxes/0"])
def test_whoever_goes_away_is_no_error(request_of, server, monkeypatch):
    """A connection that breaks within the request, within its body, and before the answer."""
    gone, done, errors = threading.Event(), threading.Event(), []
    monkeypatch.setattr(annotate_page, "upright_png", lambda path: gone.wait(10) and bytes(10**6))
    monkeypatch.setattr(server, "handle_error", lambda *given: errors.append(given))
    close = server.shutdown_request
    monkeypatch.setattr(server, "shutdown_request", lambda request: (close(request), done.set()))
    method, path, *full = request_of.split(maxsplit=2)
    head = f"{method} /{server.secret}/{path} HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n"
    with socket.create_connection(server.server_address, timeout=10) as client:
        client.sendall((head + "Content-Length: 100\r\n" + "\r\n" * (bool(full) or method == "PUT")).encode())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing breaks it off
    gone.set()
    assert done.wait(10) and errors == []


def test_no_other_page_may_run_there_or_learn_the_secret(server):
    _, _, answer = ask(server, "")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "no-referrer" and answer.headers["X-Content-Type-Options"] == "nosniff"


def test_options_that_do_not_fit(fails, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("cat\ncat\n")
    assert "annotate needs a folder of pictures" in fails("annotate", tmp_path / "none")
    assert "the folder holds no pictures" in fails("annotate", tmp_path)
    assert "none twice" in fails("annotate", tmp_path, "--classes", names)
    assert "--port must be in 0..65535; got 70000" in fails("annotate", tmp_path, "--port", 70000)
    names.write_text("cat\n")
    assert "--suggest knows digits alone" in fails("annotate", tmp_path, "--classes", names, "--suggest")
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    said = fails("annotate", tmp_path, "--out", names / "boxes.json", "--no-browser")
    assert "names.txt" in said and len(said) <= 500  # before the page opens, not at each change


def test_the_folder_of_the_file_is_made(server, tmp_path, monkeypatch, capsys):
    def interrupted(server, **options):
        server.notebook.put(0, [[1, 2, 3, 4, 5]])
        raise KeyboardInterrupt

    monkeypatch.setattr(annotate_page.ThreadingHTTPServer, "serve_forever", interrupted)
    path = tmp_path / "new" / "folder" / "mine.json"
    assert cli.main(["annotate", str(tmp_path), "--out", str(path), "--no-browser"]) == 0
    assert json.loads(path.read_text())["images"][0]["file_name"] == "a.png"
    first, *more = capsys.readouterr().out.splitlines()
    assert first.startswith("2 pictures at http://127.0.0.1:") and first.endswith(f"/ -> {path}")
    assert more == [f"1 of 2 pictures have their boxes in {path}"]
