"""The ranking's page as an album grows: how long it is written, opened, scrolled and searched."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from experiments.browser import Browser
from experiments.figures import Line, Panel, draw_lines
from experiments.frame import Experiment, option
from experiments.measuring import in_child, peak_megabytes
from experiments.pages import Page, Row, table

# Milliseconds: what a person notices as a stutter.
STUTTER = 100
FRAMES = 240
WORDS = ("p", "photo 1", "photo 12", "photo 123", "")
ORIGINALS = 40
TEXT = f"""\
{ORIGINALS} small photos under many names, whose thumbnails have the usual size. Chromium draws on
the CPU here. *Scrolling* goes from top to end in {FRAMES} frames, each of them somewhere else; a
*search* puts a word into the field; both, and *select all*, last until it is drawn, and the slowest
frame or word counts. The *task* is what the page's thread was busy with for longest, in its own
time: it must stay below {STUTTER} ms. The rest is by the clock, beside other work on this machine;
each figure is the best of several runs."""

# Resolves once the page has drawn what it has to show now.
_DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
_SCROLL = f"""(async () => {{
  let longest = 0, before = performance.now();
  for (let frame = 1; frame <= {FRAMES}; frame++) {{
    scrollTo(0, document.documentElement.scrollHeight * frame / {FRAMES});
    await new Promise(requestAnimationFrame);
    longest = Math.max(longest, performance.now() - before);
    before = performance.now();
  }}
  return longest;
}})()"""
_SEARCH = f"""(async (word) => {{
  const search = document.getElementById("search"), start = performance.now();
  search.value = word;
  search.dispatchEvent(new Event("input"));
  await {_DRAWN};
  return performance.now() - start;
}})"""
_SELECT = f"""(async () => {{
  const start = performance.now();
  document.getElementById("select").click();
  await {_DRAWN};
  return performance.now() - start;
}})()"""
ACTIONS = {
    "scrolling": [_SCROLL],
    "search": [f"{_SEARCH}({word!r})" for word in WORDS],
    "select all": [_SELECT],
}


def bench_page(args) -> Page:
    """Measure each number of photos."""
    rows = []
    for n_photos in args.photos:
        rows.append(measure(n_photos, args.runs))
        print(", ".join(f"{name} {value:,.4g}" for name, value in rows[-1].items()), flush=True)
    columns = {
        "photos": "{photos:,}",
        "written, s of CPU": "{written s:,.0f}",
        "memory for that, MB": "{written MB:,.0f}",
        "page, MB": "{page MB:,.1f}",
        "beside it, MB": "{beside MB:,.0f}",
        "files": "{files:,}",
        "first photo, s": "{opened s:.2f}",
        "memory of the page, MB": "{opened MB:,.0f}",
    }
    actions = {"photos": "{photos:,}"}
    for name in ACTIONS:
        actions |= {name: f"{{{name}:,.0f}}", f"its task ({name})": f"{{{name} task:,.0f}}"}
    photos = [row["photos"] for row in rows]
    lines = [
        Line(photos, [row[f"{name} task"] for row in rows], label=name, colour=colour)
        for colour, name in enumerate(ACTIONS)
    ]
    axes = {"xscale": "log", "ylim": (0, None), "xlabel": "photos", "ylabel": "longest task, ms"}
    return Page(
        title="The ranking's page by the number of photos",
        text=TEXT,
        tables={
            "Writing and opening": table(rows, columns),
            "Going through it, ms": table(rows, actions),
        },
        rows=rows,
        figure=draw_lines(Panel(lines, axes, {"y": STUTTER}), size=(6, 3)),
    )


def measure(n_photos: int, n_runs: int) -> Row:
    """Write a page of so many photos, and go through it in Chromium."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "ranking", "ranking.html")
        page.parent.mkdir()
        seconds, megabytes = in_child(write_page_of, page, n_photos)
        beside = [file for file in page.parent.rglob("*") if file.is_file() and file != page]
        runs = [_go_through(page, Path(folder, f"profile {run}")) for run in range(n_runs)]
        return {
            "photos": n_photos,
            "written s": seconds,
            "written MB": megabytes,
            "page MB": page.stat().st_size / 1e6,
            "beside MB": sum(file.stat().st_size for file in beside) / 1e6,
            "files": 1 + len(beside),
            **{name: min(run[name] for run in runs) for name in runs[0]},
        }


def write_page_of(path: Path, n_photos: int) -> tuple[float, float]:
    """Write a page of small photos; give seconds of CPU, and megabytes more than before.

    A fifth of the photos lie in stacks of two.
    """
    from decaf.ranking.page import write_page
    from decaf.ranking.ranking import RankedPhoto, Ranking

    originals = path.parent.parent / "photos"
    _make_photos(originals)
    photos = [
        RankedPhoto(
            name=f"{2000 + rank % 25}/a walk in June/photo {rank:06}.jpg",
            path=str(originals / f"{rank % ORIGINALS}.jpg"),
            rank=rank,
            percentile=100 * (n_photos - rank) / (n_photos - 1),
            score=float(-rank),
            probability=1 - rank / n_photos,
            stack=rank // 10 if rank >= 10 and rank % 10 < 2 else None,
            is_top=rank < 10 or rank % 10 != 1,
            mean=5.123,
            spread=1.234,
            votes=(0.0123, 0.0345, 0.0678, 0.1234, 0.2345, 0.2345, 0.1456, 0.0987, 0.0345, 0.0142),
        )
        for rank in range(1, n_photos + 1)
    ]
    before, start = peak_megabytes(), time.process_time()
    write_page(path, Ranking(tuple(photos), "Twenty-five years"), progress=False)
    return time.process_time() - start, peak_megabytes() - before


def _make_photos(folder: Path) -> None:
    import numpy as np
    from PIL import Image

    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(ORIGINALS):
        coarse = Image.fromarray(random.integers(0, 256, (14, 21, 3), dtype=np.uint8))
        size = (480, 320) if number % 4 else (320, 480)
        coarse.resize(size, Image.Resampling.BICUBIC).save(folder / f"{number}.jpg")


def _go_through(page: Path, profile: Path) -> Row:
    browser = Browser(profile)
    try:
        browser.resize(1280, 900)
        start = time.monotonic()
        browser.open(page)
        browser.wait_for("document.querySelector('.tile img')?.naturalWidth")
        row: Row = {"opened s": time.monotonic() - start}
        for name, scripts in ACTIONS.items():
            browser.run("scrollTo(0, 0)")
            taken = [browser.longest_task(script) for script in scripts]
            row[name] = max(milliseconds for milliseconds, _ in taken)
            row[f"{name} task"] = max(task for _, task in taken)
        return row | {"opened MB": browser.renderer_megabytes()}
    finally:
        browser.close()


def _options(parser):
    sizes = (5_000, 20_000, 50_000)
    parser.add_argument("--photos", type=int, nargs="+", default=sizes, metavar="N")


EXPERIMENT = Experiment(
    __doc__, bench_page, (_options, option("--runs", "of which the best counts", 3))
)
