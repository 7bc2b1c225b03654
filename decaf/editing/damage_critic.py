"""What tells a photo from damaged copies of it: learnt from good photos, without any ratings.

Heads and classifiers of whole photos hardly see that a photo has become too light, tilted or
tinted. A linear function of the backbone's activations, whose differences tell a photo from its
copy, does; it stands beside a model, whose order of photos it does not touch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline
from tqdm import tqdm

from classifiers.catalogue import load_classifier, save_classifier
from decaf.editing.damages import DAMAGES, damage, neutral
from decaf.editing.frames import find_faces
from decaf.editing.pictures import PictureScorer, read_working_copy
from decaf.editing.suggesting import (
    N_DEVIATIONS,
    allowed_edits,
    damage_undone,
    list_candidates,
    most_clipped,
    trusted_kinds,
)
from decaf.extraction.engines import in_float32
from decaf.networks.digest import digest_of_graph
from features.errors import InputError, NotTaught, Shortage
from features.files import write_file, writing
from features.photos import PhotoError
from features.records import Record, number, parse_json, table, text, whole_number

if TYPE_CHECKING:
    from decaf.models.model import Model

CRITIC_FILE, RECORD_FILE = "damage.skops", "damage.json"
# Of photos: what fewer teach cannot be tried; so many take some minutes on two cores.
LEAST_PHOTOS, MOST_PHOTOS = 20, 300
# Of differences of thousands of standardised activations, many times as many as there are photos.
_REGULARISATION = 0.01
_FOLDS = 5
# Of the photos that teach, so many are edited, too; and such a share of them is to be left alone.
EDITED, _LEFT_ALONE = 60, 0.8


@dataclass(frozen=True)
class CriticRecord(Record):
    """What is known of a critic.

    Attributes
    ----------
    network : str
        `network_identity` of the model, whose backbone gives the activations.
    photos : int
        That have taught it.
    noise, model_noise : float
        Standard deviations of its score, and of the model's decision score, over changes of a photo
        that nobody sees.
    least_gain : float
        What an edit must raise its score by: more than the noise, and so much that four of five of
        the photos that taught it would have been left as they are, had they not.
    right : dict of str to float
        By kind of damage, the share of photos, none of which had taught it, that it prefers to
        their damaged copies.
    """

    network: str = field(metadata=text())
    photos: int = field(metadata=whole_number(1))
    noise: float = field(metadata=number(0))
    model_noise: float = field(metadata=number(0))
    least_gain: float = field(metadata=number(0))
    right: dict[str, float] = field(metadata=table())

    def __post_init__(self) -> None:
        super().__post_init__()
        shares = self.right.values()
        if not all(isinstance(each, float | int) and 0 <= each <= 1 for each in shares):
            raise InputError("right must be shares, from 0 to 1")


@dataclass(frozen=True, eq=False)
class DamageCritic:
    """A linear function of activations; its difference is the log odds of being the better photo.

    Attributes
    ----------
    classifier : sklearn.pipeline.Pipeline
        A scaler, signed logarithms, and a logistic regression, whose intercept says nothing.
    record : CriticRecord
    """

    classifier: Pipeline
    record: CriticRecord

    def score(self, activations: np.ndarray) -> np.ndarray:
        """Score versions of a photo, which are compared by it; of different photos it says nothing.

        Parameters
        ----------
        activations : ndarray, shape (n_versions, n_activations)

        Returns
        -------
        ndarray, shape (n_versions,)
        """
        return self.classifier.decision_function(activations)

    def save(self, folder: str | os.PathLike) -> None:
        """Write the critic into its model's folder, in the place of one that is there."""
        folder = Path(folder)
        with writing(folder):
            save_classifier(self.classifier, folder / CRITIC_FILE)
            write_file(folder / RECORD_FILE, json.dumps(self.record.to_json(), indent=1) + "\n")


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


def network_identity(model: Model) -> str:
    """What tells a model's network from others; one that is saved anew keeps it."""
    network = model.network
    with in_float32(network.activations_model()):
        return f"{digest_of_graph(network.keras_model)} {network.record.resize}"


def load_critic(model: Model) -> DamageCritic | None:
    """Load the critic that stands beside a model; nothing in its files is executed.

    Parameters
    ----------
    model : Model
        Of a folder.

    Returns
    -------
    DamageCritic or None
        None if there is none.

    Raises
    ------
    NotTaught
        It is damaged, or was taught for another network.
    """
    assert model.folder is not None  # as of a loaded model
    path = model.folder / RECORD_FILE
    try:
        values = parse_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise NotTaught(f"{path}: cannot be read ({error})") from error
    try:
        record = CriticRecord.from_json(values)
    except InputError as error:
        raise NotTaught(f"{path}: {error}") from None
    if record.network != network_identity(model):
        raise NotTaught(f"{path}: is of another network than the model's")
    return DamageCritic(_load_classifier(model.folder / CRITIC_FILE), record)


def _load_classifier(path: Path) -> Pipeline:
    try:
        classifier = load_classifier(path)
    except Shortage:
        raise
    except InputError as error:
        raise NotTaught(f"{path}: cannot be read as a critic of damage") from error
    # A stranger's may be any of the catalogue.
    if not (isinstance(classifier, Pipeline) and hasattr(classifier, "decision_function")):
        raise NotTaught(f"{path}: is no critic of damage")
    return classifier


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
    classifier = LogisticRegression(C=_REGULARISATION, max_iter=1000, random_state=seed)
    classifier.fit(X, y)
    return make_pipeline(*(step for _, step in scaling.steps), classifier)


def _try(taught: _Taught, network: str, seed: int) -> CriticRecord:
    """What is known of a critic by photos that are left out in turn."""
    from sklearn.model_selection import KFold

    n_photos, n_damages, n_activations = taught.before.shape
    is_right = np.empty((n_photos, n_damages), bool)
    neutral_scores = np.empty(taught.neutral.shape[:2])
    gains: dict[int, np.ndarray] = {}  # by photo, of the edits
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
    best = [
        max(own[_would_count(taught.edited[photo], right, model_noise)], default=0.0)
        for photo, own in gains.items()
    ]
    least_gain = max(N_DEVIATIONS * noise, float(np.quantile(best, _LEFT_ALONE)))
    return CriticRecord(network, n_photos, noise, model_noise, least_gain, right)


def _would_count(edited: _Edited, right: dict[str, float], model_noise: float) -> np.ndarray:
    """Which edits undo what is seen, and do not spoil what the model likes."""
    trusted = trusted_kinds(right)
    is_trusted = np.array([kind in trusted for kind in edited.undone], bool)
    own, *after = edited.scores
    return is_trusted & (np.array(after) - own >= -N_DEVIATIONS * model_noise)


def _deviation(scores: np.ndarray) -> float:
    """Of scores within photos, (n_photos, n_versions)."""
    return float(np.sqrt(scores.var(axis=1, ddof=1).mean()))
