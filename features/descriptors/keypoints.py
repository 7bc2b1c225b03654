"""Keypoints of photos, and what is learnt of them for a photo as a whole (the paper's figure 6).

    make_pipeline(SiftDescriptors(), FisherVectors(), LinearSVC())

takes arrays of photo paths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from skimage.color import rgb2gray
from skimage.feature import SIFT, fisher_vector
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.utils import check_random_state
from sklearn.utils.random import sample_without_replacement
from sklearn.utils.validation import check_is_fitted, validate_data

from features.descriptors.working_size import read_reduced
from features.errors import InputError
from features.paths import PathTransformer, check_paths

RandomState = int | np.random.RandomState | None

# Words and mixtures settle with some hundred examples each; more only take time and memory.
_SAMPLE = 100_000

# Photos whose local descriptors are in memory at once: some MB.
_BLOCK_PHOTOS = 64

# The shortest side of which scikit-image's SIFT makes a scale space
_SIFT_SIDE = 12


class SiftDescriptors(PathTransformer):
    """Describe the keypoints of photos by SIFT, for `BagOfVisualWords` and `FisherVectors`.

    Lowe, "Distinctive image features from scale-invariant keypoints", 2004.

    Parameters
    ----------
    n_jobs : int, optional
        Photos described at the same time, as joblib counts them.
    """

    def __init__(self, n_jobs: int | None = None) -> None:
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> SiftDescriptors:
        """Do nothing but check that `X` holds paths.

        Parameters
        ----------
        X : array of str, shape (n_photos,) or (n_photos, 1)
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If `X` holds no paths.
        """
        check_paths(self, X, reset=True)
        self.fitted_ = True
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Describe photos.

        Parameters
        ----------
        X : array of str, shape (n_photos,) or (n_photos, 1)
            Paths of photos.

        Returns
        -------
        ndarray of objects, shape (n_photos,)
            Of each photo an ndarray of uint8, shape (n_keypoints, 128); there may be no keypoints.

        Raises
        ------
        InputError
            If a photo cannot be read; the message names it and the reason.
        """
        check_is_fitted(self)
        paths = check_paths(self, X, reset=False)
        described = np.empty(len(paths), dtype=object)
        described[:] = Parallel(self.n_jobs)(delayed(_sift)(path) for path in paths)
        return described


class BagOfVisualWords(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Count how often each visual word occurs in a photo.

    Csurka, Dance, Fan, Willamowski and Bray, "Visual categorization with bags of keypoints", 2004.
    The words are the centres of k-means.

    Parameters
    ----------
    n_words : int
    random_state : int, RandomState or None

    Attributes
    ----------
    words_ : MiniBatchKMeans
    """

    def __init__(self, n_words: int = 256, random_state: RandomState = None) -> None:
        self.n_words = n_words
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> BagOfVisualWords:
        """Learn the words.

        Parameters
        ----------
        X : sequence of arrays, shape (n_keypoints, n_numbers) each
            The local descriptors of each photo, as `SiftDescriptors` gives them. A matrix is taken
            as one local descriptor a photo.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        InputError
            If there are fewer local descriptors than words.
        """
        random = check_random_state(self.random_state)
        sample = _sample(X, self, self.n_words, random)
        self.words_ = MiniBatchKMeans(self.n_words, random_state=random).fit(sample)
        self._n_features_out = self.n_words
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the shares of the words, (n_photos, n_words); 0 in a photo without keypoints."""
        check_is_fitted(self)
        shares = []
        for local, counts in _blocks(X, self):
            words = self.words_.predict(local) if len(local) else np.zeros(0, dtype=int)
            shares += [
                np.bincount(of_photo, minlength=self.n_words) / max(len(of_photo), 1)
                for of_photo in _split(words, counts)
            ]
        return np.array(shares)


class FisherVectors(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Tell how the local descriptors of a photo deviate from a mixture of Gaussians.

    Perronnin, Sánchez and Mensink, "Improving the Fisher kernel for large-scale image
    classification", 2010: principal components, then gradients by weights, means and deviations,
    power- and L2-normalised.

    Parameters
    ----------
    n_gaussians : int
    n_components : int
        Principal components kept of a local descriptor (64 in the paper).
    random_state : int, RandomState or None

    Attributes
    ----------
    components_ : PCA
    mixture_ : GaussianMixture
    """

    def __init__(
        self, n_gaussians: int = 16, n_components: int = 64, random_state: RandomState = None
    ) -> None:
        self.n_gaussians = n_gaussians
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> FisherVectors:
        """Learn the principal components and the mixture.

        Parameters
        ----------
        X : sequence of arrays, shape (n_keypoints, n_numbers) each
            The local descriptors of each photo, as `SiftDescriptors` gives them. A matrix is taken
            as one local descriptor a photo.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        InputError
            If there are too few local descriptors.
        """
        random = check_random_state(self.random_state)
        sample = _sample(X, self, max(self.n_gaussians, self.n_components), random)
        self.components_ = PCA(self.n_components, random_state=random).fit(sample)
        self.mixture_ = GaussianMixture(
            self.n_gaussians, covariance_type="diag", random_state=random
        ).fit(self.components_.transform(sample))
        self._n_features_out = self.n_gaussians * (2 * self.n_components + 1)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the Fisher vectors, (n_photos, n_gaussians × (2 n_components + 1)).

        They are 0 in a photo without keypoints.
        """
        check_is_fitted(self)
        blocks = []
        for local, counts in _blocks(X, self):
            vectors = np.zeros((len(counts), self._n_features_out))
            local = self.components_.transform(local) if len(local) else local
            for vector, of_photo in zip(vectors, _split(local, counts)):
                if len(of_photo):
                    vector[:] = fisher_vector(of_photo, self.mixture_, improved=True)
            blocks.append(vectors)
        return np.concatenate(blocks)


def _sift(path: str) -> np.ndarray:
    grey = rgb2gray(read_reduced(path))
    sift = SIFT()
    none = np.zeros((0, sift.n_hist**2 * sift.n_ori), dtype=np.uint8)
    if min(grey.shape) < _SIFT_SIDE:
        return none
    try:
        sift.detect_and_extract(grey)
    except RuntimeError:  # how scikit-image says that there are no keypoints
        return none
    return sift.descriptors


def _are_photos(X: Any) -> bool:
    """Whether each is a photo's local descriptors, and not one local descriptor."""
    return isinstance(X, list | np.ndarray) and len(X) > 0 and np.ndim(X[0]) == 2


def _blocks(X: Any, estimator: BaseEstimator) -> Iterator[tuple[np.ndarray, list[int]]]:
    """Yield the local descriptors of some photos in one matrix, and how many each photo has."""
    if not _are_photos(X):
        local = validate_data(estimator, X, reset=False, ensure_min_samples=0)
        yield local, [1] * len(local)
        return
    for start in range(0, len(X), _BLOCK_PHOTOS):
        photos = [np.asarray(photo) for photo in X[start : start + _BLOCK_PHOTOS]]
        stacked = np.concatenate(photos)
        local = validate_data(estimator, stacked, reset=False, ensure_min_samples=0)
        yield local, list(map(len, photos))


def _split(stacked: np.ndarray, counts: Sequence[int]) -> list[np.ndarray]:
    return np.split(stacked, np.cumsum(counts)[:-1])


def _sample(
    X: Any, estimator: BaseEstimator, at_least: int, random: np.random.RandomState
) -> np.ndarray:
    """Draw local descriptors; no more are in memory than these and one photo's."""
    are_photos = _are_photos(X)
    photos = X if are_photos else [validate_data(estimator, X, ensure_min_samples=0)]
    ends = np.cumsum([len(photo) for photo in photos])
    if ends[-1] < at_least:
        raise InputError(
            f"too few local descriptors (n_samples={ends[-1]}): at least {at_least} are needed; "
            "give more photos, or learn fewer words, Gaussians or components"
        )
    chosen = np.arange(min(ends[-1], _SAMPLE))
    if ends[-1] > _SAMPLE:
        chosen = np.sort(sample_without_replacement(ends[-1], _SAMPLE, random_state=random))
    drawn = [
        np.asarray(photo)[of_photo - end + len(photo)]
        for photo, end, of_photo in zip(photos, ends, np.split(chosen, chosen.searchsorted(ends)))
        if len(of_photo)
    ]
    sample = np.concatenate(drawn)
    return validate_data(estimator, sample) if are_photos else sample
