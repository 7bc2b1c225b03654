"""A person's taste over one album: learnt anew at each rating, and which photo tells most next."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches

from classifiers.gaussian_process import GaussianProcessRegression
from classifiers.signed_logarithm import SignedLogarithm
from classifiers.taste.probit import (
    Told,
    compare_left_out,
    information,
    know_nothing,
    learn,
    leave_out,
)

GRADES = (1, 2, 3, 4, 5)
# Of the kernel, in units of the square root of the number of features. For learning any from 1 to 2
# will do; of a longer one fewer features leave less out, and photos chosen by it tell more.
LENGTH_SCALE = 1.5
# Photos by whose kernels all are told apart, and what is kept of these: a refit takes time with
# the square of it, and the next photo with it.
_LANDMARKS, _FEATURES = 512, 256
# Mean squared difference of features, below which photos are near-duplicates: on BIQ2021 of 850
# pairs with a cosine from 0.9 on, which would be stacked, 740 are; of others 6 in 10,000.
_NEAR = 0.8
# Variance of what a rating is off by, over that of worth, where a photo is chosen. It is less than
# a rating's own, so that the next photo lies farther from those that were rated.
_CHOOSING_NOISE = 0.03
# Random directions that tell distances to within a tenth.
_SKETCH = 256
# Photos by which it is told what more ratings would bring.
_FORESEEN = 1000
# Of a generic model's score, deviations of worth that a deviation of it is taken to make.
_PRIOR_SLOPE = 1.0
_ROUNDS = 20
_BLOCK = 1024
# Rated photos whose distances from all others are in memory at once.
_NEW = 64


def every_fourth(n_asked: int) -> bool:
    """Whether the next photo is drawn at random: these alone judge what has been learnt."""
    return n_asked % 4 == 3


@dataclass(frozen=True)
class Prediction:
    """What a person is expected to think of photos.

    Attributes
    ----------
    worth, worth_deviation : ndarray of shape (n_photos,)
        What puts them in order, and how uncertain it is, in standard deviations of what the person
        differs from themselves by.
    probabilities : ndarray of shape (n_photos, n_grades)
    grades : ndarray of shape (n_grades,)
    """

    worth: np.ndarray
    worth_deviation: np.ndarray
    probabilities: np.ndarray
    grades: np.ndarray

    @property
    def score(self) -> np.ndarray:
        """The expected grades, (n_photos,)."""
        return self.probabilities @ self.grades

    @property
    def deviation(self) -> np.ndarray:
        """How far a grade may be from the expected one: its standard deviation, (n_photos,)."""
        off = (self.grades - self.score[:, None]) ** 2
        return np.sqrt((self.probabilities * off).sum(axis=1))

    def at_least(self, grade: float) -> np.ndarray:
        """Give the probability of that grade or a better one, (n_photos,)."""
        return self.probabilities[:, self.grades >= grade].sum(axis=1)


class AlbumTaste:
    """What is known of a person's taste, over the photos of one album.

    The model is that of `classifiers.OrdinalGaussianProcess`, on features that are brought to mean
    0 and variance 1 and whose signed logarithms are taken. All photos are projected once, onto what
    the kernels of some of them tell; learning and choosing are then small matrix products. Objects
    share nothing; one object is used by one thread at a time.

    Parameters
    ----------
    features : ndarray of shape (n_photos, n_features)
        Such as the averages of a backbone's activations; finite.
    grades : sequence of float, default=(1, 2, 3, 4, 5)
        The whole scale, ascending.
    prior : ndarray of shape (n_photos,), optional
        What somebody else thinks of each photo, such as a generic model's score, in any unit. It is
        believed in at first, and ever less where the person differs.
    seed : int, default=0

    Examples
    --------
    >>> photos = np.random.default_rng(0).normal(size=(200, 8))
    >>> taste = AlbumTaste(photos)
    >>> ratings = []
    >>> while len(ratings) < 40:
    ...     photo = taste.next_photo()
    ...     ratings.append((photo, 5 if photos[photo, 0] > 0 else 1))
    ...     taste.learn(ratings)
    >>> liked = taste.predict().at_least(3) > 0.5
    >>> float(np.mean(liked == (photos[:, 0] > 0))) > 0.8
    True
    """

    def __init__(
        self,
        features: np.ndarray,
        grades: Sequence[float] = GRADES,
        prior: np.ndarray | None = None,
        seed: int = 0,
    ):
        self.grades = np.array(grades, float)
        if len(grades) < 2 or not (np.diff(self.grades) > 0).all():
            raise ValueError(f"grades {grades!r} must be two or more, ascending")
        self._seed = seed
        random = np.random.default_rng(seed)
        self._scaling = make_pipeline(StandardScaler(), SignedLogarithm()).fit(features)
        chosen = np.sort(random.permutation(len(features))[:_LANDMARKS])
        self._landmarks = self._scale(features[chosen])
        n_features = self._landmarks.shape[1]
        self._directions = random.normal(size=(n_features, _SKETCH)).astype(np.float32)
        self._directions /= np.sqrt(_SKETCH * n_features)
        values, vectors = eigh(self._kernel(self._landmarks).astype(float))
        known = values > len(values) * np.finfo(np.float32).eps
        self._to_rows = (vectors[:, known] / np.sqrt(values[known])).astype(np.float32)
        kernels, self._sketch = self._see(features)
        rows = kernels @ self._to_rows
        self._to_rows = self._to_rows @ _axes(rows)[1][:, :_FEATURES]
        rows = kernels @ self._to_rows
        self._mean = np.zeros(rows.shape[1] + (prior is not None))
        if prior is not None:
            self._prior_centre, self._prior_spread = np.mean(prior), np.std(prior) or 1.0
            self._mean[-1] = 1
        self._turned = np.eye(len(self._mean))
        self._unexplained = _unexplained(rows)
        self._ratings: list[tuple[int, float]]
        self._pairs: list[tuple[int, int]]
        self._near: dict[int, np.ndarray]
        self._take(self._beside(rows, prior))

    @property
    def n_photos(self) -> int:
        """How many photos are known."""
        return len(self._rows)

    def extend(self, features: np.ndarray, prior: np.ndarray | None = None) -> None:
        """Add photos, whose numbers go on from `n_photos`.

        They are seen by what the first photos have in common: where these were few, an album that
        is made anew of all photos tells them apart better.

        Parameters
        ----------
        features : ndarray of shape (n_new, n_features)
        prior : ndarray of shape (n_new,)
            Where there was one before.
        """
        kernels, sketch = self._see(features)
        rows = kernels @ self._to_rows
        self._sketch = np.vstack([self._sketch, sketch])
        self._unexplained = np.concatenate([self._unexplained, _unexplained(rows)])
        ratings, pairs = self._ratings, self._pairs
        self._take(np.vstack([self._rows, self._beside(rows, prior) @ self._turned]))
        self.learn(ratings, pairs)

    def learn(
        self, ratings: Sequence[tuple[int, float]], pairs: Sequence[tuple[int, int]] = ()
    ) -> None:
        """Learn all that the person has told so far; it is quick where little of it is new.

        Parameters
        ----------
        ratings : sequence of (photo, grade)
            In the order in which they were given. A photo may occur again: each time counts.
        pairs : sequence of (photo, photo)
            The better one first.

        Raises
        ------
        ValueError
            If a photo is not known, or a grade is none of the scale's.
        """
        photos = np.array([photo for photo, _ in ratings], int)
        levels = np.searchsorted(self.grades, [grade for _, grade in ratings])
        compared = np.array(pairs, int).reshape(-1, 2)
        given = np.append(self.grades, np.nan)[levels]
        if not np.array_equal(given, [grade for _, grade in ratings]):
            raise ValueError(f"grades must be of {self.grades.tolist()}")
        for numbers in (photos, compared):
            if numbers.size and not 0 <= numbers.min() <= numbers.max() < self.n_photos:
                raise ValueError(f"photos are numbered from 0 to {self.n_photos - 1}")
        n_new = abs(len(ratings) - len(self._ratings)) + abs(len(pairs) - len(self._pairs))
        self._ratings, self._pairs = list(ratings), list(pairs)
        better, worse = self._rows[compared.T].astype(float)
        self._told = Told(self._rows[photos].astype(float), levels, better - worse)
        if not ratings and not pairs:
            self._posterior = know_nothing(self._mean, len(self.grades))
        else:
            rounds = 1 if n_new <= 1 else _ROUNDS
            self._posterior = learn(self._told, self._mean, self._posterior, rounds)

    def predict(self, photos: Sequence[int] | None = None) -> Prediction:
        """Say what the person is expected to think of photos.

        Parameters
        ----------
        photos : sequence of int, optional
            All by default.
        """
        which = slice(None) if photos is None else np.asarray(photos, int)
        rows, unexplained = self._rows[which], self._unexplained[which]
        worth, variance = self._posterior.worth(rows, unexplained)
        probabilities = self._posterior.level_probabilities(rows, unexplained)
        return Prediction(worth, np.sqrt(variance), probabilities, self.grades)

    def next_photo(self, never: Collection[int] = ()) -> int | None:
        """Choose the photo whose rating lowers the expected error over the whole album most.

        Which is the mean variance of what photos are worth, less the album's mean worth, which does
        not change their order; for a Gaussian process on scores, so that grades do not change it. A
        score of a photo takes of it the mean squared covariance with that photo, over that photo's
        variance and the noise.

        Parameters
        ----------
        never : collection of int
            Photos that are not to be chosen. Nor are those that were rated, and their
            near-duplicates.

        Returns
        -------
        int or None
            None if there is nothing to choose.
        """
        gains = self._gains(self._rows - self._centre, self._unexplained)
        return _highest(gains, self._may_be_asked(never))

    def next_pair(self, pairs: Sequence[tuple[int, int]]) -> int | None:
        """Choose the pair whose comparison lowers that error most; its place, or None of none."""
        if not pairs:
            return None
        first, second = np.array(pairs, int).T
        unexplained = self._unexplained[first] + self._unexplained[second]
        return int(np.argmax(self._gains(self._rows[first] - self._rows[second], unexplained)))

    def nearest(self, photo: int, n: int = 3) -> list[int]:
        """Give the rated photos that are most like a photo, the likest first."""
        rated = np.array(sorted({other for other, _ in self._ratings} - {photo}), int)
        distances = np.sum((self._sketch[rated] - self._sketch[photo]) ** 2, axis=1)
        return rated[np.argsort(distances, kind="stable")[:n]].tolist()

    def checks(self, positions: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Say what would be thought of rated photos, had nothing been told of them.

        Parameters
        ----------
        positions : sequence of int
            Places of ratings, among those that were learnt.

        Returns
        -------
        worth : ndarray of shape (n_checks,)
            By all ratings and pairs but those of the photo itself, less the album's mean: a grade
            that is left out moves that the other way, and all photos with it.
        given : ndarray of shape (n_checks,)
            Grades.
        """
        photos = np.array([photo for photo, _ in self._ratings], int)
        compared = np.array(self._pairs, int).reshape(-1, 2)
        worth = []
        for photo in photos[list(positions)]:
            own, pairs = photos == photo, (compared == photo).any(axis=1)
            left = Told(self._told.rows[own], self._told.levels[own], self._told.differences[pairs])
            row = self._rows[photo] - self._centre
            worth.append(row @ leave_out(self._posterior, left).weights)
        return np.array(worth), np.array([self._ratings[place][1] for place in positions])

    def wins(self, positions: Sequence[int]) -> np.ndarray:
        """Say how often rated photos are put above each other, had nothing been told of either.

        It judges their order without the bias of `checks`: a grade that is left out moves what is
        expected of its photo the other way, and rank correlations suffer from that (Airola,
        Pahikkala, Waegeman, De Baets, Salakoski: An experimental comparison of cross-validation
        techniques for estimating the area under the ROC curve. Computational Statistics and Data
        Analysis 55, 2011).

        Parameters
        ----------
        positions : sequence of int
            Places of ratings, among those that were learnt; each of another photo.

        Returns
        -------
        ndarray of shape (n_checks,)
            How many of the others a photo is put above, less how many below.
        """
        photos = np.array([photo for photo, _ in self._ratings], int)
        compared = np.array(self._pairs, int).reshape(-1, 2)
        judging = photos[list(positions)]
        of_pairs = (judging[:, None, None] == compared).any(axis=2)
        is_own = np.hstack([judging[:, None] == photos, of_pairs])
        rows = self._rows[judging].astype(float)
        difference = compare_left_out(self._posterior, self._told, rows, is_own)
        return np.sign(difference).sum(axis=1)

    def foresee(self, n_more: int = 20) -> float:
        """Give the factor by which the correlation with the person's worth is expected to grow.

        Parameters
        ----------
        n_more : int
            Ratings, of photos as they are chosen here.

        Returns
        -------
        float
            At least 1; NaN while nothing is known.
        """
        random = np.random.default_rng(self._seed)
        some = random.permutation(self.n_photos)[:_FORESEEN]
        # Less the album's mean worth, of which the order says nothing.
        rows = self._rows[some] - self._centre
        thresholds = self._posterior.thresholds - self._centre @ self._posterior.weights
        worth, variance = self._posterior.worth(rows, self._unexplained[some])
        known = np.var(worth)
        if not known:
            return np.nan
        total = known + variance.mean()
        along = rows @ self._posterior.of_weights.astype(np.float32)
        may_be = self._may_be_asked(())[some]
        for number in range(n_more):
            told = information(thresholds, worth, variance)
            gains = random.random(len(some)) if every_fourth(number) else None
            if gains is None:
                gains = (along**2 @ self._spectrum) * told
            photo = _highest(gains, may_be)
            if photo is None:
                break
            may_be[photo] = False
            with_photo = rows @ along[photo]
            variance = np.maximum(variance - told[photo] * with_photo**2, 0)
            along -= np.outer(with_photo, np.float32(told[photo]) * along[photo])
        return float(np.sqrt(max(1 - variance.mean() / total, known / total) / (known / total)))

    def to_pipeline(self) -> Pipeline:
        """Make of what was learnt an estimator of plain features, as a model's classifier is.

        Scores are on a line through the expected grades of the album; a prior is told by the
        features, as far as these can tell it.

        Returns
        -------
        sklearn.pipeline.Pipeline
            Of a scaler, signed logarithms, and a `classifiers.GaussianProcessRegression`.
        """
        n_kernels = self._to_rows.shape[1]
        weights = self._turned @ self._posterior.weights
        covariance = self._turned @ self._posterior.of_weights @ self._turned.T
        covariance = covariance[:n_kernels, :n_kernels]
        if len(weights) > n_kernels:
            rows = self._rows @ self._turned.T.astype(np.float32)
            gram = rows[:, :n_kernels].T @ rows[:, :n_kernels] + np.eye(n_kernels)
            prior = np.linalg.solve(gram, rows[:, :n_kernels].T @ rows[:, n_kernels])
            weights = weights[:n_kernels] + weights[n_kernels] * prior
        found, signal = self.predict(), self._posterior.signal
        step, start = np.polyfit(found.worth, found.score, 1) if np.ptp(found.worth) else (1.0, 0.0)
        process = GaussianProcessRegression(n_landmarks=_LANDMARKS)
        process.n_features_in_ = self._landmarks.shape[1]
        process.landmarks_ = self._landmarks
        process.length_scale_ = float(LENGTH_SCALE * np.sqrt(process.n_features_in_))
        process.mean_, process.weights_ = float(start), step * (self._to_rows @ weights)
        process.signal_, process.noise_ = float(abs(step) * signal), float(abs(step))
        learnt = step**2 * (signal**2 * np.eye(n_kernels) - covariance)
        process.uncertainty_ = (self._to_rows @ learnt @ self._to_rows.T).astype(np.float32)
        return make_pipeline(*(step for _, step in self._scaling.steps), process)

    def _scale(self, features: np.ndarray) -> np.ndarray:
        return self._scaling.transform(np.asarray(features, np.float32))

    def _kernel(self, scaled: np.ndarray) -> np.ndarray:
        gamma = 0.5 / (LENGTH_SCALE**2 * scaled.shape[1])
        return rbf_kernel(scaled, self._landmarks, gamma=gamma)

    def _see(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Kernels with the landmarks, and what distances are told by, of a block at a time."""
        kernels, sketches = [], []
        for block in gen_batches(len(features), _BLOCK):
            scaled = self._scale(features[block])
            kernels.append(self._kernel(scaled))
            sketches.append(scaled @ self._directions)
        return np.concatenate(kernels), np.concatenate(sketches)

    def _beside(self, rows: np.ndarray, prior: np.ndarray | None) -> np.ndarray:
        """Put the prior beside the rows, if there is one."""
        if len(self._mean) == rows.shape[1]:
            return rows
        column = (np.asarray(prior) - self._prior_centre) / self._prior_spread
        return np.column_stack([rows, _PRIOR_SLOPE * column.astype(np.float32)])

    def _take(self, rows: np.ndarray) -> None:
        """Turn the rows to the axes of the album, along which its variances simply add up."""
        centre = rows.mean(axis=0)
        self._spectrum, axes = _axes(rows - centre)
        self._rows, self._centre = np.ascontiguousarray(rows @ axes), centre @ axes
        self._turned, self._mean = self._turned @ axes, axes.T @ self._mean
        self._near, self._ratings, self._pairs = {}, [], []
        self.learn([])

    def _gains(self, rows: np.ndarray, unexplained: np.ndarray) -> np.ndarray:
        """By how much scores of such rows would lower the album's mean variance.

        What the features of a row leave out tells nothing of others, as noise does not. Were it
        forgotten, those photos would be asked first of which least is known that others share.
        """
        told = np.vstack([self._told.rows - self._centre, self._told.differences])
        compared = np.array(self._pairs, int).reshape(-1, 2)
        left_out = self._unexplained[[photo for photo, _ in self._ratings]]
        left_out = np.concatenate([left_out, self._unexplained[compared].sum(axis=1)])
        told = told / np.sqrt(left_out + _CHOOSING_NOISE)[:, None]
        precision = told.T @ told
        precision[np.diag_indices_from(precision)] += 1
        covariance = cho_solve(cho_factor(precision, lower=True), np.eye(len(precision)))
        covariance = covariance.astype(np.float32)
        variance, covered = np.empty((2, len(rows)))
        for block in gen_batches(len(rows), _BLOCK):  # which fits into the processor's cache
            along = rows[block] @ covariance
            variance[block] = np.einsum("ij,ij->i", along, rows[block])
            covered[block] = np.square(along, out=along) @ self._spectrum
        return covered / (np.maximum(variance, 0) + unexplained + _CHOOSING_NOISE)

    def _may_be_asked(self, never: Collection[int]) -> np.ndarray:
        """Which photos are neither rated, nor near-duplicates of rated ones, nor excluded."""
        may_be = np.ones(self.n_photos, bool)
        may_be[list(never)] = False
        rated = {photo for photo, _ in self._ratings}
        new = sorted(rated - self._near.keys())
        for start in range(0, len(new), _NEW):
            some = new[start : start + _NEW]
            distances = euclidean_distances(self._sketch[some], self._sketch, squared=True)
            self._near |= dict(zip(some, map(np.flatnonzero, distances < _NEAR)))
        for photo in rated:
            may_be[self._near[photo]] = False
        return may_be


def _axes(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean squares of rows along their principal axes, and these, the largest first."""
    values, vectors = eigh(rows.T @ rows / len(rows))
    return values[::-1].astype(np.float32), vectors[:, ::-1].astype(np.float32)


def _unexplained(rows: np.ndarray) -> np.ndarray:
    """What of a kernel's 1 the features of rows leave out."""
    return np.maximum(1 - np.sum(rows**2, axis=1), 0)


def _highest(values: np.ndarray, may_be: np.ndarray) -> int | None:
    return int(np.argmax(np.where(may_be, values, -np.inf))) if may_be.any() else None
