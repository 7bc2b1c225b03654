"""Sidecars that another program edits while stars are written: none of its edits may be lost.

The other program, a process of its own, edits one sidecar again and again, by a file that it
renames or by writing into the file itself. Every second edit rates the photo, as a person does.
Before each edit it looks whether its last one is still there. Meanwhile stars are written into
that sidecar, in turn 1 and 5, as fast as they can be.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tqdm import tqdm

from experiments.figures import draw_bars
from experiments.frame import Experiment, option, run_experiment
from experiments.pages import Page, table
from features.stars import rate_photos

WAYS = ("renames a file", "writes into the file")
# As long as stars take to be written, so that both meet at every moment.
MOST_PAUSE = 0.004
# After which an edit that is not there is lost.
PATIENCE = 0.1
TEXT = """\
Another program edited a sidecar {edits:,} times while stars were written into it as fast as they
can be, with random pauses of up to {pause:.0f} ms, so that its edits fell between any two steps of
ours. Every second edit was a person's rating, which stars must not replace.

*Tried* are its edits; an edit is *lost* if it is not there any more when the next one is made. One
that is made in the last microseconds before the sidecar is replaced is put back right after that:
*put back* are those that the other program missed for less than {patience:.0f} ms meanwhile. Stars
were *written*, or *kept* out by the person's rating, or *refused*: the sidecar was half written
when it was read, or had changed at each of ten tries. *Crashed* are calls that raised anything. A
version before this one, which did not look again before it replaced the sidecar, lost 405 of 800
edits in such a loop."""
SIDECAR = """<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
   xmp:Rating="{rating}" xmp:Label="{number}"/>
 </rdf:RDF>
</x:xmpmeta>
"""


def sidecars(args) -> Page:
    """Edit in both ways."""
    rows = []
    for way in WAYS:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(edit_meanwhile(Path(folder), way, args.edits, args.seed))
    columns = ("attack", "tried", "refused", "survived", "put back", "lost", "crashed", "seconds")
    outcomes = ("written", "kept", "refused")
    return Page(
        title="Sidecars that another program edits meanwhile",
        text=TEXT.format(edits=args.edits, pause=1000 * MOST_PAUSE, patience=1000 * PATIENCE),
        tables={
            "Edits": table(rows, {name: f"{{{name}}}" for name in columns}),
            "Stars": table(rows, {name: f"{{{name}}}" for name in ("attack", *outcomes)}),
        },
        rows=rows,
        figure=draw_bars(
            list(WAYS),
            {name: [row[name] for row in rows] for name in outcomes},
            xlabel="times that stars were to be written",
            size=(7, 1.6),
        ),
        failed=any(row["lost"] or row["crashed"] for row in rows),
    )


def edit_meanwhile(folder, way, n_edits, seed=0):
    """Write stars into a sidecar until another program has edited it so many times.

    Parameters
    ----------
    folder : pathlib.Path
        Empty.
    way : str
        One of `WAYS`.
    n_edits, seed : int

    Returns
    -------
    dict
        Edits tried, survived and lost; how often stars were written, kept and refused, and how many
        calls crashed; seconds.
    """
    photo, start = folder / "photo.jpg", time.monotonic()
    photo.write_bytes(b"no rating in it")
    context = multiprocessing.get_context("spawn")
    n_done, put_back, lost = (context.Value("i", 0) for _ in range(3))
    editor = context.Process(
        target=_edit, args=(f"{photo}.xmp", way, n_edits, seed, n_done, put_back, lost), daemon=True
    )
    editor.start()
    outcomes = Counter()
    bar = tqdm(total=n_edits, desc=way, delay=1)
    for percentile in itertools.cycle((0, 100)):
        try:
            (given,) = rate_photos([photo], [percentile])
            outcomes[given.outcome] += 1
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            outcomes["crashed"] += 1
        bar.update(n_done.value - bar.n)
        if not editor.is_alive():
            break
    bar.close()
    left = [
        path.name for path in folder.iterdir() if path.name not in (photo.name, "photo.jpg.xmp")
    ]
    if editor.exitcode or left:
        raise RuntimeError(f"the other program ended with {editor.exitcode}; left: {left}")
    return {
        "attack": f"a program that {way}",
        "tried": n_done.value,
        "refused": outcomes["refused"],
        "survived": n_done.value - lost.value,
        "put back": put_back.value,
        "lost": lost.value,
        "crashed": outcomes["crashed"],
        "seconds": round(time.monotonic() - start),
        "written": outcomes["written"],
        "kept": outcomes["kept"],
    }


def _edit(sidecar, way, n_edits, seed, n_done, put_back, lost):
    """What the other program does."""
    pauses, last = random.Random(seed), None
    for number in range(n_edits + 1):
        if last is not None and not _is_there(sidecar, *last):
            time.sleep(PATIENCE)
            count = put_back if _is_there(sidecar, *last) else lost
            count.value += 1
        if number == n_edits:
            return
        last = number, 4 * (number % 2)
        text = SIDECAR.format(number=number, rating=last[1])
        if way == WAYS[0]:
            Path(f"{sidecar}.new").write_text(text)
            os.replace(f"{sidecar}.new", sidecar)
        else:
            Path(sidecar).write_text(text)
        n_done.value += 1
        time.sleep(pauses.uniform(0, MOST_PAUSE))


def _is_there(sidecar, number, rating):
    """Whether an edit is in a sidecar: its number, and its rating where it gave one."""
    text = Path(sidecar).read_text()
    ratings = re.findall(r'xmp:Rating="(\d)"', text)
    return f'xmp:Label="{number}"' in text and (not rating or ratings == [str(rating)])


EXPERIMENT = Experiment(
    __doc__,
    sidecars,
    (
        option("--edits", "in each of two ways", 1_000),
        option("--seed", "of the pauses", 0),
    ),
)


if __name__ == "__main__":
    sys.exit(run_experiment("sidecars", EXPERIMENT, module="tests.robustness.sidecars"))
