"""Teaching a critic what damages photos, by good photos and damaged copies of them.

What it may suggest is tried on photos that are left out in turn: which damage it sees, and what an
edit has to gain.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import binom
from sklearn.pipeline import Pipeline, make_pipeline
from tqdm import tqdm

from decaf.editing.damage_critic import CriticRecord, DamageCritic, network_identity
from decaf.editing.damages import DAMAGES, damage, neutral
from decaf.editing.frames import find_faces
from decaf.editing.pictures import PictureScorer, read_working_copy
from decaf.editing.suggesting import (
    N_DEVIATIONS,
    allowed_edits,
    damage_undone,
    list_candidates,
    most_clipped,
    spoils,
    trusted_kinds,
)
from features.errors import InputError
from features.photos import PhotoError

if TYPE_CHECKING:
    from decaf.models.model import Model

# Of photos: what fewer teach cannot be tried; so many take some minutes on two cores.
LEAST_PHOTOS, MOST_PHOTOS = 20, 300
# Of differences of thousands of standardised activations, many times as many as there are photos.
_REGULARISATION = 0.003
# What a change that nobody sees weighs beside a damage. By more, tilts are seen less, of which half
# a degree is such a change; by less, JPEGs of quality 90 pass for better photos (cross-validated).
_UNSEEN_WEIGHT = 0.1
_FOLDS = 5
# Of the photos that teach, so many are edited, too.
EDITED = 60
# Such a share of other photos is left as they are, as sure as this: by a limit of tolerance
# (S. S. Wilks: Determination of sample sizes for setting tolerance limits, 1941).
_LEFT_ALONE, _SURE = 0.8, 0.9
# Of photos: what is usual for a kind of edit is not told by fewer.
_FEWEST = 5


@dataclass(frozen=True)
class _Taught:
    """Activations of versions: each damage of each photo, before and after; and neutral ones."""

    before: np.ndarray  # (n_photos, n_damages, n_activations)
    after: np.ndarray
    neutral: np.ndarray  # (n_photos, n_neutral, n_activations)
    neutral_scores: np.ndarray  # the model's, (n_photos, n_neutral)
    edited: list[_Edited]  # of the first photos


@dataclass(frozen=True)
class _Edited:
    """Activations of a photo, and of what edits make of it, which undo damages of these kinds."""

    activations: np.ndarray  # (1 + n_edits, n_activations)
    scores: np.ndarray  # the model's
    undone: list[str]  # of the edits


def teach_damage(
    model: Model,
    paths: Sequence[str],
    *,
    seed: int = 0,
    cache: str | os.PathLike | None = None,
    progress: bool = True,
) -> DamageCritic:
    """Learn what damages photos, from good photos and damaged copies of them.

    Parameters
    ----------
    model : Model
        Of a folder.
    paths : sequence of str
        Photos that are good as they are; of more than `MOST_PHOTOS` some are drawn.
    seed : int
        Of the drawing, and of the damages' strengths.
    cache : path-like, optional
        As in `decaf.extraction.choosing.settle`.
    progress : bool

    Returns
    -------
    DamageCritic

    Raises
    ------
    InputError
        Fewer than `LEAST_PHOTOS` can be read.
    """
    taught = _see(model, paths, seed, cache, progress)
    record = _try(taught, network_identity(model), seed)
    return DamageCritic(_fit(taught, np.arange(len(taught.before)), seed), record)


def _see(
    model: Model,
    paths: Sequence[str],
    seed: int,
    cache: str | os.PathLike | None,
    progress: bool,
) -> _Taught:
    random = np.random.default_rng(seed)
    order = random.permutation(len(paths))
    n_photos = min(len(paths), MOST_PHOTOS)
    n_neutral = 0
    scorer = PictureScorer(model, 2 * n_photos * len(DAMAGES), cache)
    rows: list[np.ndarray] = []
    edited: list[_Edited] = []
    with tqdm(total=n_photos, desc="teaching damage", unit="photo", disable=not progress) as bar:
        for place in order:
            try:
                rgb = read_working_copy(paths[place])
            except PhotoError:
                continue
            harmless = neutral(rgb)
            n_neutral = len(harmless)
            rows.append(scorer.activations([*harmless, *_damaged(rgb, random)]))
            if len(edited) < EDITED:
                edited.append(_edit(scorer, rgb))
            bar.update()
            if len(rows) == n_photos:
                break
    if len(rows) < LEAST_PHOTOS:
        raise InputError(
            f"{len(rows):,} photos can be read; {LEAST_PHOTOS} or more are needed to teach damage, "
            f"better {MOST_PHOTOS}"
        )
    seen = np.array(rows)
    scores = np.array([scorer.score(each) for each in seen[:, :n_neutral]])
    before, after = seen[:, n_neutral::2], seen[:, n_neutral + 1 :: 2]
    return _Taught(before, after, seen[:, :n_neutral], scores, edited)


def _edit(scorer: PictureScorer, rgb: np.ndarray) -> _Edited:
    made = allowed_edits(rgb, list_candidates(rgb), find_faces(rgb), most_clipped(rgb))
    activations = scorer.activations([rgb, *(picture for _, picture in made)])
    undone = [damage_undone(edit) for edit, _ in made]
    return _Edited(activations, scorer.score(activations), undone)


def _damaged(rgb: np.ndarray, random: np.random.Generator) -> Iterator[np.ndarray]:
    for kind in DAMAGES:
        yield from damage(rgb, kind, random)


def _fit(taught: _Taught, photos: np.ndarray, seed: int) -> Pipeline:
    """Of so many photos: what tells before from after, and does not mind what nobody sees."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    from classifiers.signed_logarithm import SignedLogarithm

    n_activations = taught.before.shape[-1]
    before, after, harmless = (
        part[photos] for part in (taught.before, taught.after, taught.neutral)
    )
    whole = before.reshape(-1, n_activations)
    scaling = make_pipeline(StandardScaler(), SignedLogarithm()).fit(whole)

    def scaled(rows: np.ndarray) -> np.ndarray:
        return scaling.transform(rows.reshape(-1, n_activations))

    differences = scaled(before) - scaled(after)
    # Which of the two is the better one is left open: the score learns to differ little.
    same = scaled(harmless[:, 1:]) - scaled(np.broadcast_to(harmless[:, :1], harmless[:, 1:].shape))
    X = np.vstack([differences, -differences, same, -same, same, -same])
    n, n_same = len(differences), len(same)
    y = np.repeat([1, 0, 1, 1, 0, 0], [n, n, n_same, n_same, n_same, n_same])
    weights = np.repeat([1, _UNSEEN_WEIGHT], [2 * n, 4 * n_same])
    classifier = LogisticRegression(C=_REGULARISATION, max_iter=1000, random_state=seed)
    classifier.fit(X, y, sample_weight=weights)
    return make_pipeline(*(step for _, step in scaling.steps), classifier)


def _try(taught: _Taught, network: str, seed: int) -> CriticRecord:
    """What is known of a critic by photos that are left out in turn."""
    from sklearn.model_selection import KFold

    n_photos, n_damages, n_activations = taught.before.shape
    is_right = np.empty((n_photos, n_damages), bool)
    neutral_scores = np.empty(taught.neutral.shape[:2])
    gains: dict[int, np.ndarray] = {}  # by edited photo, of the edits
    folds = KFold(_FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(np.arange(n_photos)):
        classifier = _fit(taught, train, seed)

        def score(part: np.ndarray, classifier: Pipeline = classifier) -> np.ndarray:
            return classifier.decision_function(part.reshape(-1, n_activations)).reshape(
                part.shape[:2]
            )

        is_right[test] = score(taught.before[test]) > score(taught.after[test])
        neutral_scores[test] = score(taught.neutral[test])
        for photo in test[test < len(taught.edited)]:
            own, *edited = classifier.decision_function(taught.edited[photo].activations)
            gains[photo] = np.array(edited) - own
    right = dict(zip(DAMAGES, is_right.mean(axis=0).tolist()))
    noise, model_noise = _deviation(neutral_scores), _deviation(taught.neutral_scores)
    possible = [
        _most_gained(taught.edited[photo], own, model_noise) for photo, own in gains.items()
    ]
    least = find_least_gains(possible, trusted_kinds(right), noise)
    return CriticRecord(network, n_photos, noise, model_noise, right, least)


def _most_gained(edited: _Edited, gains: np.ndarray, model_noise: float) -> dict[str, float]:
    """By kind of damage undone, what a photo could gain; not by what the model likes less."""
    most: dict[str, float] = {}
    for kind, gain, score in zip(edited.undone, gains, edited.scores[1:]):
        if not spoils(score - edited.scores[0], model_noise):
            most[kind] = max(gain, most.get(kind, -np.inf))
    return most


def find_least_gains(
    possible: Sequence[Mapping[str, float]], kinds: Sequence[str], noise: float
) -> dict[str, float]:
    """Find what edits have to gain, so that four of five good photos are left as they are.

    Nearly every photo gains something by more contrast, and hardly one by less: what is usual is
    taken from the gains of each kind, and in their deviations kinds are compared. Not promised is
    anything of kinds by which fewer than five of the photos can be edited: they have to gain more
    than each of those.

    Parameters
    ----------
    possible : sequence of mapping of str to float
        Of each good photo, by kind of damage, the most that an edit which undoes it gains. Fewer
        than eleven photos promise less.
    kinds : sequence of str
        That may be undone.
    noise : float
        Deviation of the score over changes that nobody sees; a gain must be more than twice that.

    Returns
    -------
    dict of str to float
        By kind.
    """
    least = dict.fromkeys(kinds, N_DEVIATIONS * noise)
    usual: dict[str, tuple[float, float]] = {}
    highest = np.full(len(possible), -np.inf)
    for kind in kinds:
        gains = np.array([photo.get(kind, -np.inf) for photo in possible])
        is_known = np.isfinite(gains)
        known = gains[is_known]
        if len(known) < _FEWEST:
            # Hardly a good photo can be edited so: more contrast would clip most of them.
            least[kind] = max([least[kind], *known.tolist()])
            continue
        usual[kind] = _usual(known, noise)
        counts = np.where(known > least[kind], _standings(known, noise), -np.inf)
        highest[is_known] = np.maximum(highest[is_known], counts)
    n_left = min(int(binom.ppf(_SURE, len(possible), _LEFT_ALONE)), len(possible) - 1)
    limit = np.sort(highest)[n_left]
    for kind, (mean, deviation) in usual.items():
        least[kind] = float(max(least[kind], mean + limit * deviation))
    return least


def _standings(gains: np.ndarray, noise: float) -> list[float]:
    """By how many deviations each gain is above what is usual for the others.

    A new photo has no part in what is usual, so none of these may have in its own.
    """
    others = (_usual(np.delete(gains, place), noise) for place in range(len(gains)))
    return [(gain - mean) / deviation for gain, (mean, deviation) in zip(gains, others)]


def _usual(gains: np.ndarray, noise: float) -> tuple[float, float]:
    """Mean and deviation; gains differ at least by the noise."""
    return float(gains.mean()), max(float(gains.std(ddof=1)), noise)


def _deviation(scores: np.ndarray) -> float:
    """Of scores within photos, (n_photos, n_versions)."""
    return float(np.sqrt(scores.var(axis=1, ddof=1).mean()))
