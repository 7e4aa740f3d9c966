"""`tinymaskrcnn live`: pages of a folder for this machine alone, and how they are put together."""

import http.client
import json
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from tinymaskrcnn import cli
from tinymaskrcnn.commands import live

ROOT = Path(__file__).parents[2]
FILES = ("index.html", "worker.js", "python.mjs", "python.wasm", "one.whl")


@pytest.fixture
def folder(tmp_path):
    for name in FILES:
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


@pytest.fixture
def server(folder):
    server = live.make_server(folder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def ask(server, path, host=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request("GET", path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.headers["Content-Type"]


def test_a_browser_takes_what_is_served_for_what_it_is(server):
    kinds = {name: ask(server, f"/{name}") for name in FILES}
    assert [body.decode() for _, body, _ in kinds.values()] == list(FILES)
    assert kinds["worker.js"][2] == kinds["python.mjs"][2] == "text/javascript"  # or no module is run
    assert kinds["python.wasm"][2] == "application/wasm"


def test_it_is_open_to_this_machine_alone(server):
    assert server.server_address[0] == "127.0.0.1"
    assert ask(server, "/", f"localhost:{server.server_port}")[:2] == (200, b"index.html")
    for host in ("evil.example", "127.0.0.1:1"):
        assert ask(server, "/", host)[0] == 403
    assert ask(server, "/../../etc/passwd")[0] == 404


def test_a_folder_is_served_until_ctrl_c(folder, monkeypatch, capsys):
    def interrupted(server, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", interrupted)
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert cli.main(["live", str(folder)]) == 0 and cli.main(["live", str(folder), "--no-browser"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].removeprefix("the pages are at ") == opened[0] and len(opened) == 1 and said[1] == "ended"


def test_options_that_do_not_fit(fails, folder, tmp_path, monkeypatch):
    assert "--port must be in 0..65535; got -1" in fails("live", folder, "--port", -1)
    assert "holds no index.html" in fails("live", tmp_path / "none")
    assert "leave it out with a folder" in fails("live", folder, "--pyodide", tmp_path)
    monkeypatch.setattr(live, "CHECKOUT", tmp_path)
    assert "from a checkout" in fails("live", "--no-browser")


# ---------------------------------------------------------------- python -m docs.live


def built(out, *given):
    return subprocess.run([sys.executable, "-m", "docs.live", out, *given], cwd=ROOT, capture_output=True, text=True)


def distribution(folder, packages):
    """A folder that has the form of a distribution of Pyodide, with these packages and what each needs."""
    folder.mkdir()
    for name in ("pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip"):
        (folder / name).write_bytes(b"x" * 1000)
    lock = {name: {"file_name": f"{name}.whl", "depends": needs} for name, needs in packages.items()}
    (folder / "pyodide-lock.json").write_text(json.dumps({"packages": lock}))
    for name in packages:
        (folder / f"{name}.whl").write_bytes(name.encode())
    return folder


PACKAGES = {"numpy": [], "scipy": ["Blas"], "blas": [], "matplotlib": ["numpy"], "pillow": [], "threadpoolctl": []}


def test_the_same_checkout_gives_the_same_bytes_and_only_what_is_needed(tmp_path):
    pyodide = distribution(tmp_path / "pyodide", PACKAGES | {"pandas": ["numpy"]})
    one, two = tmp_path / "one", tmp_path / "two"
    for out in (one, two):
        assert built(out, "--pyodide", pyodide).returncode == 0
    files = {path.relative_to(one) for path in one.rglob("*") if path.is_file()}
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in files)
    copied = {name.name for name in files if name.parts[0] == "pyodide"}
    assert "blas.whl" in copied and "pandas.whl" not in copied and "pyodide.asm.wasm" in copied
    about = json.loads((one / "live.json").read_text())
    assert about["pyodide"] == "pyodide/" and set(about["wheels"]) == {str(n) for n in files if n.suffix == ".whl"} - {
        f"pyodide/{n}" for n in copied
    }


def test_the_wheel_holds_the_package_and_nothing_that_is_compiled(tmp_path):
    assert built(tmp_path).returncode == 0
    about = json.loads((tmp_path / "live.json").read_text())
    assert about["pyodide"].startswith("https://")
    with zipfile.ZipFile(tmp_path / about["wheels"][0]) as wheel:
        names = wheel.namelist()
        assert wheel.testzip() is None
    tracked = subprocess.run(["git", "ls-files", "tinymaskrcnn"], cwd=ROOT, capture_output=True, text=True).stdout
    compiled = (".c", ".h", ".cu")
    assert {n for n in tracked.split() if not n.endswith(compiled)} <= set(names)
    assert not [n for n in names if n.endswith((".so", ".pyc", *compiled))]


def test_a_distribution_that_lacks_something_is_refused(tmp_path):
    done = built(tmp_path / "out", "--pyodide", tmp_path)
    assert done.returncode == 2 and "holds no pyodide-lock.json" in done.stderr
    done = built(tmp_path / "out", "--pyodide", distribution(tmp_path / "less", {"numpy": []}))
    assert done.returncode == 2 and "lacks threadpoolctl" in done.stderr
    whole = distribution(tmp_path / "broken", PACKAGES)
    (whole / "blas.whl").unlink()
    done = built(tmp_path / "out", "--pyodide", whole)
    assert done.returncode == 2 and "lacks blas.whl" in done.stderr and not (tmp_path / "out").exists()
