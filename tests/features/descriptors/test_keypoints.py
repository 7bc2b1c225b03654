import numpy as np
import pytest
from estimator_checks import parametrize_with_path_checks
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from features.descriptors import keypoints
from features.descriptors.generic import PhotoDescriptors
from features.descriptors.keypoints import BagOfVisualWords, FisherVectors, SiftDescriptors
from features.errors import InputError


@pytest.fixture(autouse=True)
def one_thread():
    """Keep k-means' threads from waiting for each other where tests share few cores."""
    with threadpool_limits(1):
        yield


@parametrize_with_path_checks([SiftDescriptors()])
def test_the_estimator_of_paths_keeps_the_conventions(estimator, check):
    check(estimator)


@parametrize_with_checks(
    [
        BagOfVisualWords(n_words=3, random_state=0),
        FisherVectors(n_gaussians=2, n_components=1, random_state=0),
    ]
)
def test_the_estimators_of_keypoints_keep_the_conventions(estimator, check):
    check(estimator)


def test_sift_finds_the_keypoint_of_a_blob_and_none_in_plain_or_tiny_photos(tmp_path):
    y, x = np.mgrid[:80, :80]
    blob = np.uint8(255 * np.exp(-((x - 40) ** 2 + (y - 40) ** 2) / (2 * 6**2)))
    photos = {"blob": blob, "plain": np.full((80, 80), 90, np.uint8), "tiny": blob[:5, :5]}
    for name, grey in photos.items():
        Image.fromarray(grey).save(tmp_path / f"{name}.png")
    found = SiftDescriptors().fit_transform([tmp_path / f"{name}.png" for name in photos])
    assert [local.shape[1] for local in found] == [128, 128, 128]
    assert len(found[0]) >= 1 and [len(local) for local in found[1:]] == [0, 0]


def test_a_photo_that_cannot_be_read_is_named(tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff no photo")
    with pytest.raises(InputError, match=r"broken\.jpg: \S"):
        SiftDescriptors().fit_transform([broken])


def objects(*photos):
    """Return local descriptors as SiftDescriptors gives them."""
    array = np.empty(len(photos), dtype=object)
    array[:] = photos
    return array


def test_the_bag_counts_the_words_of_a_photo():
    near, far = np.zeros((20, 2)), np.full((20, 2), 9.0)
    bag = BagOfVisualWords(n_words=2, random_state=0).fit(objects(near, far))
    words = bag.transform(objects(np.vstack([near[:3], far[:1]]), np.zeros((0, 2))))
    assert sorted(words[0]) == [0.25, 0.75] and words[1].tolist() == [0, 0]
    assert list(bag.get_feature_names_out()) == ["bagofvisualwords0", "bagofvisualwords1"]


def test_photos_without_any_keypoint_give_zeros():
    local = objects(*np.random.default_rng(0).normal(size=(5, 8, 3)))
    nothing = objects(np.zeros((0, 3)), np.zeros((0, 3)))
    for encoder in (BagOfVisualWords(n_words=2), FisherVectors(n_gaussians=2, n_components=2)):
        encoded = encoder.fit(local).transform(nothing)
        assert encoded.shape == (2, encoder.transform(local).shape[1]) and not encoded.any()


def test_the_fisher_vector_of_one_gaussian_is_the_shift_of_the_mean():
    below, above = np.full((4, 1), -1.0), np.full((4, 1), 1.0)
    fisher = FisherVectors(n_gaussians=1, n_components=1).fit(objects(below, above))
    vectors = fisher.transform(objects(below, above))
    # gradients by weight (0), mean (the shift) and deviation (0, for the spread is as expected)
    np.testing.assert_allclose(np.abs(vectors), [[0, 1, 0]] * 2, atol=2e-3)
    assert vectors[0, 1] == pytest.approx(-vectors[1, 1])


def test_fisher_vectors_have_unit_length():
    local = objects(*np.random.default_rng(0).normal(size=(5, 8, 3)))
    vectors = FisherVectors(2, n_components=2, random_state=0).fit_transform(local)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1)


class Photo:
    """Local descriptors that are made when they are asked for; tells how many are at once."""

    ndim, made = 2, []

    def __init__(self, seed):
        self.seed = seed

    def __len__(self):
        return self.seed % 4

    def __array__(self, dtype=None, copy=None):
        self.made.append(self.seed)
        return np.random.default_rng(self.seed).normal(size=(len(self), 3))


@pytest.mark.parametrize(
    "encoder",
    [BagOfVisualWords(3, random_state=0), FisherVectors(2, n_components=2, random_state=0)],
)
def test_photos_that_are_read_when_they_are_asked_for_give_what_arrays_do(encoder, monkeypatch):
    """Words and mixtures are learnt of a sample, for which few photos are read."""
    lazy = objects(*map(Photo, range(200)))
    arrays = objects(*map(np.asarray, lazy))
    expected = clone(encoder).fit(arrays)
    np.testing.assert_array_equal(
        clone(encoder).fit(lazy).transform(lazy), expected.transform(arrays)
    )
    monkeypatch.setattr(keypoints, "_SAMPLE", 40)
    Photo.made.clear()
    fitted = clone(encoder).fit(lazy)
    assert 20 < len(Photo.made) <= 40 and Photo.made == sorted(Photo.made)
    assert 0 not in np.array(Photo.made) % 4
    assert np.isfinite(fitted.transform(lazy)).all()


@pytest.mark.parametrize("encoder", [BagOfVisualWords(3), FisherVectors(3, n_components=1)])
def test_too_few_local_descriptors_are_refused(encoder):
    with pytest.raises(InputError, match=r"n_samples=2\): at least 3 are needed"):
        encoder.fit(objects(np.zeros((2, 4)), np.zeros((0, 4))))


def test_the_whole_way_from_paths_to_a_classifier_can_be_fitted_and_cloned(paths):
    pipeline = make_pipeline(
        make_union(
            PhotoDescriptors(["contrast", "aspect_ratio", "colour_moments"]),
            make_pipeline(SiftDescriptors(), BagOfVisualWords(5, random_state=0)),
            make_pipeline(SiftDescriptors(), FisherVectors(2, n_components=4, random_state=0)),
        ),
        LogisticRegression(),
    )
    labels = [0, 0, 0, 1, 1, 1]
    assert clone(pipeline).fit(paths, labels).predict(paths).shape == (6,)
    described = pipeline[0].fit_transform(paths)
    assert described.shape == (6, 11 + 5 + 2 * (2 * 4 + 1)) and np.isfinite(described).all()
