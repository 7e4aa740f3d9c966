"""The first page: its pictures are there, light and said in words; its film lasts eight seconds; its cards lead on."""

import re
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGE = (DOCS / "index.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
IMAGES = re.findall(r"^```\{image\} (\S+)\n:alt: (.*)$", PAGE, re.MULTILINE)
CARDS = re.findall(r"^\[!\[(.*)\]\((\S+)\)\]\((\S+)\)$", PAGE, re.MULTILINE)
LIGHT = 1_500_000  # bytes of all pictures together


def test_pictures_are_there_and_said_in_words():
    pictures = [*IMAGES, *((path, alt) for alt, path, _ in CARDS)]
    assert len(pictures) == 8
    for path, alt in pictures:
        assert (DOCS / path).is_file() and len(alt) > 40, path
    assert sum((DOCS / path).stat().st_size for path, _ in pictures) < LIGHT
    [alt] = re.findall(r'<img src="docs/images/hero.jpg" alt="([^"]*)">', README)
    assert f":alt: {alt}\n" in PAGE


def test_the_film_lasts_eight_seconds_and_ends_as_its_picture_does():
    times = []
    with Image.open(DOCS / "_static/film.gif") as film:
        assert film.info["loop"] == 2
        for number in range(film.n_frames):
            film.seek(number)
            times.append(film.info["duration"])
        size = film.size
    assert 7500 <= sum(times) <= 8500 and len(times) > 40
    assert Image.open(DOCS / "_static/film.png").size == size
    assert "_static/film.png`" in (DOCS / "_static/film.js").read_text()


def test_six_cards_lead_somewhere():
    assert len({target for _, _, target in CARDS}) == len(CARDS) == 6
    for _, _, target in CARDS:
        page, _, anchor = target.partition("#")
        source = ROOT / page.replace(".ipynb", ".py") if page.startswith("lessons/") else DOCS / page
        headings = re.findall(r"^(?:# )?#+ (.*)$", source.read_text(encoding="utf-8"), re.MULTILINE)
        assert not anchor or anchor in {re.sub(r"\W+", "-", heading.lower()).strip("-") for heading in headings}


def test_who_shows_a_link_to_it_finds_a_card_and_a_sentence():
    conf = (DOCS / "conf.py").read_text(encoding="utf-8")
    [icon] = re.findall(r'^html_favicon = "(.*)"$', conf, re.MULTILINE)
    assert (DOCS / icon).read_text().startswith("<svg")
    [description] = re.findall(r'^    description: "(.*)"$', PAGE, re.MULTILINE)
    assert 50 < len(description) < 160
    [card] = re.findall(r'^    "property=og:image": (\S+)$', PAGE, re.MULTILINE)
    assert Image.open(DOCS / card).size == (1200, 630) and (DOCS / card).stat().st_size < 300_000


def test_both_fronts_begin_with_the_same_lines():
    """From a clone to the installed package, for Windows too."""
    fronts = [re.search(r"```bash\n(.*?)\n\n?tinymaskrcnn", text, re.DOTALL)[1] for text in (PAGE, README)]
    assert fronts[0].strip() == fronts[1].strip()
    assert fronts[0].startswith("git clone") and fronts[0].count("Windows: ") == 2 and "pip install -e ." in fronts[0]
