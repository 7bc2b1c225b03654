"""Whether scores respond to edits as people do, and what suggest-edits makes of damaged photos.

Good photos on which nothing was trained are damaged: how often does the score fall, which edits are
suggested for the damaged photo, and is a good photo left alone?
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from experiments import data
from experiments.figures import draw_bars
from experiments.frame import Experiment, option
from experiments.pages import Page, Row, number, pivot, table

if TYPE_CHECKING:
    from decaf.editing.damage_critic import DamageCritic
    from decaf.editing.edits import Edit
    from decaf.editing.pictures import PictureScorer
    from decaf.editing.suggesting import Advice, Adviser

LEARNER = "gaussian-process"
MODEL, CRITIC = "the model", "the critic"
# Damages that an edit can undo, and what adds to each.
OPPOSITE = {
    "one stop darker": "one stop lighter",
    "one stop lighter": "one stop darker",
    "warm cast": "cold cast",
    "cold cast": "warm cast",
    "contrast × 0.6": "contrast × 1.6",
    "contrast × 1.6": "contrast × 0.6",
    "saturation × 0.4": "saturation × 2",
    "saturation × 2": "saturation × 0.4",
    "tilt of 5°": "more tilt",
}
TEXT = """\
The model, a Gaussian process on {features}, has learnt the scores of {n_train} photos; the critic,
as `suggest-edits --teach` makes it, has seen {n_taught} of these, without their scores, and damaged
copies of them. Both are tried on {n_good} photos of the upper third of the scores, on which nothing
was trained. *Falls* is the share of them
whose score is lower when they are damaged, as people would say of nearly all; *clearly*, by more
than {n_deviations} times the deviation of the score over eight changes that nobody sees (JPEGs of
quality 90 and 80, a hundredth cut off each side, half a degree of tilt). A tilted photo is compared
with the straight part of its size.

Then edits are suggested, for these photos as they are and for {n_undone} of them after each damage
that an edit can undo. *Undone* is the share of the damaged photos of which one of at most
{most_steps} steps undoes that damage, *worse* of which one adds to it, *left* of which nothing is
suggested. Only such edits are suggested as undo a damage that the critic sees in {trusted:.0%} of
the photos that have taught it, each left out in turn (*trusted*), and that gain so much, for their
kind, that four of five of other photos are to be left as they are."""


def edits(args) -> Page:
    """Fit a model, teach a critic, damage photos, and ask both."""
    from classifiers.evaluation.ordering import rank_correlation
    from decaf.editing.damage_teaching import teach_damage
    from decaf.editing.pictures import PictureScorer
    from decaf.editing.suggesting import MOST_STEPS, N_DEVIATIONS, TRUSTED, Adviser
    from decaf.models.fit import fit_model
    from decaf.models.model import load_model
    from features.splits import choose_test_photos

    rated = data.read_rated(args, "score", "its ratings have no scores, by which photos are good")
    is_test = choose_test_photos(rated, args.test_fraction, args.seed)
    train, test = rated.take(~is_test), rated.take(is_test)
    model = fit_model(
        train,
        backbone=args.backbone,
        sizes=data.parse_sizes(args.size),
        classifiers=[LEARNER],
        seed=args.seed,
        cache=args.cache,
    )
    with tempfile.TemporaryDirectory() as folder:
        model.save(folder, force=True)
        model = load_model(folder)
        critic = teach_damage(model, list(train.paths), seed=args.seed, cache=args.cache)
    is_good = test.score >= np.quantile(rated.score, 2 / 3)
    good = list(np.random.default_rng(args.seed).permutation(test.paths[is_good])[: args.good])
    scorer = PictureScorer(model, len(good) * 50, args.cache)
    falls = list(judge_damage(critic, scorer, good))
    adviser = Adviser(model, critic, len(good), args.cache)
    undone = list(judge_suggestions(adviser, good, args.undone))
    scored = model.score_photos(list(test.paths), cache=args.cache)
    srcc = rank_correlation(test.score[scored.activations.positions], scored.score)
    text = TEXT.format(
        features=model.record.features,
        n_train=len(train),
        n_taught=critic.record.photos,
        n_good=len(good),
        n_deviations=N_DEVIATIONS,
        n_undone=args.undone,
        most_steps=MOST_STEPS,
        trusted=TRUSTED,
    )
    for row in undone:
        row["trusted"] = critic.record.right.get(row["of"])
    return _page(falls, undone, text, args, f"{srcc:.3f}, of {len(test)} test photos")


def judge_damage(
    critic: DamageCritic, scorer: PictureScorer, paths: Sequence[str]
) -> Iterator[Row]:
    """Shares of photos whose score falls with each damage."""
    from decaf.editing.damages import DAMAGES, damage, neutral
    from decaf.editing.pictures import read_working_copy
    from decaf.editing.suggesting import N_DEVIATIONS

    scores: list[np.ndarray] = []
    for path in tqdm(paths, "damaged", unit="photo"):
        rgb = read_working_copy(path)
        harmless = neutral(rgb)
        damaged = [each for kind in DAMAGES for each in damage(rgb, kind)]
        seen = scorer.activations([*harmless, *damaged])
        scores.append(np.array([scorer.score(seen), critic.score(seen)]))
    n_neutral = len(harmless)
    for which, name in enumerate((MODEL, CRITIC)):
        own = np.array([each[which] for each in scores])
        noise = np.sqrt(own[:, :n_neutral].var(axis=1, ddof=1).mean())
        fall = own[:, n_neutral::2] - own[:, n_neutral + 1 :: 2]
        for kind, by in zip(DAMAGES, fall.T):
            clearly = (by > N_DEVIATIONS * noise).mean()
            yield {"of": kind, "score": name, "falls": (by > 0).mean(), "clearly": clearly}


def judge_suggestions(adviser: Adviser, paths: Sequence[str], n_undone: int) -> Iterator[Row]:
    """What is suggested for photos as they are, and for some of them after each damage."""
    from decaf.editing.damages import damage
    from decaf.editing.pictures import read_working_copy

    advice = [
        adviser.suggest(read_working_copy(path))
        for path in tqdm(paths, "as they are", unit="photo")
    ]
    yield {"of": "nothing", "photos": len(advice)} | _shares(advice)
    for kind in OPPOSITE:
        advice = [
            adviser.suggest(damage(read_working_copy(path), kind)[1])
            for path in tqdm(paths[:n_undone], kind, unit="photo")
        ]
        yield {"of": kind, "photos": len(advice)} | _shares(advice, kind)


def _shares(advice: Sequence[Advice], kind: str | None = None) -> Row:
    undone = [{_undone(step.edit) for step in each.steps} for each in advice]
    shares = {
        "left": np.mean([not each for each in undone]),
        "steps": np.mean([len(each.steps) for each in advice]),
        "passes": max(each.n_passes for each in advice),
        "gain": np.mean([each.after - each.before for each in advice]),
    }
    if kind is None:
        return shares
    shares["undone"] = np.mean([kind in each for each in undone])
    return shares | {"worse": np.mean([OPPOSITE[kind] in each for each in undone])}


def _undone(edit: Edit) -> str | None:
    from decaf.editing.suggesting import damage_undone

    # The tilted photos were turned clockwise.
    return "more tilt" if edit.kind == "straighten" and edit.amounts[0] > 0 else damage_undone(edit)


def _page(
    falls: list[Row], undone: list[Row], text: str, args: argparse.Namespace, srcc: str
) -> Page:
    names = {name: name for name in (MODEL, CRITIC)}
    tables = {
        "Share of the damaged photos whose score falls": pivot(
            falls, "of", "score", number("falls", ".0%"), names
        ),
        "Share of the damaged photos whose score falls clearly": pivot(
            falls, "of", "score", number("clearly", ".0%"), names
        ),
        "Suggested": table(
            undone,
            {
                "damage": "{of}",
                "photos": "{photos}",
                "trusted": lambda row: "" if row["trusted"] is None else f"{row['trusted']:.0%}",
                "undone": lambda row: f"{row['undone']:.0%}" if "undone" in row else "",
                "worse": lambda row: f"{row['worse']:.0%}" if "worse" in row else "",
                "left": "{left:.0%}",
                "steps": "{steps:.1f}",
                "most passes": "{passes}",
            },
        ),
    }
    own = [row for row in falls if row["score"] == CRITIC]
    return Page(
        title=f"Edits that help, on {args.data.resolve().name}",
        text=text,
        tables=tables,
        rows={"results": falls, "suggested": undone},
        figure=draw_bars(
            [row["of"] for row in own],
            {"clearly": [row["clearly"] for row in own]}
            | {"falls": [row["falls"] - row["clearly"] for row in own]},
            xlabel="share of the damaged photos whose score falls (the critic)",
            size=(8, 4),
        ),
        facts={
            "photos": args.data.name,
            "seed": str(args.seed),
            "SRCC of the model": srcc,
        },
    )


EXPERIMENT = Experiment(
    __doc__,
    edits,
    (
        data.data_options,
        option("--backbone", "", "efficientnet-lite0"),
        data.SIZE,
        option("--good", "photos that are damaged, and for which edits are suggested", 60),
        option("--undone", "of these, for which they are when they are damaged", 20),
    ),
)
