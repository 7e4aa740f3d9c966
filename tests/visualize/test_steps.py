"""Pictures to step through: what the page says, what the files hold, what the strip shows."""

import base64
import io
import re
from html.parser import HTMLParser

import pytest
from drawing_checks import assert_legible, words
from matplotlib.axes import Axes
from PIL import Image

from tinymaskrcnn.errors import ArgumentError
from tinymaskrcnn.visualize import Steps, draw_boxes, style


def picture(title, width=2.0):
    figure = style.new_figure(width, 1.5)
    figure.add_axes((0.1, 0.1, 0.8, 0.7)).set_title(title, fontsize=style.SMALL)
    return figure


@pytest.fixture
def steps():
    captions = ["the first", 'the "second" <b> & more', "the third costs 3 $ or 4 $"]
    return Steps([picture(f"picture {k}") for k in range(3)], captions, title="Three <of> them")


class Tags(HTMLParser):
    """Collects the tags of a page, and the text outside of scripts and styles."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("img", "input", "meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, "the tags do not nest"

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_page_holds_every_picture_caption_and_alternative_text(steps):
    page = Tags(steps._repr_html_())
    assert page.open == []
    pictures = [base64.b64decode(image["src"].removeprefix("data:image/png;base64,")) for image in page.all("img")]
    assert pictures == steps.pictures and all(p.startswith(b"\x89PNG") for p in pictures)
    assert [image["alt"] for image in page.all("img")] == steps.captions
    for words_ in ("Three <of> them", "1 / 3. the first", '2 / 3. the "second" <b> & more', "3 / 3. the third"):
        assert words_ in page.text
    assert not page.all("button") and not page.all("input")  # the script makes them; without it they would be dead


def test_alternative_texts_may_differ_from_captions():
    page = Tags(Steps([picture("one")], ["look"], alts=["a box on a digit"])._repr_html_())
    assert page.all("img")[0]["alt"] == "a box on a digit"


def test_the_page_asks_for_nothing_and_names_nothing_globally(steps):
    page = steps._repr_html_()
    text = re.sub(r"base64,[A-Za-z0-9+/=]+|// .*", "", page)  # without pictures and remarks
    assert len(text) > 1000 and not re.search(r"https?:|//\w|@import|url\(|fetch|import\(|\.src\b", text)
    assert not any("id" in attributes or "name" in attributes for _, attributes in Tags(page).tags)
    assert not any(tag == "link" or (tag == "script" and a) for tag, a in Tags(page).tags)
    assert page == steps._repr_html_()  # so a notebook that is run again does not change


def test_frames_may_be_figures_axes_or_bytes():
    figure = picture("all the same")
    png, _ = figure._repr_png_()
    ax = draw_boxes([[0.1, 0.1, 0.5, 0.5]], ax=figure.axes[0])
    assert isinstance(ax, Axes)
    steps = Steps([png, figure, ax], ["before", "figure", "axes"])
    assert len(steps) == 3 and steps.pictures[0] == png
    assert steps.pictures[1] == steps.pictures[2] != png


def test_axes_in_a_part_of_a_figure_show_the_whole():
    figure = style.new_figure(3, 1)
    left, right = figure.subfigures(1, 2)
    left.add_axes((0, 0, 1, 1))
    ax = right.add_axes((0, 0, 1, 1))
    assert len({*Steps([figure, ax], ["whole", "part"]).pictures}) == 1


def test_one_figure_may_be_drawn_again_for_every_frame():
    figure = picture("start")

    def frames():
        for k in range(3):
            figure.axes[0].set_title(f"now {k}")
            yield figure

    assert len(set(Steps(frames(), list("abc")).pictures)) == 3


@pytest.mark.parametrize(
    ("frames", "captions", "alts", "message"),
    [
        ([], [], None, "frames must hold at least one picture"),
        ([picture("a")], [], None, "captions must be one text per frame, so 1; got 0"),
        ([picture("a")], "hello there", ["a", "b"], "alts must be one text per frame, so 1; got 2"),
        ([picture("a")], [" "], None, "captions must be texts that say something; number 1 is ' '"),
        ([picture("a")], [3], None, "number 1 is 3"),
        ([picture("a"), b"GIF89a"], ["a", "b"], None, "frame 2 is 6 bytes that are no PNG"),
        (["a.png"], ["a"], None, "frames must be figures, axes or the bytes of PNG files; frame 1 is 'a.png'"),
    ],
)
def test_what_is_wrong_is_named(frames, captions, alts, message):
    with pytest.raises(ArgumentError, match=re.escape(message)):
        Steps(frames, captions, alts=alts)


@pytest.mark.in_turn
@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("columns", [1, 3, 4])
def test_the_filmstrip_shows_all_frames_and_captions(count, columns):
    captions = [f"Frame {k} " + "costs $3 and says WIDE MOMENTS mmm wwww " * (k % 3) for k in range(count)]
    figure = Steps([picture(f"p{k}") for k in range(count)], captions, title="A strip").filmstrip(columns=columns)
    assert_legible(figure)
    assert len(figure.axes) == count
    shown = [" ".join(text.split()) for text in words(figure)]
    assert shown == ["A strip"] + [f"{k}. {' '.join(text.split())}" for k, text in enumerate(captions, start=1)]


def test_the_filmstrip_keeps_the_pictures_shape_and_order():
    wide, tall = picture("wide", width=4.0), picture("tall", width=0.8)
    figure = Steps([wide, tall, wide, tall], list("abcd")).filmstrip(columns=2)
    size = figure.get_size_inches()
    boxes = [ax.get_position() for ax in figure.axes]
    for box, source in zip(boxes, (wide, tall, wide, tall)):
        width, height = source.get_size_inches()
        assert box.width * size[0] / (box.height * size[1]) == pytest.approx(width / height, rel=0.02)
    assert boxes[0].x0 < boxes[1].x0 and boxes[0].y1 == pytest.approx(boxes[1].y1) and boxes[2].y1 < boxes[0].y0
    with pytest.raises(ArgumentError, match="columns must be at least 1; got 0"):
        Steps([wide], ["a"]).filmstrip(columns=0)


def test_the_rows_of_a_filmstrip_follow_close_upon_each_other():
    figure = Steps([picture("p", width=1.5)] * 4, list("abcd"), title="A strip").filmstrip(columns=2)
    figure.canvas.draw()
    first, second, third, _ = (ax.get_window_extent() for ax in figure.axes)
    said = {text.get_text(): text.get_window_extent() for text in figure.texts}
    inch = figure.dpi
    assert 0.15 * inch < second.x0 - first.x1 < 0.25 * inch
    assert 0.2 * inch < first.y0 - third.y1 < 0.5 * inch  # the caption, and a little air
    assert first.y1 < said["A strip"].y0 < figure.bbox.y1 - 0.1 * inch
    assert 0 < said["3. c"].y0 < 0.3 * inch


def test_save_writes_the_frames_and_a_page_of_its_own(steps, tmp_path):
    path = steps.save(tmp_path / "deep" / "folder")
    assert path == tmp_path / "deep" / "folder" / "index.html"
    names = sorted(p.name for p in path.parent.iterdir())
    assert names == ["frame_01.png", "frame_02.png", "frame_03.png", "index.html"]
    assert (path.parent / "frame_02.png").read_bytes() == steps.pictures[1]
    page = path.read_text(encoding="utf-8")
    assert steps._repr_html_() in page and "<title>Three &lt;of&gt; them</title>" in page
    assert steps.save(path.parent) == path  # again, over the old files


def test_write_makes_one_file(steps, tmp_path):
    page = steps.write(tmp_path / "film.html").read_text(encoding="utf-8")
    assert page == steps.save(tmp_path / "folder").read_text(encoding="utf-8")
    with Image.open(steps.write(tmp_path / "film.gif", seconds=0.2)) as film:
        times = []
        for number in range(film.n_frames):
            film.seek(number)
            times.append(film.info["duration"])
        assert times == [200, 200, 600] and film.size == Image.open(io.BytesIO(steps.pictures[0])).size
    with pytest.raises(ArgumentError, match=r"path must end in \.html or \.gif; got '.*film\.png'"):
        steps.write(tmp_path / "film.png")


def test_a_failed_save_leaves_the_old_page(steps, tmp_path, monkeypatch):
    path = steps.save(tmp_path)
    before = path.read_bytes()

    def disk_full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", disk_full)
    with pytest.raises(OSError, match=r"No space left on device.*frame_01\.png"):
        Steps([picture("new")], ["new"]).save(tmp_path)
    assert path.read_bytes() == before and not list(tmp_path.glob(".*"))


def test_it_says_what_it_is_where_there_is_no_page(steps):
    assert repr(steps) == "Steps(3 frames, title='Three <of> them')"
    assert repr(Steps([picture("a")], ["a"])) == "Steps(1 frames)"
