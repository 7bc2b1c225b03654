"""Random keys, clicks, wheels and sizes of the window for the ranking's page.

After each of them the page must be what its controls say: the photos that are shown follow from
slider, direction, stacks and search; one tile is in the order of the Tab key; nothing has thrown.
What went wrong is said with the last actions and the seed.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
import unicodedata
from collections import Counter, deque
from math import ceil
from pathlib import Path

from decaf.ranking.page import write_page
from decaf.ranking.ranking import RankedPhoto, Ranking
from experiments.browser import Browser
from experiments.figures import draw_bars
from experiments.frame import Experiment, option, run_experiment
from experiments.pages import Page, table

SIZES_OF_ALBUMS = (1, 5, 60, 300)
# Of the window, in pixels.
SIZES = ((1280, 900), (800, 600), (390, 740), (320, 300))
KEYS = ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown")
KEYS += ("Enter", "Escape", "Tab", " ", "x", "s", "z", "/", "Backspace", "k", "o", "1", "ö", "?")
# Where a click can go; those that are not seen are not clicked.
BUTTONS = ("#worst", "#stacks", "#search", "#select", "#clear", "#copy", "#share", "summary")
IN_TILES = (".open", ".pick input", ".pile")
IN_VIEW = ("#previous", "#next", "#close", "#view-pick", ".strip button", "#zoom", ".stage")
# What selects one photo, or lets it go.
TOGGLES = (("tile", ".pick input"), ("view", "#view-pick"))
# Some names are as macOS writes them, some as all others do.
PLACES = ("Köln", "Ko\u0308ln", "trip", "Straße", "koala")
TEXT = """\
Random actions on pages of several sizes: keys, clicks on tools, on tiles and in the view of one
photo, dragging it, the wheel, other sizes of the window, reloading. After each of them the page is
compared with what its controls say, photo by photo, and asked for exceptions. None of {actions:,}
actions left it as it must not be."""

# What the page shows and what it believes, apart.
STATE = """(() => {
  const at = (id) => document.getElementById(id), view = at("view");
  const tiles = [...document.querySelectorAll(".tile")];
  return {
    share: +at("share").value, worst: at("worst").checked, stacks: at("stacks").checked,
    search: at("search").value, opened: [...opened],
    shown: shown.map((photo) => photo.r), current: current ? current.r : null,
    tiles: tiles.map((tile) => tile.photo.r),
    ticked: tiles.filter((tile) => tile.querySelector("input").checked).map((tile) => tile.photo.r),
    stops: [...new Set([...document.querySelectorAll(".grid [tabindex='0']")]
      .map((element) => element.closest(".tile").photo.r))],
    picked: [...picked].map((photo) => photo.r),
    copies: [at("copy").textContent, at("copy").disabled, at("clear").disabled],
    cannotSelect: at("select").disabled, status: at("status").textContent,
    empty: !at("empty").hidden, open: view.open, viewed: viewed ? viewed.r : null,
    viewName: viewed && at("view-name").textContent === viewed.n,
    viewTicked: at("view-pick").checked,
    lost: view.open && !view.contains(document.activeElement),
  };
})()"""


def click(args) -> Page:
    """Drive a page of each size."""
    counts = {n: Counter() for n in SIZES_OF_ALBUMS}
    with tempfile.TemporaryDirectory() as folder:
        browser = Browser(Path(folder, "profile"))
        try:
            for n, counted in counts.items():
                album = Path(folder, str(n))
                album.mkdir()
                ranking, page = make_ranking(album, n), album / "ranking.html"
                write_page(page, ranking, progress=False)
                drive(browser, page, ranking, args.actions, args.seed + n, counted)
                print(f"{n:,} photos: {args.actions:,} actions", flush=True)
        finally:
            browser.close()
    kinds = sorted(set().union(*counts.values()))
    rows = [
        {"photos": n, "tried": counted.total(), "survived": counted.total()}
        | {kind: counted[kind] for kind in kinds}
        for n, counted in counts.items()
    ]
    return Page(
        title="Random keys and clicks for the ranking's page",
        text=TEXT.format(actions=sum(counted.total() for counted in counts.values())),
        tables={"Actions": table(rows, {name: f"{{{name}:,}}" for name in rows[0]})},
        rows=rows,
        figure=draw_bars(
            kinds,
            {f"{n:,} photos": [counted[kind] for kind in kinds] for n, counted in counts.items()},
            xlabel="actions",
            size=(6, 2.5),
        ),
    )


def make_ranking(folder: Path, n: int) -> Ranking:
    """Make an album whose stacks lie together, apart and at the end.

    Parameters
    ----------
    folder : pathlib.Path
    n : int
        At least 1.

    Returns
    -------
    Ranking
    """
    from PIL import Image

    for number, size in enumerate([(48, 32), (32, 48), (120, 24), (20, 90)]):
        Image.new("RGB", size, (60 * number, 90, 120)).save(folder / f"{number}.png")
    stack_of = {3: 1, 4: 1, 5: 1, 6: 1, 10: 2, n // 2: 2, n - 5: 2, n - 1: 3, n: 3}
    seen = {None}
    photos = []
    for rank in range(1, n + 1):
        stack = stack_of.get(rank) if n > 20 else None
        photos.append(
            RankedPhoto(
                name=f"{PLACES[rank % len(PLACES)]}/photo {rank}.png",
                path=str(folder / f"{rank % 4}.png"),
                rank=rank,
                percentile=100 * (n - rank) / max(1, n - 1),
                score=float(n - rank),
                probability=1 - rank / n,
                stack=stack,
                is_top=stack is None or stack not in seen,
                mean=5.0,
                spread=1.0,
                votes=(0.1, 0.2, 0.4, 0.3),
            )
        )
        seen.add(stack)
    return Ranking(tuple(photos), "An album", {"model": "tiny"})


def drive(
    browser: Browser,
    page: Path,
    ranking: Ranking,
    n_actions: int,
    seed: int = 0,
    counts: Counter | None = None,
) -> None:
    """Do random things on a page, and compare it with what it should be after each.

    Parameters
    ----------
    browser : Browser
    page : pathlib.Path
    ranking : Ranking
        That the page was written of.
    n_actions : int
    seed : int
    counts : Counter, optional
        Of the actions, by their kinds.

    Raises
    ------
    AssertionError
        It is not; with the last actions.
    """
    draws = random.Random(seed)
    browser.resize(*SIZES[0])
    browser.open(page)
    last, is_outside = deque(maxlen=12), False
    for number in range(n_actions):
        action = _draw_action(draws)
        last.append(action)
        if counts is not None:
            counts[action[0]] += 1
        before = browser.run(STATE)["picked"]
        is_done = _act(browser, *action)
        state = _settled(browser)
        if is_done and action[:2] in TOGGLES:
            assert len({*before} ^ {*state["picked"]}) == 1, (
                f"seed {seed}, action {number}: {action}"
            )
        # From the view's last element the Tab key leads to the browser's own.
        is_outside = state["lost"] and (is_outside or action[:2] == ("key", "Tab"))
        state["lost"] &= not is_outside
        wrong = browser.errors() or _wrong(state, ranking)
        assert not wrong, f"seed {seed}, action {number}: {wrong}; after {list(last)}"


def _draw_action(draws):
    kind = draws.choices(
        ["key", "tool", "tile", "view", "drag", "slide", "type", "wheel", "resize", "reload"],
        [40, 8, 16, 16, 3, 6, 8, 6, 3, 1],
    )[0]
    if kind == "key":
        key = draws.choice(KEYS)
        return kind, key, "Shift" if key == "Tab" and draws.random() < 0.5 else None
    if kind == "tool":
        return kind, draws.choice(BUTTONS)
    if kind == "tile":
        return kind, draws.choice(IN_TILES), draws.random()
    if kind == "view":
        return kind, draws.choice(IN_VIEW), draws.random()
    if kind == "drag":
        return kind, *((draws.randint(40, 280), draws.randint(60, 200)) for _ in range(3))
    if kind == "slide":
        return kind, draws.choice([1, 2, 50, 99, 100, draws.randint(1, 100)])
    if kind == "type":
        # Mostly nothing or everything, which is where pages go wrong.
        return kind, draws.choice(["", "", "", "zzz", "koln", "KO\u0308LN", "strasse", "photo 1"])
    if kind == "wheel":
        return kind, draws.choice([-3000, -300, 300, 3000])
    if kind == "resize":
        return kind, draws.choice(SIZES)
    return (kind,)


def _act(browser, kind, *values):
    """Do it, and tell whether a click went anywhere."""
    if kind in ("slide", "type") and browser.run("view.open"):
        return False  # nobody can
    if kind == "key":
        # Neither other pages nor the system's windows are to be opened.
        focused = browser.run("document.activeElement.id")
        if not (values[0] in ("Enter", " ") and focused in ("view-file", "print")):
            browser.press(*values)
    elif kind == "tool":
        return _click(browser, values[0], 0)
    elif kind == "tile":
        return _click(browser, f".tile {values[0]}", values[1])
    elif kind == "view":
        return _click(browser, f"#view {values[0]}", values[1])
    elif kind == "drag":
        if browser.run("view.open"):
            browser.drag(values)
    elif kind == "slide":
        browser.run(f"share.value = {values[0]}; share.dispatchEvent(new Event('input'))")
    elif kind == "type":
        text = json.dumps(values[0])
        browser.run(f"search.value = {text}; search.dispatchEvent(new Event('input'))")
    elif kind == "wheel":
        browser.wheel((160, 150), values[0])
    elif kind == "resize":
        browser.resize(*values[0])
    else:
        browser.reload()
    return False


# Once nothing has moved for three frames: wheels and keys scroll smoothly.
STILL = """new Promise((resolve) => {
  let before = null, still = 0;
  const look = () => {
    still = scrollY === before ? still + 1 : 0;
    before = scrollY;
    if (still < 3) requestAnimationFrame(look); else resolve(true);
  };
  look();
})"""


def _click(browser, selector, share):
    """Click on one of the elements that match and would take the click."""
    browser.run(STILL)
    place = browser.run(
        f"""(() => {{
          const found = [...document.querySelectorAll({json.dumps(selector)})].map((element) => {{
            const box = element.getBoundingClientRect();
            const place = [box.x + box.width / 2, box.y + box.height / 2];
            const hit = document.elementFromPoint(...place);
            return box.width && hit && (element.contains(hit) || hit.contains(element)) && place;
          }}).filter(Boolean);
          return found[Math.floor({share} * found.length)] || null;
        }})()"""
    )
    if place:
        browser.drag([tuple(place)])
    return bool(place)


def _settled(browser):
    """The state after events that the browser sends later, such as a dialog's close."""
    for _ in range(50):
        state = browser.run(STATE)
        if state["open"] == (state["viewed"] is not None):
            break
        time.sleep(0.02)
    return state


def _wrong(state, ranking):
    """What of a page's state contradicts its controls."""
    wanted = expected_ranks(ranking, state)
    shown, tiles, stops = state["shown"], state["tiles"], state["stops"]
    picked, n = state["picked"], len(ranking)
    names = f"Copy {len(picked):,} name{'s' * (len(picked) != 1)}" if picked else "Copy names"
    counted = f"{len(shown):,} of {n:,} shown"
    places = [shown.index(rank) for rank in tiles if rank in shown]
    checks = {
        f"shown are {shown}, not {wanted}": shown == wanted,
        f"current is {state['current']}, which is not shown": not shown
        or state["current"] in shown,
        f"in tab order are the tiles {stops}": stops == ([state["current"]] if shown else []),
        f"tiles {tiles} of {shown}": places == sorted(set(places)) and len(places) == len(tiles),
        "nothing is said where nothing is shown": state["empty"] == (not shown),
        "nothing can be selected, and is not": state["cannotSelect"] == (not shown),
        f"{state['copies']} for {len(picked)}": state["copies"] == [names, not picked, not picked],
        f"{state['ticked']} are ticked": sorted(state["ticked"])
        == sorted(set(picked) & set(tiles)),
        f"{picked} are picked": len(set(picked)) == len(picked)
        and set(picked) <= {*range(1, n + 1)},
        f"{state['status']} of {len(shown)}": " shown" not in state["status"]
        or state["status"] == counted,
        f"view {state['open']} of {state['viewed']}": state["open"]
        == (state["viewed"] is not None),
        "the view tells of another photo": not state["open"] or state["viewName"],
        "the view ticks another photo": not state["open"]
        or state["viewTicked"] == (state["viewed"] in picked),
        "the focus has left the view": not state["lost"],
    }
    return [what for what, is_right in checks.items() if not is_right]


def expected_ranks(ranking: Ranking, controls: dict) -> list[int]:
    """Ranks of the photos that the page must show, found in another way than the page's.

    Parameters
    ----------
    ranking : Ranking
    controls : dict
        share, worst, stacks, search and opened, as the page has them.

    Returns
    -------
    list of int
    """
    n, worst = len(ranking), controls["worst"]
    order = sorted(ranking, key=lambda photo: photo.rank, reverse=worst)
    chosen = order[: ceil(n * controls["share"] / 100)]
    words = plain(controls["search"])
    if words or not controls["stacks"]:
        return [photo.rank for photo in chosen if words in plain(photo.name)]
    ranks = []
    for photo in chosen:
        members = [p.rank for p in order if photo.stack is not None and p.stack == photo.stack]
        if not members:
            ranks.append(photo.rank)
        elif members[0] == photo.rank:
            ranks += members if photo.stack in controls["opened"] else members[:1]
    return ranks


def plain(text: str) -> str:
    """Letters without their marks, in lower case."""
    marks = unicodedata.normalize("NFD", text)
    return "".join(c for c in marks if not unicodedata.combining(c)).casefold()


EXPERIMENT = Experiment(
    __doc__,
    click,
    (option("--actions", "on each page", 1000), option("--seed", "of what is drawn", 0)),
)


if __name__ == "__main__":
    sys.exit(run_experiment("clicks", EXPERIMENT, module="tests.robustness.clicks"))
