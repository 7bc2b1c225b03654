"""The page of suggested edits, as a folder and in a browser."""

import time

import numpy as np
import pytest
from axe import violations
from browser import Browser
from hostile_album import HOSTILE, LATIN_1
from PIL import Image

from decaf.editing.edits import Edit
from decaf.editing.page import PICTURE_SIDE, check_page_folder, write_page
from decaf.editing.suggestions import Step, Suggestion, read_suggestions
from features.errors import AlreadyThere

CROP, LIGHTER = Edit("crop", (0.2, 0.0, 0.8, 0.6)), Edit("exposure", (0.5,))
PHOTOS = {
    "crop.jpg": ((600, 400), [CROP, LIGHTER]),
    "good.jpg": ((400, 600), []),
    HOSTILE: ((2000, 100), [Edit("straighten", (-3.0,))]),
    LATIN_1: ((1, 1), [Edit("saturation", (0.0,))]),
    "gone.jpg": (None, [Edit("contrast", (1.2,))]),
}
TITLE = "My <b>album</b> & more"


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    return tmp_path_factory.mktemp("album")


@pytest.fixture(scope="module")
def suggestions(album):
    made = []
    for name, (size, edits) in PHOTOS.items():
        if size:
            (album / name).parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(0).integers(0, 200, (9, 9, 3)).astype(np.uint8)
            Image.fromarray(noise).resize(size).save(album / name)
        steps = tuple(Step(edit, 0.93, 0.86, 0.999) for edit in edits)
        made.append(Suggestion(f"{album}/{name}", name, steps, 0.25, 0.5 if edits else 0.25))
    return made


@pytest.fixture(scope="module")
def folder(suggestions, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page") / "edits"
    write_page(folder, suggestions, TITLE, {"model": "<i>tiny</i>"}, progress=False)
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    downloads = tmp_path_factory.mktemp("browser")
    browser = Browser(downloads / "profile")
    browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))
    browser.downloads = downloads
    yield browser
    browser.close()


@pytest.fixture
def page(browser, folder):
    """The page, with its first photo shown."""
    browser.resize(1280, 800)
    browser.open(folder / "index.html")
    yield browser
    assert browser.errors() == []


def text(browser, of):
    return browser.run(f"document.getElementById('{of}').textContent")


def names_of(browser, keys):
    """Names of the photos that are shown after each key."""
    names = []
    for key in keys:
        browser.press(key)
        names.append(text(browser, "name"))
    return names


def at(browser):
    return browser.run("+bar.getAttribute('aria-valuenow')")


def saved(browser, album):
    """The parameter file that the page's button saves, as the library reads it."""
    path = browser.downloads / "chosen.json"
    path.unlink(missing_ok=True)
    browser.click("#export")
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    return read_suggestions(path, album)


def test_the_folder_holds_the_pictures_and_all_parameters(folder, suggestions, album):
    assert read_suggestions(folder / "edits.json", album) == suggestions
    sizes = {}
    for path in (folder / "pictures").iterdir():
        with Image.open(path) as image:
            sizes[path.name] = image.size
    assert sizes["0-before.jpg"] == (600, 400) and sizes["0-after.jpg"] == (360, 240)
    assert sizes["2-before.jpg"] == (PICTURE_SIDE, 80)
    assert sizes["3-after.jpg"] == (1, 1)
    assert {"1-after.jpg", "4-before.jpg", "4-after.jpg"}.isdisjoint(sizes)


def test_a_page_is_written_anew_and_nothing_else_is_replaced(suggestions, tmp_path):
    folder = tmp_path / "edits"
    write_page(folder, suggestions[:2], TITLE, {}, progress=False)
    write_page(folder, suggestions[1:2], TITLE, {}, progress=False)
    assert [path.name for path in (folder / "pictures").iterdir()] == ["0-before.jpg"]
    (folder / "pictures" / "mine.jpg").write_text("mine")
    with pytest.raises(AlreadyThere, match=r"mine\.jpg"):
        check_page_folder(folder)
    write_page(folder, suggestions[:1], TITLE, {}, force=True, progress=False)
    assert (folder / "pictures" / "mine.jpg").read_text() == "mine"


def test_the_slider_moves_under_mouse_finger_and_keys(page):
    assert at(page) == 50
    left, top, width, height = page.run(
        "(() => { const r = sheet.getBoundingClientRect();"
        "return [r.left, r.top, r.width, r.height]; })()"
    )
    middle = top + height / 2
    page.drag([(left + width / 2, middle), (left + width * 0.6, middle), (left + width, middle)])
    assert at(page) == 100
    for key, value in (("ArrowLeft", 98), ("PageDown", 88), ("Home", 0), ("ArrowRight", 2)):
        page.press(key)
        assert at(page) == value
    assert text(page, "place") == "1 of 5"
    page.resize(390, 844, mobile=True)
    box = page.run(
        "(() => { const r = sheet.getBoundingClientRect(); return [r.left, r.top, r.width]; })()"
    )
    page.touch([(box[0] + box[2] * share, box[1] + 50) for share in (0.5, 0.4, 0.25)])
    assert at(page) == pytest.approx(25, abs=1)
    assert page.run("document.documentElement.scrollWidth") == 390


def test_a_cropped_photo_lies_on_the_part_that_is_left_and_can_be_seen_alone(page):
    boxes = """(() => { const of = (e) => e.getBoundingClientRect(), b = of(sheet);
      const a = of(document.querySelector('.after'));
      return [a.left - b.left, a.top - b.top, a.right - b.left, a.bottom - b.top]
        .map((side, n) => side / (n % 2 ? b.height : b.width)); })()"""
    assert page.run(boxes) == pytest.approx(CROP.amounts, abs=0.01)
    page.press("v")
    assert page.run(boxes) == pytest.approx([0, 0, 1, 1], abs=0.01)
    assert page.run("bar.hidden")
    page.click("#alone")
    assert page.run(boxes) == pytest.approx(CROP.amounts, abs=0.01)


def test_each_edit_is_told_in_plain_words_and_a_good_photo_is_left_alone(page):
    told = page.run("[...steps.children].map((item) => [...item.children].map((e) => e.innerText))")
    certain = "the better one of the two with 93 % (86–99 %)"
    crop = "Cropped at the left, the right and the bottom, to 36 % of its area"
    assert [[what.capitalize(), brings] for what, brings in told] == [
        [crop, certain],
        ["Lighter by half a stop", certain],
    ]
    assert text(page, "gain") == "Professional with probability 0.25 before, 0.50 after."
    page.press("j")
    assert text(page, "verdict") == "Leave it as it is" and text(page, "steps") == ""
    assert page.run("bar.hidden && document.getElementById('decide').hidden")
    page.press("a")
    assert text(page, "status") == "0 accepted, 0 declined"


def test_what_is_accepted_is_remembered_and_saved_together(page, suggestions, album):
    assert page.run("document.getElementById('export').disabled")
    shown = names_of(page, "jjkx")
    assert shown[:3] == ["good.jpg", HOSTILE, "good.jpg"]
    names_of(page, ["ArrowRight", "a", "Enter", "ArrowLeft"])
    assert text(page, "status") == "2 accepted, 0 declined"
    # A new tab has the browser's memory alone.
    assert page.run("JSON.parse(localStorage.getItem(KEY)).accepted") == [2, 3]
    page.reload()
    assert text(page, "status") == "2 accepted, 0 declined"
    assert text(page, "place") == "4 of 5"
    assert saved(page, album) == [suggestions[2], suggestions[3]]
    assert "suggest-edits PHOTOS --apply chosen.json -o copies/" in text(page, "saved")
    page.press("x")
    assert saved(page, album) == [suggestions[2]]
    page.run("filter.value = 'accepted'; filter.dispatchEvent(new Event('change'))")
    assert text(page, "place") == "1 of 1" and text(page, "name") == HOSTILE


def test_photos_that_are_chosen_to_be_shown_are_gone_through(page):
    choose = "filter.value = '{}'; filter.dispatchEvent(new Event('change'))"
    page.run(choose.format("accepted"))
    assert page.run("!empty.hidden && main.hidden")
    page.press("j")
    page.run(choose.format("open"))
    assert text(page, "place") == "1 of 4"
    names = names_of(page, "ajjj")
    assert names == [HOSTILE, "caf\ufffd.jpg", "gone.jpg", "gone.jpg"]
    assert "could not be read" in text(page, "stage")


def test_names_are_shown_as_text_and_nothing_is_fetched_from_elsewhere(page, folder):
    assert TITLE in page.run("document.querySelector('h1').textContent")
    for _ in PHOTOS:
        page.press("j")
        page.run("Promise.all([...document.images].map((i) => i.decode())).then(() => 0)")
    page.press("?")
    assert "<i>tiny</i>" in text(page, "about")
    page.press("Escape")
    assert page.run("document.querySelectorAll('b b, i i, [onerror]').length") == 0
    requested = [
        event["params"]["request"]["url"]
        for event in page.events
        if event.get("method") == "Network.requestWillBeSent"
    ]
    assert len(requested) > 5
    assert all(url.startswith(folder.as_uri()) for url in requested)


@pytest.mark.parametrize("width", [1280, 800, 390])
def test_nothing_keeps_people_out_and_nothing_is_cut_off(page, width):
    page.resize(width, 844)
    for scheme in ("light", "dark"):
        page.prefer(scheme)
        for key in ("j", "k"):
            page.press(key)
            assert page.run("document.documentElement.scrollWidth") <= width
            assert violations(page) == []
