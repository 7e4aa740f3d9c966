"""`tinymaskrcnn annotate`: a page for this machine alone, which keeps what is drawn on it."""

import http.client
import io
import json
import threading

import numpy as np
import pytest
from PIL import Image

from tinymaskrcnn.commands import annotate_page
from tinymaskrcnn.data.annotator import Notebook


@pytest.fixture
def server(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, more in (("a.png", {}), ("b.jpg", {"exif": exif})):
        Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(tmp_path / name, **more)
    notebook = Notebook(tmp_path, tmp_path / "boxes.json")
    made = annotate_page.make_server(notebook, suggest=lambda path: [[1, 2, 3, 4, 5]])
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


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
    ["boxes.json", "../a.png", "picture/2", "picture/-1", "picture/x", "picture/0/1", "picture", "list/0", "a.png"],
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
    assert json.loads(ask(server, "boxes/0", method="PUT", body='"suggest"')[1]) == [[1, 2, 3, 4, 5]]


@pytest.mark.parametrize("body", ["", "{", "[[1,2,3]]", "[[NaN,2,3,4,5]]", "\xff", '"no"', "[" * 100_000])
def test_what_is_no_box_is_refused_in_words(body, server):
    status, said, _ = ask(server, "boxes/0", method="PUT", body=body.encode("latin-1"))
    assert status == 400 and 0 < len(said) <= 500 and not server.notebook.path.exists()


def test_too_much_is_not_read(server):
    assert ask(server, "boxes/0", method="PUT", body=b" " * (10**6 + 1))[0] == 413


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
