"""`tinymaskrcnn data` lists what is there, and downloads only when told to."""

from tinymaskrcnn import cli
from tinymaskrcnn.data import mnist


def test_what_is_there(capsys, tmp_path):
    assert cli.main(["data", "--data", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "1797 embedded UCI digits" in out
    assert "MNIST was not found" in out and "tinymaskrcnn data mnist" in out


def test_the_download_goes_where_it_is_told(monkeypatch, capsys):
    monkeypatch.setattr(mnist, "download", lambda target: target or "cache")
    assert cli.main(["data", "mnist", "--out", "somewhere"]) == 0
    assert "--data somewhere" in capsys.readouterr().out
    assert cli.main(["data", "mnist"]) == 0
    said = capsys.readouterr().out
    assert "verified in cache" in said and "--data mnist" in said
