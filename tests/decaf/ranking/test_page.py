"""The page of a ranking, as a file and in a browser."""

import base64
import io
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from browser import Browser
from hostile_album import HOSTILE, WITH_LINE_BREAK, make_album
from PIL import Image
from tiny_model import save_tiny_model

from decaf.models.model import load_model
from decaf.ranking.page import write_page
from decaf.ranking.ranking import RankedPhoto, Ranking, rank_photos
from features.photos import file_digest


@pytest.fixture(scope="module")
def album(samples, tmp_path_factory):
    return make_album(samples, tmp_path_factory.mktemp("album"))


@pytest.fixture(scope="module")
def ranking(album, samples, tmp_path_factory):
    """The folder of a ranking of the album, whose first two photos trained the model."""
    folder = tmp_path_factory.mktemp("rankings")
    trained_on = [file_digest(path) for path in sorted(samples.glob("*.jpg"))[:2]]
    save_tiny_model(folder / "model", n_votes=7, trained_on=trained_on)
    ranked = rank_photos(album, load_model(folder / "model"), progress=False)
    ranked.write(folder / "ranking", progress=False)
    return folder / "ranking"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def make_page(folder, n):
    """A page of n photos, of which 3 to 6 are one stack."""
    for number in range(20):
        colour = tuple(np.random.default_rng(number).integers(0, 255, 3).tolist())
        size = (48, 32) if number % 3 else (32, 48)
        Image.new("RGB", size, colour).save(folder / f"{number}.png")
    photos = [
        RankedPhoto(
            name=f"trip/photo {rank}.png",
            path=str(folder / f"{rank % 20}.png"),
            rank=rank,
            percentile=100 * (n - rank) / (n - 1),
            score=float(n - rank),
            probability=1 - rank / n,
            stack=1 if 3 <= rank <= 6 else None,
            is_top=rank not in (4, 5, 6),
            mean=5.0,
            spread=1.0,
            votes=(0.1, 0.2, 0.4, 0.3),
        )
        for rank in range(1, n + 1)
    ]
    ranking = Ranking(tuple(photos), "An album", {"model": "tiny"})
    write_page(folder / "ranking.html", ranking, progress=False)
    return folder / "ranking.html"


@pytest.fixture(scope="module")
def page_of_200(tmp_path_factory):
    return make_page(tmp_path_factory.mktemp("page"), 200)


@pytest.fixture
def page(browser, page_of_200):
    browser.resize(1280, 900)
    browser.open(page_of_200)
    return browser


def ranks(browser):
    """Ranks on the tiles, in their order."""
    script = "[...document.querySelectorAll('.tile b')].map((b) => +b.textContent.replace(',', ''))"
    return browser.run(script)


def images(browser):
    """Names of the images that a screen reader finds in the view of one photo."""
    script = (
        "[...view.querySelectorAll('.stage img')].filter((i) => !i.hidden && i.alt)"
        ".map((i) => i.alt)"
    )
    return browser.run(script)


def focused(browser):
    return browser.run("document.activeElement.closest('.tile')?.photo.r")


def test_the_page_asks_for_nothing_from_elsewhere(ranking):
    page = (ranking / "ranking.html").read_text(encoding="utf-8")
    assert "://" not in page
    assert not re.search(r'(src|href)="|@import|<link|<iframe|url\(', page)
    assert "default-src 'none'" in page


def test_names_are_data_and_never_markup(ranking):
    page = (ranking / "ranking.html").read_text(encoding="utf-8")

    class Texts(HTMLParser):
        tags, data = [], ""

        def handle_starttag(self, tag, attributes):
            self.tags.append(dict(attributes).get("id") or tag)

        def handle_data(self, data):
            if self.tags and self.tags[-1] == "photos":
                self.data += data

    texts = Texts()
    texts.feed(page)
    assert "<b> album" not in page
    assert {photo["n"] for photo in json.loads(texts.data)} >= {
        HOSTILE,
        WITH_LINE_BREAK,
        "caf�.jpg",
    }


def test_thumbnails_are_small_upright_and_in_the_page(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    noise = np.random.default_rng(0).integers(0, 255, (60, 90, 3)).astype(np.uint8)
    Image.fromarray(noise).resize((900, 600)).save(tmp_path / "turned.jpg", exif=turned)
    photo = RankedPhoto("turned.jpg", str(tmp_path / "turned.jpg"), 1, 100.0, 0.0, 0.5, None, True)
    write_page(tmp_path / "page.html", Ranking((photo,), "t"), progress=False)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    (entry,) = json.loads(re.search(r'id="photos">(.*?)</script>', page)[1])
    data = base64.b64decode(entry["i"])
    assert Image.open(io.BytesIO(data)).size == (107, 160) == (entry["w"], entry["h"])
    assert len(data) < 10_000


def test_photos_of_any_name_open_in_the_page(browser, ranking):
    browser.open(ranking / "ranking.html")
    assert browser.run("document.querySelector('h1').textContent") == "My <b> album, ranked"
    assert "2 of these photos trained" in browser.run("document.body.textContent")
    browser.run("document.querySelector('.tile .open').click()")
    for rank in range(1, 6):
        browser.wait_for("!document.querySelector('#large').hidden")
        assert browser.run("document.querySelector('#large').naturalWidth") > 200
        assert browser.run("document.querySelectorAll('#view-votes li').length") == 7
        assert images(browser) == [browser.run("viewed.n")]
        if rank < 5:
            browser.press("ArrowRight")
    assert not [event for event in browser.events if event.get("method") == "Log.entryAdded"]
    urls = [
        event["params"]["request"]["url"]
        for event in browser.events
        if event.get("method") == "Network.requestWillBeSent"
    ]
    assert urls and all(url.startswith(("file:", "data:")) for url in urls)


def test_a_photo_that_is_gone_shows_its_thumbnail(browser, album, ranking, tmp_path):
    shutil.copy(ranking / "ranking.html", tmp_path / "ranking.html")
    browser.open(tmp_path / "ranking.html")
    browser.run("document.querySelector('.tile .open').click()")
    browser.wait_for("document.querySelector('#small').naturalWidth > 0")
    assert browser.run("document.querySelector('#large').hidden")
    name = browser.run("photos[0].n")
    assert images(browser) == [name]
    browser.press("ArrowRight")
    assert images(browser) == [browser.run("viewed.n")] != [name]


def test_the_page_shows_5000_photos_and_decodes_only_those_that_are_seen(browser, tmp_path):
    browser.resize(1280, 900)
    browser.open(make_page(tmp_path, 5000))
    assert browser.run("document.querySelector('#status').textContent") == "4,997 of 5,000 shown"
    assert ranks(browser)[:5] == [1, 2, 3, 7, 8]
    decoded = "document.querySelectorAll('.tile img[src]').length"
    browser.wait_for(f"{decoded} > 10")
    assert browser.run(decoded) < 500
    browser.run("scrollTo(0, document.body.scrollHeight)")
    browser.wait_for("tileOf(photos[4999]).querySelector('img').naturalWidth > 0")
    browser.wait_for("!tileOf(photos[0]).querySelector('img').src")


def test_slider_direction_and_search_choose_what_is_shown(page):
    page.run("share.value = 10; share.dispatchEvent(new Event('input'))")
    assert page.run("document.querySelector('#share-text').textContent") == "the best 10 %"
    assert ranks(page) == [1, 2, 3, *range(7, 21)]
    page.click("#worst")
    assert ranks(page) == list(range(200, 180, -1))
    page.run("share.value = 100; share.dispatchEvent(new Event('input'))")
    page.run("document.querySelector('#search').focus()")
    for letter in "TO 12":
        page.press(letter)
    assert ranks(page)[:3] == [129, 128, 127]
    assert ranks(page)[-1] == 12
    page.press("z")
    assert ranks(page) == []
    assert not page.run("document.querySelector('#empty').hidden")


def test_a_stack_shows_its_size_and_opens(page):
    assert page.run("tileOf(photos[2]).querySelector('.pile').textContent") == "+3"
    page.click(".tile.stacked .pile")
    assert ranks(page)[:8] == [1, 2, 3, 4, 5, 6, 7, 8]
    page.press("s")
    assert ranks(page)[:4] == [1, 2, 3, 7]
    page.press("Enter")
    assert page.run("document.querySelectorAll('.strip button').length") == 4
    page.run("document.querySelectorAll('.strip button')[3].click()")
    assert page.run("document.querySelector('#view-name').textContent") == "trip/photo 6.png"
    page.press("ArrowRight")
    assert page.run("viewed.r") == 7


def test_a_closed_stack_is_as_bad_as_its_worst_photo(page):
    # Ranks 3 to 6 are one stack: of the worst 98 % are 5 and 6.
    page.click("#worst")
    page.run("share.value = 98; share.dispatchEvent(new Event('input'))")
    assert ranks(page)[-3:] == [8, 7, 6]
    assert page.run("tileOf(photos[5]).querySelector('.pile').textContent") == "+3"
    assert page.run("document.querySelectorAll('.tile.stacked').length") == 1
    page.click("#select")
    assert page.run("picked.has(photos[5]) && !picked.has(photos[2])")
    page.click(".tile.stacked .pile")
    assert ranks(page)[-5:] == [7, 6, 5, 4, 3]
    assert focused(page) == 6
    page.press("Enter")
    assert page.run("document.querySelector('#view-stack h3').textContent") == (
        "Stack of 4, worst first"
    )
    page.press("ArrowRight")
    assert page.run("viewed.r") == 5
    page.press("Escape")
    page.press("s")
    assert ranks(page)[-2:] == [7, 6]
    page.click("#worst")
    page.run("share.value = 100; share.dispatchEvent(new Event('input'))")
    assert ranks(page)[:4] == [1, 2, 3, 7]


def test_each_step_announces_the_photo_s_name_and_rank(page):
    page.run("document.querySelector('.tile .open').click()")
    page.press("ArrowRight")
    region = "document.querySelector('#view-name').closest('[aria-live=polite][aria-atomic=true]')"
    told = page.run(f"{region}.textContent")
    assert "2 of 200" in told and "trip/photo 2.png" in told


def test_everything_works_from_the_keyboard(page):
    page.run("document.querySelector('#copy').disabled = false; select.focus()")
    for _ in range(3):
        page.press("Tab")
    assert focused(page) == 1
    for key, rank in (("ArrowRight", 2), ("End", 200), ("Home", 1), ("ArrowLeft", 1)):
        page.press(key)
        assert focused(page) == rank
    page.press("ArrowDown")
    below = focused(page)
    assert page.run(f"tileOf(photos[{below - 1}]).offsetTop > tileOf(photos[0]).offsetTop")
    page.press("ArrowUp")
    assert page.run("tileOf(photos[0]).offsetTop === document.activeElement.parentNode.offsetTop")
    page.press("Home")
    page.press("Enter")
    assert page.run("view.open && document.querySelector('#view-rank').textContent") == "1 of 200"
    assert page.run("document.activeElement === view")
    page.press("ArrowRight")
    page.press("x")
    page.press("Escape")
    page.wait_for("viewed === null")  # its closing has been dealt with
    assert not page.run("view.open")
    assert focused(page) == 2
    assert page.run("tileOf(photos[1]).querySelector('input').checked")
    page.press("/")
    assert page.run("document.activeElement.id") == "search"


def test_the_names_of_the_selected_photos_are_copied(page):
    page.call("Browser.grantPermissions", permissions=["clipboardReadWrite"])
    page.run("tileOf(photos[6]).querySelector('input').click()")
    page.run("tileOf(photos[1]).querySelector('input').click()")
    assert page.run("document.querySelector('#copy').textContent") == "Copy 2 names"
    page.click("#copy")
    page.wait_for("document.querySelector('#status').textContent === '2 names copied'")
    copied = page.run("navigator.clipboard.readText()")
    assert copied == "trip/photo 2.png\ntrip/photo 7.png"
    page.click("#clear")
    assert page.run("document.querySelector('#copy').disabled")


def test_names_are_copied_even_where_a_page_may_not_use_the_clipboard(page):
    page.run("navigator.clipboard.writeText = () => Promise.reject(new Error('not allowed'))")
    page.click("#select")
    page.click("#copy")
    page.wait_for("document.querySelector('#status').textContent === '197 names copied'")


def test_the_page_fits_a_phone(page):
    page.resize(360, 740, 3)
    assert page.run("document.documentElement.scrollWidth") <= 360
    page.run("document.querySelector('.tile .open').click()")
    box = page.run("JSON.stringify(document.querySelector('#close').getBoundingClientRect())")
    assert json.loads(box)["right"] <= 360 and json.loads(box)["bottom"] <= 740


def test_every_control_has_a_name_and_tiles_are_one_stop_of_the_tab_key(page):
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    controls = [
        node
        for node in nodes
        if node.get("role", {}).get("value") in ("button", "checkbox", "slider", "searchbox")
    ]
    assert len(controls) > 400
    assert all(node.get("name", {}).get("value") for node in controls if not node["ignored"])
    assert page.run("grid.querySelectorAll('[tabindex=\"0\"]').length") <= 3
