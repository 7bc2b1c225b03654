"""The rating page in a browser: keys, touch, looking back, pairs, 100 %, the album so far."""

import json
import threading
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from axe import violations
from browser import Browser
from given_features import make_session

from decaf.rating.server import PageServer


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@contextmanager
def page_of(browser, folder, **values):
    """The page of a session whose features are there, and the session."""
    session, _ = make_session(folder, **values)
    lines = []

    def finish(line):
        lines.append(line)
        return "rank-photos album"

    server = PageServer(session, finish)
    session.start()
    session._measurer.join()
    serving = threading.Thread(target=server.run)
    serving.start()
    browser.resize(1280, 800)
    browser.visit(server.address)
    wait_for_photo(browser)
    session.lines = lines
    try:
        yield session
        assert browser.errors() == []
        asked = [
            event["params"]["request"]["url"]
            for event in browser.events
            if event.get("method") == "Network.requestWillBeSent"
        ]
        assert asked and {urlsplit(url).netloc for url in asked} == {
            urlsplit(server.address).netloc
        }
    finally:
        browser.call("Page.navigate", url="about:blank")
        server.end()
        serving.join()
        session.close()


def wait_for_photo(browser):
    browser.wait_for("question && isShown && !busy && questions.length > 1")


def wait_for_tiles(browser):
    tiles = "[...document.querySelectorAll('#tiles img')]"
    browser.wait_for(f"{tiles}.length > 4 && {tiles}.every((tile) => tile.complete)")


def press(browser, key):
    """Press a key that answers, and wait for the next photo."""
    browser.press(key)
    wait_for_photo(browser)


def last(session):
    event = session._file.standing[-1]
    return event.act, event.grade


def test_keys_rate_reject_clear_skip_and_take_back(browser, tmp_path):
    with page_of(browser, tmp_path) as session:
        for key, said in {
            "1": ("rated", 1),
            "5": ("rated", 5),
            "x": ("rejected", None),
            "0": ("cleared", None),
            " ": ("skipped", None),
        }.items():
            name = browser.run("question.names[0]")
            press(browser, key)
            assert last(session) == said and session._file.standing[-1].path == name
        assert session.answers.n_asked == 5
        browser.press("u")
        browser.wait_for("!busy && question.names[0] === " + json.dumps(name))
        assert session.answers.n_asked == 4
        for _ in range(6):
            press(browser, "u")
        assert session.answers.n_asked == 0


def test_a_key_that_is_held_down_rates_one_photo(browser, tmp_path):
    with page_of(browser, tmp_path) as session:
        key = {"key": "4", "text": "4", "windowsVirtualKeyCode": 52}
        browser.call("Input.dispatchKeyEvent", type="keyDown", **key)
        for _ in range(12):
            browser.call("Input.dispatchKeyEvent", type="keyDown", autoRepeat=True, **key)
            browser.run("new Promise((done) => setTimeout(done, 20))")
        browser.call("Input.dispatchKeyEvent", type="keyUp", **key)
        wait_for_photo(browser)
        assert session.answers.n_asked == 1
        browser.run("document.querySelector('[data-act=rate-2]').focus()")
        enter = {"key": "Enter", "text": "\r", "windowsVirtualKeyCode": 13}
        for is_repeat in (False, *12 * [True]):
            browser.call("Input.dispatchKeyEvent", type="keyDown", autoRepeat=is_repeat, **enter)
            browser.run("new Promise((done) => setTimeout(done, 20))")
        browser.call("Input.dispatchKeyEvent", type="keyUp", **enter)
        wait_for_photo(browser)
        assert session.answers.n_asked == 2


def test_nothing_that_is_expected_is_in_the_page_before_the_key_and_afterwards_it_is(
    browser, tmp_path
):
    with page_of(browser, tmp_path) as session:
        for key in "15243":
            press(browser, key)
        waiting = session.questions(2)
        told = browser.run("document.querySelector('#told').textContent")
        kept = browser.run("JSON.stringify([questions, question, given, order])")
        for question in waiting:
            for figure in (question.predicted, question.deviation):
                assert figure is not None
                assert f"{figure:.3f}"[:5] not in kept
            assert f"photo/{question.nearest[0][0]}?small" not in kept
        assert browser.run("document.querySelector('#told').textContent") == told
        press(browser, "3")
        told = browser.run("document.querySelector('#told').textContent")
        assert f"{waiting[0].predicted:.1f} ± {waiting[0].deviation:.1f}" in told
        browser.wait_for("document.querySelector('#nearest img').naturalWidth > 0")


def test_a_phone_rates_by_touch_and_compares_pairs(browser, tmp_path):
    with page_of(browser, tmp_path, bursts=[(0, 1), (2, 3)]) as session:
        browser.resize(390, 740, 3, mobile=True)
        assert browser.run("document.documentElement.scrollWidth") <= 390
        name = browser.run("question.names[0]")
        tap(browser, "[data-act=rate-4]")
        wait_for_event(session, "rated", name)
        assert last(session) == ("rated", 4)
        wait_for_photo(browser)
        while len(session.questions(2)[0].photos) == 1:
            press(browser, "3")
        assert browser.run("document.querySelectorAll('.sheet').length") == 2
        better = browser.run("question.names[1]")
        tap(browser, ".sheet:nth-child(2)")
        wait_for_event(session, "preferred", better)
        browser.press("u")
        browser.wait_for(f"!busy && question.names[1] === {json.dumps(better)}")
        wait_for_photo(browser)
        worse = browser.run("question.names[0]")
        browser.press("1")
        wait_for_event(session, "preferred", worse)


def wait_for_event(session, act, path):
    end = time.monotonic() + 20
    while [(event.act, event.path) for event in session._file.standing[-1:]] != [(act, path)]:
        assert time.monotonic() < end, session._file.standing[-1:]
        time.sleep(0.05)


def tap(browser, selector):
    box = browser.run(f"document.querySelector('{selector}').getBoundingClientRect().toJSON()")
    browser.touch([(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)])


HOLD = """(() => {
    const send = fetch;
    window.held = [];
    window.fetch = async (path, options) => {
        const told = await send(path, options);
        if (path === %s) await new Promise((done) => held.push(done));
        return told;
    };
})()"""


def test_an_undo_waits_for_the_answer_that_is_under_way_and_a_second_key_does_not_answer(
    browser, tmp_path
):
    with page_of(browser, tmp_path) as session:
        name = json.dumps(browser.run("question.names[0]"))
        browser.run(HOLD % json.dumps("answer"))
        for key in "45u":
            browser.press(key)
        browser.wait_for("held.length === 1")
        browser.run("held[0]()")
        browser.wait_for(f"!busy && question.names[0] === {name}")
        assert session._file.standing == [] and session._file.n_events == 2


def test_what_was_told_before_an_undo_and_comes_after_it_changes_nothing(browser, tmp_path):
    with page_of(browser, tmp_path) as session:
        name = json.dumps(browser.run("question.names[0]"))
        browser.run(HOLD % json.dumps("state?next"))
        browser.press("4")
        browser.wait_for("held.length === 1")
        browser.press("u")
        browser.wait_for("held.length === 2")
        browser.run("held[0]()")
        browser.run("new Promise((done) => setTimeout(done, 100))")
        assert browser.run(f"question.names[0] === {name}")
        browser.press("2")
        browser.wait_for("held.length === 3")
        browser.run("held.slice(1).forEach((done) => done())")
        wait_for_photo(browser)
        assert [(event.grade, event.path) for event in session._file.standing] == [
            (2, json.loads(name))
        ]


def test_arrows_look_back_where_what_was_said_can_be_changed(browser, tmp_path):
    with page_of(browser, tmp_path) as session:
        names = []
        for key in "12":
            names.append(browser.run("question.names[0]"))
            press(browser, key)
        asked = browser.run("question.number")
        for name in reversed(names):
            browser.press("ArrowLeft")
            browser.wait_for(f"document.querySelector('#name').textContent === {json.dumps(name)}")
        browser.press("5")
        browser.wait_for("!busy && back === 0")
        assert {each.path: each.grade for each in session.answers.ratings} == {
            names[0]: 5,
            names[1]: 2,
        }
        browser.press("ArrowRight")
        browser.wait_for("back < 0")
        wait_for_photo(browser)
        assert browser.run("question.number") == asked


def test_a_photo_is_shown_at_100_percent(browser, tmp_path):
    with page_of(browser, tmp_path):
        browser.press("z")
        assert browser.run(
            "(() => { const image = document.querySelector('.sheet.whole img');"
            "return image.offsetWidth * devicePixelRatio === image.naturalWidth; })()"
        )
        browser.press("Escape")
        assert browser.run("!document.querySelector('.sheet.whole')")


def test_the_album_so_far_has_a_line_that_moves_and_leaves_nothing_behind(browser, tmp_path):
    with page_of(browser, tmp_path, n=200) as session:
        for key in "5152":
            press(browser, key)
        browser.click("#to-album")
        browser.wait_for("document.querySelectorAll('#tiles li').length > 10")
        assert browser.run("document.querySelectorAll('#tiles li').length") < 100
        order = [place.photo for place in session.order()]
        shown = browser.run("[...document.querySelectorAll('#tiles li')].map((tile) => tile.photo)")
        assert shown == order[: len(shown)]
        wait_for_tiles(browser)
        browser.click("#tiles li:nth-child(7) button")
        text = browser.run("document.querySelector('#line-text').textContent")
        assert text.startswith("7 good, from ") and text.endswith("; 193 not")
        assert browser.run("document.querySelectorAll('#tiles li:not(.other)').length") == 7
        browser.run("document.querySelector('#album').scrollTop = 1e6")
        browser.wait_for(f"[...tiles.values()].some((tile) => tile.photo === {order[-1]})")
        wait_for_tiles(browser)
        browser.press("Escape")
        assert browser.run("order.length + document.querySelectorAll('#tiles li').length") == 0
        browser.click("#to-finish")
        browser.click("#write")
        browser.wait_for("isEnded")
        assert "rank-photos album" in browser.run("document.querySelector('#ended').textContent")
        scores = [place.score for place in session.order()]
        assert scores[7] <= session.lines[0] <= scores[6]


@pytest.mark.parametrize("width, scheme", [(1280, "light"), (390, "dark")])
def test_axe_finds_nothing(browser, tmp_path, width, scheme):
    with page_of(browser, tmp_path, bursts=[(0, 1), (2, 3), (4, 5)]) as session:
        browser.resize(width, 800)
        browser.prefer(scheme)
        for _ in range(4):
            press(browser, "4")
        assert violations(browser) == []
        while len(session.questions(2)[0].photos) == 1:
            press(browser, "3")
        assert violations(browser) == []
        browser.press("z")
        assert violations(browser) == []
        browser.press("?")
        assert violations(browser) == []
        browser.press("Escape")
        browser.click("#to-album")
        wait_for_tiles(browser)
        assert violations(browser) == []
        browser.prefer("light")
