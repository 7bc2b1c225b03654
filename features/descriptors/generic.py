"""Generic image descriptors as scikit-learn transformers (the paper's figure 6).

    make_pipeline(PhotoDescriptors(), StandardScaler(), LogisticRegression())
    make_pipeline(SiftDescriptors(), FisherVectors(), LinearSVC())

take arrays of photo paths.
"""

import difflib
import os

import numpy as np
from joblib import Parallel, delayed
from PIL import Image
from skimage.color import rgb2gray
from skimage.feature import SIFT, fisher_vector
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from features.descriptors.composition import MEASURES
from features.descriptors.gist import gist
from features.errors import InputError
from features.photos import PhotoError, check_paths, read_photo

# Larger photos are reduced to this, so that a texture's scale and the time taken are alike for all.
# It is somewhat more than GIST's 256 × 256.
WORKING_PIXELS = 100_000

ALL_MEASURES = {**MEASURES, "gist": gist}


class PhotoDescriptors(TransformerMixin, BaseEstimator):
    """Measure colours, textures, layout, composition and technique of photos.

    Parameters
    ----------
    measures : sequence of str, optional
        Keys of `ALL_MEASURES`, in the order wanted; all by default.
    n_jobs : int, optional
        Photos measured at the same time, as joblib counts them.

    Examples
    --------
    >>> from features.descriptors.generic import PhotoDescriptors
    >>> PhotoDescriptors(measures=["contrast", "rule_of_thirds"])
    PhotoDescriptors(measures=['contrast', 'rule_of_thirds'])
    """

    def __init__(self, measures=None, n_jobs=None):
        self.measures = measures
        self.n_jobs = n_jobs

    def fit(self, X, y=None):
        """Check the parameters; nothing is learnt from the photos.

        Parameters
        ----------
        X : array of str, shape (n_photos,) or (n_photos, 1)
            Paths of photos.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        InputError
            If a measure is unknown.
        ValueError
            If `X` holds no paths.
        """
        check_paths(self, X, reset=True)
        self.measures_ = list(ALL_MEASURES if self.measures is None else self.measures)
        for name in self.measures_:
            if name not in ALL_MEASURES:
                near = difflib.get_close_matches(name, ALL_MEASURES) or ALL_MEASURES
                raise InputError(f"no measure {name!r}; choose from: {', '.join(near)}")
        return self

    def transform(self, X):
        """Measure photos.

        Parameters
        ----------
        X : array of str, shape (n_photos,) or (n_photos, 1)

        Returns
        -------
        ndarray of float64, shape (n_photos, n_features)

        Raises
        ------
        InputError
            If a photo cannot be read; the message names it and the reason.
        """
        check_is_fitted(self)
        paths = check_paths(self, X, reset=False)
        rows = Parallel(self.n_jobs)(delayed(_measure)(path, self.measures_) for path in paths)
        return np.array(rows)

    def get_feature_names_out(self, input_features=None):
        """Return the features' names: the measure's, numbered where it gives several numbers."""
        check_is_fitted(self)
        blank = np.zeros((1, 1, 3), dtype=np.uint8)
        names = []
        for measure in self.measures_:
            size = np.size(ALL_MEASURES[measure](blank))
            names += [measure] if size == 1 else [f"{measure}{i}" for i in range(size)]
        return np.array(names, dtype=object)

    def __sklearn_tags__(self):
        return _takes_paths(super().__sklearn_tags__())


class SiftDescriptors(TransformerMixin, BaseEstimator):
    """Describe the keypoints of photos by SIFT, for `BagOfVisualWords` and `FisherVectors`.

    Lowe, "Distinctive image features from scale-invariant keypoints", 2004.

    Parameters
    ----------
    n_jobs : int, optional
        Photos described at the same time, as joblib counts them.
    """

    def __init__(self, n_jobs=None):
        self.n_jobs = n_jobs

    def fit(self, X, y=None):
        """Do nothing but check that `X` holds paths."""
        check_paths(self, X, reset=True)
        self.fitted_ = True
        return self

    def transform(self, X):
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

    def __sklearn_tags__(self):
        return _takes_paths(super().__sklearn_tags__())


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

    def __init__(self, n_words=256, random_state=None):
        self.n_words = n_words
        self.random_state = random_state

    def fit(self, X, y=None):
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
        sample = _sample(_stack(X, self, reset=True)[0], self.n_words, random)
        self.words_ = MiniBatchKMeans(self.n_words, random_state=random).fit(sample)
        self._n_features_out = self.n_words
        return self

    def transform(self, X):
        """Return the shares of the words, (n_photos, n_words); 0 in a photo without keypoints."""
        check_is_fitted(self)
        local, counts = _stack(X, self)
        words = self.words_.predict(local) if len(local) else np.zeros(0, dtype=int)
        return np.array(
            [
                np.bincount(of_photo, minlength=self.n_words) / max(len(of_photo), 1)
                for of_photo in _split(words, counts)
            ]
        )


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

    def __init__(self, n_gaussians=16, n_components=64, random_state=None):
        self.n_gaussians = n_gaussians
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X, y=None):
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
        sample = _sample(
            _stack(X, self, reset=True)[0], max(self.n_gaussians, self.n_components), random
        )
        self.components_ = PCA(self.n_components, random_state=random).fit(sample)
        self.mixture_ = GaussianMixture(
            self.n_gaussians, covariance_type="diag", random_state=random
        ).fit(self.components_.transform(sample))
        self._n_features_out = self.n_gaussians * (2 * self.n_components + 1)
        return self

    def transform(self, X):
        """Return the Fisher vectors, (n_photos, n_gaussians × (2 n_components + 1)).

        They are 0 in a photo without keypoints.
        """
        check_is_fitted(self)
        local, counts = _stack(X, self)
        local = self.components_.transform(local) if len(local) else local
        vectors = np.zeros((len(counts), self._n_features_out))
        for vector, of_photo in zip(vectors, _split(local, counts)):
            if len(of_photo):
                vector[:] = fisher_vector(of_photo, self.mixture_, improved=True)
        return vectors


# Words and mixtures settle with some hundred examples each; more only take time and memory.
_SAMPLE = 100_000

# The shortest side of which scikit-image's SIFT makes a scale space
_SIFT_SIDE = 12


def _takes_paths(tags):
    tags.input_tags.string = True
    return tags


def _read(path):
    """Return a photo as RGB uint8 of at most WORKING_PIXELS."""
    try:
        rgb, _ = read_photo(path, min_side=round(WORKING_PIXELS**0.5))
    except PhotoError as error:
        raise InputError(f"{os.fspath(path)}: {error}") from error
    height, width = rgb.shape[:2]
    scale = np.sqrt(WORKING_PIXELS / (height * width))
    if scale >= 1:
        return rgb
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))


def _measure(path, measures):
    rgb = _read(path)
    return np.concatenate([np.atleast_1d(ALL_MEASURES[name](rgb)) for name in measures])


def _sift(path):
    grey = rgb2gray(_read(path))
    sift = SIFT()
    none = np.zeros((0, sift.n_hist**2 * sift.n_ori), dtype=np.uint8)
    if min(grey.shape) < _SIFT_SIDE:
        return none
    try:
        sift.detect_and_extract(grey)
    except RuntimeError:  # how scikit-image says that there are no keypoints
        return none
    return sift.descriptors


def _stack(X, estimator, reset=False):
    """Return all local descriptors in one matrix, and how many each photo has."""
    counts = None
    if isinstance(X, list | np.ndarray) and len(X) and np.ndim(X[0]) == 2:
        counts = [len(local) for local in X]
        X = np.concatenate(list(X))
    local = validate_data(estimator, X, reset=reset, ensure_min_samples=0)
    return local, [1] * len(local) if counts is None else counts


def _split(stacked, counts):
    return np.split(stacked, np.cumsum(counts)[:-1])


def _sample(local, at_least, random):
    if len(local) < at_least:
        raise InputError(
            f"too few local descriptors (n_samples={len(local)}): at least {at_least} are needed; "
            "give more photos, or learn fewer words, Gaussians or components"
        )
    if len(local) <= _SAMPLE:
        return local
    return local[random.choice(len(local), _SAMPLE, replace=False)]
