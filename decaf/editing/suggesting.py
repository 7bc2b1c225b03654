"""Which few edits are expected to help a photo most, by a model and its critic of damage."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from decaf.editing.edits import Edit, frame_of
from decaf.editing.frames import Box, cuts_any, find_faces, find_tilts
from decaf.editing.pictures import PictureScorer
from decaf.editing.suggestions import Step
from features.errors import InputError, NotTaught
from features.records import Record, nested, sequence, share, whole_number

if TYPE_CHECKING:
    from decaf.editing.damage_critic import DamageCritic
    from decaf.models.model import Model

# Of photos, that must be preferred to their damaged copies: only what undoes such is suggested.
TRUSTED = 0.9
# A difference counts that is more than so many times the noise of changes that nobody sees.
N_DEVIATIONS = 2
MOST_STEPS = 3
# Forward passes of a photo, at most; the first step takes some 45 of them.
MOST_PASSES = 150
# Of pixels, that all edits together may newly make as dark or as light as they can be.
_MOST_CLIPPED = 0.005
_SIDES, _SHAPES = (0.8, 0.9), (1, 5 / 4, 3 / 2, 16 / 9)
_WHOLE = Edit("crop", (0.0, 0.0, 1.0, 1.0))
# At least so much of a photo's shorter side stays where it is cropped to another shape.
_LEAST_SIDE = 0.7
_AMOUNTS = {
    "straighten": (-5.0, -2.0, 2.0, 5.0),
    "exposure": (-1.0, -0.5, 0.5, 1.0),
    "warmth": (-1.0, -0.5, 0.5, 1.0),
    "contrast": (0.6, 0.8, 1.25, 1.6),
    "saturation": (0.5, 0.75, 1.4, 1.9),
}
# What changes nothing.
_NEUTRAL = {"contrast": 1.0, "saturation": 1.0}
# What lies on either side of an amount that was chosen, over it.
_NEARBY = (0.75, 1.25)


@dataclass(frozen=True)
class Advice(Record):
    """What is suggested for a picture.

    Attributes
    ----------
    steps : tuple of Step
        None of them where it is to be left as it is.
    before, after : float
        The model's probability of a professional photo.
    n_passes : int
        Versions that were looked at.
    """

    steps: tuple[Step, ...] = field(metadata=sequence(nested(Step)))
    before: float = field(metadata=share())
    after: float = field(metadata=share())
    n_passes: int = field(metadata=whole_number(1))


def damage_undone(edit: Edit) -> str:
    """The kind of `decaf.editing.damages.DAMAGES` that an edit undoes."""
    if edit.kind in ("crop", "straighten"):
        return {"crop": "a corner of 0.7", "straighten": "tilt of 5°"}[edit.kind]
    (amount,) = edit.amounts
    is_more = amount > _NEUTRAL.get(edit.kind, 0)
    return {
        ("exposure", True): "one stop darker",
        ("exposure", False): "one stop lighter",
        ("warmth", True): "cold cast",
        ("warmth", False): "warm cast",
        ("contrast", True): "contrast × 0.6",
        ("contrast", False): "contrast × 1.6",
        ("saturation", True): "saturation × 0.4",
        ("saturation", False): "saturation × 2",
    }[edit.kind, is_more]


def trusted_kinds(right: Mapping[str, float]) -> list[str]:
    """The kinds of damage that are seen in enough photos to be undone."""
    return [kind for kind, share in right.items() if share >= TRUSTED]


def spoils(model_gain: float, model_noise: float) -> bool:
    """Whether the model likes a picture clearly less, whose score is higher by so much.

    What a critic has learnt of all photos is not to spoil what a person likes.
    """
    return model_gain < -N_DEVIATIONS * model_noise


class Adviser:
    """Suggests edits of pictures.

    An edit is taken where the critic expects the picture with it to be clearly better, by more than
    the least gain of its kind, and it does not spoil what the model likes. Of these edits the one
    that gains most beyond that is the first step; others may follow it.

    Parameters
    ----------
    model : Model
    critic : DamageCritic
    n_photos : int
        About how many pictures there will be.
    cache : path-like, optional
        As in `decaf.editing.pictures.PictureScorer`.

    Raises
    ------
    InputError
        scikit-image is not installed.
    NotTaught
        The critic does not take the activations of the model's backbone.
    """

    def __init__(
        self,
        model: Model,
        critic: DamageCritic,
        n_photos: int = 1,
        cache: str | os.PathLike | None = None,
    ):
        if find_spec("skimage") is None:
            raise InputError("suggesting edits needs scikit-image: pip install 'decaf[edits]'")
        self._model, self._critic = model, critic
        self._scorer = PictureScorer(model, n_photos * MOST_PASSES, cache)
        if critic.classifier.n_features_in_ != self._scorer.n_activations:
            raise NotTaught(
                f"{model}: its critic of damage does not take the {self._scorer.n_activations:,} "
                "activations of its network"
            )

    def suggest(self, rgb: np.ndarray) -> Advice:
        """Suggest edits.

        Parameters
        ----------
        rgb : ndarray of uint8, shape (height, width, 3)
            A working copy, as of `decaf.editing.pictures.read_working_copy`.

        Returns
        -------
        Advice
        """
        (now,) = self._look([(_WHOLE, rgb)])
        first, n_passes, most = now, 1, most_clipped(rgb)
        steps: list[Step] = []
        seen = self._critic.record.least_gains
        candidates = [edit for edit in list_candidates(rgb) if damage_undone(edit) in seen]
        while len(steps) < MOST_STEPS:
            faces = find_faces(now.rgb)
            allowed = allowed_edits(now.rgb, candidates, faces, most)
            better = self._better(now, allowed)
            n_passes += len(allowed)
            if not better:
                break
            best = max(better, key=partial(self._margin, now))
            nearby = allowed_edits(now.rgb, list_nearby(best.edit), faces, most)
            n_passes += len(nearby)
            best = max([best, *self._better(now, nearby)], key=partial(self._margin, now))
            steps.append(self._tell(now, best))
            candidates = [edit for edit in candidates if edit.kind != best.edit.kind]
            now = best
        before, after = self._model.record.calibration.probability(
            np.array([first.model, now.model])
        )
        return Advice(tuple(steps), float(before), float(after), n_passes)

    def _better(self, now: _Version, made: Sequence[tuple[Edit, np.ndarray]]) -> list[_Version]:
        noise = self._critic.record.model_noise
        return [
            version
            for version in self._look(made)
            if self._margin(now, version) > 0 and not spoils(version.model - now.model, noise)
        ]

    def _margin(self, now: _Version, then: _Version) -> float:
        """How much more an edit gains than one of its kind has to."""
        least = self._critic.record.least_gains[damage_undone(then.edit)]
        return then.critic - now.critic - least

    def _look(self, made: Sequence[tuple[Edit, np.ndarray]]) -> list[_Version]:
        if not made:
            return []
        activations = self._scorer.activations([rgb for _, rgb in made])
        scores = self._critic.score(activations), self._scorer.score(activations)
        return [_Version(*each, *own) for each, *own in zip(made, *scores)]

    def _tell(self, now: _Version, then: _Version) -> Step:
        gain, off = then.critic - now.critic, N_DEVIATIONS * self._critic.record.noise
        return Step(then.edit, *(float(expit(each)) for each in (gain, gain - off, gain + off)))


@dataclass(frozen=True)
class _Version:
    """A picture, the edit that made it of another, and the scores of critic and model."""

    edit: Edit
    rgb: np.ndarray
    critic: float
    model: float


def list_candidates(rgb: np.ndarray) -> list[Edit]:
    """All edits of a picture that are looked at first; some are a little off what is best."""
    height, width = rgb.shape[:2]
    crops = [
        (x * (1 - side), y * (1 - side), x + (1 - x) * side, y + (1 - y) * side)
        for side in _SIDES
        for x, y in itertools.product((0.0, 0.5, 1.0), repeat=2)
    ]
    for shape in sorted({each for side in _SHAPES for each in (side, 1 / side)}):
        across, down = min(shape * height / width, 1), min(width / (shape * height), 1)
        if _LEAST_SIDE <= min(across, down) < 1:
            crops += [
                (x * (1 - across), x * (1 - down), x + (1 - x) * across, x + (1 - x) * down)
                for x in (0.0, 0.5, 1.0)
            ]
    amounts = _AMOUNTS | {"straighten": (*_AMOUNTS["straighten"], *find_tilts(rgb))}
    return [
        *(Edit("crop", frame) for frame in crops),
        *(Edit(kind, (amount,)) for kind, own in amounts.items() for amount in own),
    ]


def list_nearby(edit: Edit) -> list[Edit]:
    """Edits of a little less and of a little more; of a crop none."""
    if edit.kind == "crop":
        return []
    (amount,) = edit.amounts
    neutral = _NEUTRAL.get(edit.kind, 0.0)
    return [Edit(edit.kind, (neutral + by * (amount - neutral),)) for by in _NEARBY]


def allowed_edits(
    rgb: np.ndarray, edits: Iterable[Edit], faces: Sequence[Box], most: float
) -> list[tuple[Edit, np.ndarray]]:
    """Edits that cut no face, and after which no larger share is clipped; and what they make."""
    height, width = rgb.shape[:2]
    made = [
        (edit, edit.apply(rgb))
        for edit in edits
        if not cuts_any(frame_of([edit], width, height), faces)
    ]
    # A crop clips nothing, but what it leaves may have been clipped.
    return [(edit, after) for edit, after in made if edit.kind == "crop" or _clipped(after) <= most]


def most_clipped(rgb: np.ndarray) -> float:
    """The share of a picture's pixels that may be clipped after all edits."""
    return _clipped(rgb) + _MOST_CLIPPED


def _clipped(rgb: np.ndarray) -> float:
    """The share of pixels that are as dark or as light as they can be, in any colour."""
    return float(((rgb == 0) | (rgb == 255)).any(axis=-1).mean())
