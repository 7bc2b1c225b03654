"""The page of a ranking, as a file and in a browser."""

import base64
import io
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from axe import violations
from browser import Browser
from hostile_album import HOSTILE, WITH_LINE_BREAK, make_album
from PIL import Image
from robustness.clicks import drive, make_ranking
from tiny_model import save_tiny_model

from decaf.models.model import load_model
from decaf.ranking.page import remove_files, write_page
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


@pytest.fixture
def page_in_parts(tmp_path, monkeypatch):
    """A page of 200 photos whose thumbnails lie in 10 parts beside it."""
    monkeypatch.setattr("decaf.ranking.page.MOST_IN_PAGE", 100)
    monkeypatch.setattr("decaf.ranking.page.PER_PART", 20)
    return make_page(tmp_path, 200)


def write_photo(path, size=(1200, 900), **options):
    """A photo of which every part is another one."""
    noise = np.random.default_rng(0).integers(0, 255, (30, 40, 3)).astype(np.uint8)
    Image.fromarray(noise).resize(size).save(path, **options)


def page_of(folder, *paths):
    """A page of these photos, the best first."""
    photos = [
        RankedPhoto(path.name, str(path), rank, 50.0, -rank, 0.5, None, True)
        for rank, path in enumerate(paths, start=1)
    ]
    write_page(folder / "ranking.html", Ranking(tuple(photos), "t"), progress=False)
    return folder / "ranking.html"


def ranks(browser):
    """Ranks of the photos that are shown, in their order; those of the tiles are among them."""
    script = "[...document.querySelectorAll('.tile b')].map((b) => +b.textContent.replace(',', ''))"
    tiles = browser.run(script)
    shown = browser.run("shown.map((photo) => photo.r)")
    places = [shown.index(rank) for rank in tiles]
    assert places == sorted(places) and bool(places) == bool(shown)
    return shown


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
        browser.wait_for("large !== null")
        assert browser.run("large.naturalWidth") > 200
        assert browser.run("document.querySelectorAll('#view-votes li').length") == 7
        assert images(browser) == [browser.run("viewed.n")]
        if rank < 5:
            browser.press("ArrowRight")
    assert not browser.errors()
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
    assert browser.run("large === null && document.querySelector('#zoom').disabled")
    name = browser.run("photos[0].n")
    assert images(browser) == [name]
    browser.press("ArrowRight")
    assert images(browser) == [browser.run("viewed.n")] != [name]


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
    assert page.run("tiles.get(photos[2]).querySelector('.pile').textContent") == "+3"
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
    page.run("focus(photos[5])")
    assert page.run("tiles.get(photos[5]).querySelector('.pile').textContent") == "+3"
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
    assert page.run(f"tiles.get(photos[{below - 1}]).offsetTop > tiles.get(photos[0]).offsetTop")
    page.press("ArrowUp")
    top = "document.activeElement.parentNode.offsetTop"
    assert page.run(f"tiles.get(photos[0]).offsetTop === {top}")
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
    assert page.run("tiles.get(photos[1]).querySelector('input').checked")
    page.press("/")
    assert page.run("document.activeElement.id") == "search"


def test_the_names_of_the_selected_photos_are_copied(page):
    page.call("Browser.grantPermissions", permissions=["clipboardReadWrite"])
    page.run("tiles.get(photos[6]).querySelector('input').click()")
    page.run("tiles.get(photos[1]).querySelector('input').click()")
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
    assert len(controls) > 100
    assert all(node.get("name", {}).get("value") for node in controls if not node["ignored"])
    assert page.run("grid.querySelectorAll('[tabindex=\"0\"]').length") <= 3


@pytest.mark.parametrize("n, most_in_page", [(1, 100), (60, 0)])
def test_random_keys_and_clicks_leave_the_page_as_its_controls_say(
    browser, tmp_path, monkeypatch, n, most_in_page
):
    monkeypatch.setattr("decaf.ranking.page.MOST_IN_PAGE", most_in_page)
    ranking = make_ranking(tmp_path, n)
    write_page(tmp_path / "ranking.html", ranking, progress=False)
    drive(browser, tmp_path / "ranking.html", ranking, n_actions=150, seed=n)


def test_a_search_that_finds_nothing_ends_where_it_began(page):
    page.run("focus(photos[120])")
    top = page.run("scrollY")
    page.run("search.focus()")
    for letter in "zq":
        page.press(letter)
    assert ranks(page) == []
    assert page.run("document.querySelector('#select').disabled")
    page.press("Enter")
    page.press("Tab")
    page.run("search.focus()")
    for _ in "zq":
        page.press("Backspace")
    assert len(ranks(page)) == 197
    assert page.run("current.r") == 121
    assert abs(page.run("scrollY") - top) <= 1
    assert not page.errors()


def test_an_album_without_photos_has_a_page(browser, tmp_path):
    browser.open(page_of(tmp_path))
    for key in ("Tab", "Tab", "Enter", "ArrowDown", "x", "s", "End", "/", "k"):
        browser.press(key)
    browser.reload()
    assert browser.run("document.querySelector('#status').textContent") == "0 of 0 shown"
    assert not browser.errors()


@pytest.mark.parametrize(
    "looked_for, found",
    [
        ("koln", ["Köln.jpg", "Ko\u0308ln.jpg"]),
        ("KÖLN", ["Köln.jpg", "Ko\u0308ln.jpg"]),
        ("ko\u0308ln", ["Köln.jpg", "Ko\u0308ln.jpg"]),
        ("strasse", ["Straße.jpg"]),
        ("straße", ["Straße.jpg"]),
        ("lodz", ["Łódź.jpg"]),
        ("smorrebrod", ["Smørrebrød.jpg"]),
        ("izmir", ["İzmir.jpg"]),
        ("ΟΔΟΣ", ["οδός.jpg"]),
        ("ガラス", ["ガラス.jpg"]),
        ("カラス", ["カラス.jpg"]),
    ],
)
def test_a_search_sees_letters_without_their_marks(page, looked_for, found):
    names = [
        "Köln",
        "Ko\u0308ln",
        "Straße",
        "Łódź",
        "Smørrebrød",
        "İzmir",
        "οδός",
        "ガラス",
        "カラス",
    ]
    names = json.dumps([f"{name}.jpg" for name in names])
    script = f"{names}.filter((name) => plain(name).includes(plain({json.dumps(looked_for)})))"
    assert page.run(script) == found


def test_selection_and_place_survive_a_reload(page):
    page.click(".tile.stacked .pile")
    page.click("#worst")
    page.run("share.value = 99; share.dispatchEvent(new Event('input'))")
    page.run("pick(photos[150]); pick(photos[151]); pick(photos[7]); focus(photos[60])")
    page.run("scrollBy(0, 33)")
    state = "[ranks(), scrollY, current.r, [...picked].map((p) => p.r).sort(), viewed && viewed.r]"
    state = state.replace("ranks()", "shown.map((p) => p.r)")
    before = page.run(state)
    page.reload()
    assert page.run(state) == before
    page.run("open(photos[61])")
    page.reload()
    assert page.run("view.open && viewed.r") == 62
    page.press("Escape")
    page.wait_for("viewed === null")
    page.press("/")
    page.press("9")
    before = page.run(state)
    page.reload()
    assert page.run(state) == before


def test_a_new_tab_goes_on_and_another_ranking_begins_anew(page, page_of_200, tmp_path):
    page.run("pick(photos[3])")
    page.wait_for("localStorage.length === 1")
    page.run("sessionStorage.clear()")
    page.run("removeEventListener('pagehide', keep)")
    page.reload()
    assert page.run("picked.has(photos[3])")
    page.call("Page.navigate", url=make_page(tmp_path, 199).as_uri())
    page.wait_for("document.readyState === 'complete' && photos.length === 199")
    assert page.run("picked.size") == 0


def test_a_browser_that_keeps_nothing_is_no_trouble(browser, page_of_200):
    for refused in ("get: () => { throw new Error('refused'); }", "value: undefined"):
        source = "".join(
            f"Object.defineProperty(window, '{memory}', {{ {refused} }});"
            for memory in ("localStorage", "sessionStorage")
        )
        script = browser.call("Page.addScriptToEvaluateOnNewDocument", source=source)
        browser.events.clear()
        browser.call("Page.navigate", url=page_of_200.as_uri())
        browser.wait_for("document.readyState === 'complete'")
        browser.run("pick(photos[0]); keep()")
        browser.call("Page.removeScriptToEvaluateOnNewDocument", **script)
        assert len(ranks(browser)) == 197
        assert not browser.errors()


def test_what_is_shown_is_printed_with_names_and_ranks(page):
    page.run("share.value = 50; share.dispatchEvent(new Event('input'))")
    page.run("open(photos[0])")
    texts = "[...printed.children].map((item) => item.textContent)"
    page.run(f"addEventListener('beforeprint', () => {{ window.texts = {texts}; }})")
    pdf = page.printed()
    texts = page.run("texts")
    assert texts[:2] == ["1 100 %trip/photo 1.png", "2 99 %trip/photo 2.png"]
    assert len(texts) == len(ranks(page)) == 97
    assert pdf.count(b"/Subtype /Image") >= 20  # one of each colour
    assert page.run("printed.childElementCount") == 0


def test_a_photo_is_shown_at_100_percent_and_moved(browser, tmp_path):
    write_photo(tmp_path / "a.jpg")
    write_photo(tmp_path / "b.jpg")
    browser.resize(1000, 600)
    browser.open(page_of(tmp_path, tmp_path / "a.jpg", tmp_path / "b.jpg"))
    browser.run("focus(photos[0])")
    browser.press("Enter")
    browser.wait_for("large !== null")
    place = "[sheet.scrollLeft, sheet.scrollTop]"
    browser.press("z")
    assert browser.run("[large.offsetWidth, large.offsetHeight]") == [1200, 900]
    width, height = browser.run("[sheet.clientWidth, sheet.clientHeight]")
    left, top = (1200 - width) / 2, (900 - height) / 2
    assert browser.run(place) == pytest.approx([left, top], abs=1)  # its middle
    browser.press("ArrowRight")
    browser.press("ArrowUp")
    left, top = left + width / 8, top - height / 8
    assert browser.run(place) == pytest.approx([left, top], abs=1)
    browser.drag([(300, 300), (200, 290), (200, 250)])
    assert browser.run(place) == pytest.approx([left + 100, top + 50], abs=1)
    browser.press("PageDown")
    browser.wait_for("viewed.r === 2 && large !== null")
    assert browser.run(place) == pytest.approx([left + 100, top + 50], abs=1)
    assert images(browser) == ["b.jpg"]
    browser.press("Escape")
    assert browser.run("view.open && !isZoomed()")
    # The point that is clicked stays where it is.
    box = browser.run("sheet.clientWidth")
    browser.drag([(box / 2 + 170, 300)])
    assert browser.run("isZoomed()")
    assert browser.run(place) == pytest.approx([600 + 170 * 1200 / box - box / 2 - 170, 150], abs=1)
    browser.drag([(box / 2, 300)])
    assert not browser.run("isZoomed()")
    browser.press("Escape")
    browser.wait_for("viewed === null")


def test_100_percent_is_a_pixel_of_the_screen_for_one_of_the_photo(browser, tmp_path):
    write_photo(tmp_path / "a.jpg")
    browser.resize(500, 700, scale=2)
    browser.open(page_of(tmp_path, tmp_path / "a.jpg"))
    browser.run("open(photos[0])")
    browser.wait_for("large !== null")
    browser.click("#zoom")
    assert browser.run("[large.offsetWidth, large.offsetHeight]") == [600, 450]


def test_a_swipe_goes_to_the_next_photo_and_a_double_tap_to_100_percent(browser, tmp_path):
    write_photo(tmp_path / "a.jpg")
    write_photo(tmp_path / "b.jpg")
    browser.resize(390, 740, scale=2, mobile=True)
    browser.open(page_of(tmp_path, tmp_path / "a.jpg", tmp_path / "b.jpg"))
    browser.run("open(photos[0])")
    browser.wait_for("large !== null")
    left, right, low = (100, 200), (300, 200), (290, 380)
    for points, rank in (
        ([right, left], 2),
        ([right, left], 2),  # the last
        ([left, right], 1),
        ([right, low], 1),  # no swipe
        ([right, (295, 200)], 1),
    ):
        browser.touch(points)
        assert browser.run("viewed.r") == rank
    browser.wait_for("large !== null")
    assert not browser.run("isZoomed()")
    browser.run("lastTap.time = -Infinity")
    browser.touch([left])
    assert not browser.run("isZoomed()")
    browser.touch([left])
    assert browser.run("isZoomed() && viewed.r") == 1
    browser.run("lastTap.time = -Infinity")
    browser.touch([left])
    browser.touch([left])
    assert not browser.run("isZoomed()")


def test_what_browsers_do_not_show_has_a_preview(browser, tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    write_photo(tmp_path / "large.tif", (2400, 1600))
    write_photo(tmp_path / "really a JPEG.tif", (600, 450), format="JPEG")
    write_photo(tmp_path / "shown.webp", (600, 450))
    write_photo(tmp_path / "shown.avif", (600, 450))
    write_photo(tmp_path / "source.png", (600, 450))
    with Image.open(tmp_path / "source.png") as image:
        pillow_heif.from_pillow(image).save(tmp_path / "phone.HEIC")
    files = ["large.tif", "phone.HEIC", "really a JPEG.tif", "shown.webp", "shown.avif"]
    browser.resize(1000, 700)
    browser.open(page_of(tmp_path, *[tmp_path / name for name in files]))
    previews = sorted((tmp_path / "ranking_files").iterdir())
    assert [path.name for path in previews] == ["preview-1.jpg", "preview-2.jpg"]
    for number, size in enumerate([[2048, 1365], *[[600, 450]] * 4]):
        browser.run(f"open(photos[{number}])")
        browser.wait_for("large !== null")
        assert browser.run("[large.naturalWidth, large.naturalHeight]") == size
        assert browser.run("!document.querySelector('#view-preview').hidden") == (number < 2)
        href = browser.run("decodeURI(document.querySelector('#view-file').href)")
        assert href.endswith("/" + files[number])
    assert not browser.errors()


def test_thumbnails_of_a_large_album_lie_in_parts_beside_the_page(browser, page_in_parts):
    assert "base64,U" not in page_in_parts.read_text(encoding="utf-8")
    assert len(list((page_in_parts.parent / "ranking_files").iterdir())) == 10
    browser.resize(1280, 300)
    browser.open(page_in_parts)
    loaded = "[...document.querySelectorAll('.tile img')].every((image) => image.naturalWidth)"
    browser.wait_for(loaded)
    assert browser.run("parts.size") < 10
    browser.run("scrollTo(0, document.body.scrollHeight)")
    browser.wait_for("tiles.has(photos[199])")
    browser.wait_for(loaded)
    browser.run("open(photos[199])")
    assert browser.run("small.naturalWidth")
    assert not browser.errors()


def test_thumbnails_in_parts_are_printed(browser, page_in_parts):
    browser.resize(1280, 900)
    browser.open(page_in_parts)
    browser.run("window.print = () => { ready = [...printed.querySelectorAll('img')]; }")
    browser.press("p", "Control")
    browser.wait_for("window.ready && ready.length === 197")
    assert browser.run("ready.every((image) => image.naturalWidth)")


def test_a_page_without_its_parts_says_so_and_goes_on(browser, page_in_parts, tmp_path):
    folder = tmp_path / "moved"
    folder.mkdir()
    shutil.move(page_in_parts, folder / "ranking.html")
    browser.open(folder / "ranking.html")
    browser.wait_for("!document.querySelector('#no-parts').hidden")
    browser.press("End")
    browser.run("focus(photos[199])")
    assert focused(browser) == 200


def test_parts_of_a_later_ranking_are_not_this_page_s(browser, page_in_parts):
    text = page_in_parts.read_text(encoding="utf-8")
    page_in_parts.write_text(re.sub('data-identity="....', 'data-identity="0000', text))
    browser.open(page_in_parts)
    browser.wait_for("missingParts.size > 0")
    assert browser.run("document.querySelectorAll('.tile img[src]').length") == 0


def test_only_files_of_its_own_are_removed_from_beside_a_page(page_in_parts):
    folder = page_in_parts.parent / "ranking_files"
    (folder / "thumbnails-of mine.js").write_text("mine")
    remove_files(page_in_parts)
    assert [path.name for path in folder.iterdir()] == ["thumbnails-of mine.js"]
    (folder / "thumbnails-of mine.js").unlink()
    remove_files(page_in_parts)
    assert not folder.exists()
    remove_files(page_in_parts)


def test_of_1000_photos_only_tiles_that_are_near_exist(browser, tmp_path):
    browser.resize(1280, 900)
    browser.open(make_page(tmp_path, 1000))
    assert browser.run("document.querySelector('#status').textContent") == "997 of 1,000 shown"
    assert browser.run("grid.childElementCount") < 300
    browser.run("scrollTo(0, document.body.scrollHeight)")
    browser.wait_for("tiles.has(photos[999])")
    assert browser.run("grid.childElementCount") < 300
    # The one that the Tab key leads to is still there, in its order.
    assert ranks(browser)[0] == browser.run("grid.firstElementChild.photo.r") == 1
    assert browser.run("grid.lastElementChild.getAttribute('aria-posinset')") == "997"
    assert browser.run("grid.lastElementChild.getAttribute('aria-setsize')") == "997"


def test_rows_fill_the_width_and_another_width_keeps_the_place(page):
    page.run("focus(photos[100]); scrollBy(0, 200)")
    first = page.run("placeNow().photo.r")
    for width in (700, 390, 1280):
        page.resize(width, 900)
        page.wait_for("layout.width === grid.clientWidth && innerWidth === " + str(width))
        assert page.run("placeNow().photo.r") == first
        edges = page.run(
            "layout.rows.map((row) => layout.left[row.end - 1] + layout.wide[row.end - 1])"
        )
        assert all(abs(edge - page.run("layout.width")) <= 1 for edge in edges[:-1])
        assert page.run("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width, scheme", [(1280, "light"), (390, "dark")])
def test_axe_finds_nothing(browser, page_of_200, width, scheme):
    browser.resize(width, 800)
    browser.prefer(scheme)
    browser.open(page_of_200)
    browser.run("document.querySelector('details').open = true")
    assert violations(browser) == []
    browser.run("open(photos[2])")
    browser.wait_for("large !== null")
    assert violations(browser) == []
    browser.press("z")
    assert violations(browser) == []
    browser.run("view.close(); search.value = 'zzz'; search.dispatchEvent(new Event('input'))")
    assert violations(browser) == []
    browser.prefer("light")
