"""`tinymaskrcnn walk`: a page of one step, of a run or a picture; what it cannot use it says."""

import re
import types

import numpy as np
import pytest
from PIL import Image

from tinymaskrcnn import cli
from tinymaskrcnn.commands.walk import subject
from tinymaskrcnn.data import open_stream
from tinymaskrcnn.data.ink import to_ink
from tinymaskrcnn.data.pictures import read_image
from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.experiment import open_detector
from tinymaskrcnn.homework.blanks import all_blanks, places
from tinymaskrcnn.zoo.handwriting import handwriting_preset
from tinymaskrcnn.zoo.shipped import SHIPPED


def test_a_run_is_walked_to_the_same_bytes_twice_and_stays_as_it_is(run, tmp_path, capsys):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for name in ("one.html", "two.html"):
        assert cli.main(["walk", "--model", str(run), "--scene", "1", "--out", str(tmp_path / "new" / name)]) == 0
    size = f"({(tmp_path / 'new' / name).stat().st_size / 1e6:.1f} MB)"
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"wrote {tmp_path / 'new' / name} {size}; open it in a browser"
    ]
    one, two = ((tmp_path / "new" / name).read_bytes() for name in ("one.html", "two.html"))
    assert one == two and b"scene 1" in one
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_the_network_on_one_sheet(run, tmp_path, capsys):
    for name, begin in (("plate.svg", b"<svg"), ("plate.pdf", b"%PDF")):
        assert cli.main(["walk", "--model", str(run), "--out", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_bytes().startswith(begin)
        assert capsys.readouterr().out == f"wrote {tmp_path / name}: the whole network on one sheet\n"


def test_a_model_without_scenes_needs_a_picture(monkeypatch):
    monkeypatch.setattr("tinymaskrcnn.experiment.open_detector", lambda path: types.SimpleNamespace(model=None))
    with pytest.raises(ArgumentError, match="^m.npz says nothing of its scenes: give a picture with --picture$"):
        subject("m.npz")


def test_a_picture_of_ones_own(run, tmp_path):
    picture = tmp_path / "grey.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 40), np.uint8)).save(picture)
    assert cli.main(["walk", "--model", str(run), "--picture", str(picture), "--out", str(tmp_path / "a.html")]) == 0
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "grey.png" in text and "stands in for the truth" in text and "1×64×64×1" in text


def test_every_detector_of_the_package_has_scenes_to_walk_on():
    for name, shipped in SHIPPED.items():
        _, batch, about = subject(name)
        assert shipped.about in about and batch.targets.valid.any()
        assert batch.images.shape[1:3] == (shipped.preset().scenes.image_size,) * 2


@pytest.mark.parametrize("size", [(96, 96), (1, 1)])
def test_a_picture_in_which_nothing_is_found(size, tmp_path):
    Image.fromarray(np.zeros(size, np.uint8)).save(tmp_path / "black.png")
    for name in ("plate.svg", "walk.html"):
        words = ["--picture", str(tmp_path / "black.png"), "--out", str(tmp_path / name)]
        assert cli.main(["walk", *words]) == 0
    assert ">none</text>" in (tmp_path / "plate.svg").read_text(encoding="utf-8")
    assert "black.png" in (tmp_path / "walk.html").read_text(encoding="utf-8")


def test_a_model_that_looks_at_ink_makes_it_once(tmp_path):
    """What stands in for the truth is what `predict` finds, and the step begins with the ink that the model learns."""
    scene, _ = open_stream(handwriting_preset(), split="test").scene(1)
    Image.fromarray(np.rint(255 * scene[..., 0]).astype(np.uint8)).save(tmp_path / "page.png")
    image, detector = read_image(tmp_path / "page.png", 1), open_detector("handwriting")
    [found] = detector.detect([image])
    _, batch, _ = subject("handwriting", picture=tmp_path / "page.png")
    wanted = found.select(found.scores >= 0.5).boxes
    assert len(wanted) >= 3
    np.testing.assert_array_equal(batch.targets.boxes[0][batch.targets.valid[0]], wanted)
    np.testing.assert_array_equal(batch.images[0][: image.shape[0], : image.shape[1]], to_ink(image))


def test_blanks_hide_the_answers_and_nothing_else(run, tmp_path):
    paths = [tmp_path / "whole.html", tmp_path / "blank.html"]
    for path, more in zip(paths, ([], ["--blanks"])):
        assert cli.main(["walk", "--model", str(run), "--out", str(path), *more]) == 0
    whole, blank = (path.read_text(encoding="utf-8") for path in paths)
    hidden = set(re.findall(r"(hw\d\d\.\w+): this part is homework", blank))
    assert "this part is homework" not in whole and hidden <= set(all_blanks()) and len(hidden) >= 10
    lines = {(file, line) for file, found in places().items() for _, *ends in found for line in range(*ends)}
    assert len(shown(whole) & lines) > 100 and shown(blank) == shown(whole) - lines


def shown(text):
    """{(file, line)} of the lines that ran, by the numbers on a page."""
    found = set()
    for card in re.findall(r"<article.*?</article>", text, re.DOTALL):
        file = re.search(r'class="file">([\w/]+\.py)', card)[1]
        found |= {(file, int(line)) for line in re.findall(r'class="row ran"><span class="no">(\d+)<', card)}
    return found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "walk.txt"], "--out must end in .html, .svg, .pdf or .png; got 'walk.txt'"),
        (["--model", "nowhere"], "nowhere"),
        (["--picture", "nothing.png"], "nothing.png: there is no such file"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(words, said, capsys):
    assert cli.main(["walk", *words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and len(error) < 500


@pytest.mark.parametrize("words", [["--scene", "-1"], ["--scene", "1", "--picture", "a.png"], ["--seed", "x"]])
def test_options_that_make_no_sense(words, capsys):
    with pytest.raises(SystemExit):
        cli.main(["walk", *words])
    assert "Traceback" not in capsys.readouterr().err
