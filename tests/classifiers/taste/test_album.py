"""A taste over an album: what it tells, which photo is next, and what its numbers are against."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from scipy.stats import norm

from classifiers import OrdinalGaussianProcess
from classifiers.catalogue import load_classifier, save_classifier
from classifiers.taste import album
from classifiers.taste.album import AlbumTaste, every_fourth
from classifiers.taste.probit import Told, leave_out


def photos_and_stars(n_photos=80, n_features=16, seed=0):
    random = np.random.default_rng(seed)
    features = random.normal(size=(n_photos, n_features)).astype(np.float32)
    worth = 2 * features[:, 0] - features[:, 1] + 0.5 * random.normal(size=n_photos)
    return features, 1 + np.searchsorted([-2, -0.7, 0.7, 2], worth)


def rate(taste, stars, n_ratings):
    ratings = []
    for _ in range(n_ratings):
        photo = taste.next_photo()
        ratings.append((photo, stars[photo]))
        taste.learn(ratings)
    return ratings


def test_it_is_the_ordinal_gaussian_process_on_all_photos():
    features, stars = photos_and_stars()
    taste = AlbumTaste(features)
    rated, pairs = np.arange(0, 80, 2), [(1, 3), (5, 7)]
    taste.learn([(photo, stars[photo]) for photo in rated], pairs)
    scaled = taste._scale(features)
    settings = {"length_scale": album.LENGTH_SCALE, "signal": taste._posterior.signal}
    by_itself = OrdinalGaussianProcess(**settings).fit(
        scaled[rated], stars[rated], scaled[[1, 5]], scaled[[3, 7]]
    )
    expected, spread = by_itself.predict(scaled, return_std=True)
    told = taste.predict()
    np.testing.assert_allclose(told.score, expected, atol=0.02)
    np.testing.assert_allclose(told.deviation, spread, atol=0.02)
    np.testing.assert_allclose(told.probabilities.sum(axis=1), 1)
    np.testing.assert_allclose(told.at_least(4), told.probabilities[:, 3:].sum(axis=1))


@pytest.mark.parametrize("n_kept", [256, 6])
def test_the_next_photo_is_the_one_after_whose_rating_the_album_s_order_is_known_best(
    monkeypatch, n_kept
):
    monkeypatch.setattr(album, "_FEATURES", n_kept)
    features, stars = photos_and_stars(40)
    taste = AlbumTaste(features)
    ratings = rate(taste, stars, 12)
    rows = taste._rows.astype(float)
    kernel = (rows - rows.mean(axis=0)) @ (rows - rows.mean(axis=0)).T
    # What few features leave out of a photo is noise to all others.
    noise = np.diag(album._CHOOSING_NOISE + np.maximum(1 - (rows**2).sum(axis=1), 0))
    assert (np.diag(noise).max() > 0.3) == (n_kept == 6)
    rated = [photo for photo, _ in ratings]

    def variance_after(photo):
        """Of Gaussian-process regression with one photo more, in the space of functions."""
        seen = [*rated, photo]
        noisy = kernel[np.ix_(seen, seen)] + noise[np.ix_(seen, seen)]
        return np.trace(kernel - kernel[:, seen] @ np.linalg.solve(noisy, kernel[seen]))

    assert taste.next_photo() == min(set(range(40)) - set(rated), key=variance_after)
    assert taste.next_photo(never=[taste.next_photo()]) != taste.next_photo()


def test_what_a_grade_tells_is_what_integration_over_worth_finds():
    thresholds, mean, variance = np.array([-1.0, 0.3, 2.0]), 0.4, 1.7
    worth = np.linspace(-12, 12, 20_001)
    before = np.exp(-((worth - mean) ** 2) / (2 * variance))
    before /= before.sum()
    ends = np.concatenate([[-np.inf], thresholds, [np.inf]])
    fallen = 0.0
    for low, high in pairwise(ends):
        after = before * (norm.cdf(high - worth) - norm.cdf(low - worth))
        share = after.sum()
        after = after / share
        centre = (after * worth).sum()
        fallen += share * (variance - (after * (worth - centre) ** 2).sum())
    told = album.information(thresholds, np.array([mean]), np.array([variance]))
    np.testing.assert_allclose(told * variance**2, fallen, rtol=1e-4)


def test_a_grade_that_is_certain_tells_nothing_however_far_from_all_thresholds_the_worth_is():
    worth = np.array([*range(-45, 46), -1e6, 1e6], float)
    told = album.information(np.array([-1.0, 0.5, 1.0]), worth, np.full(len(worth), 1e-3))
    assert (told >= 0).all() and told.max() < 1
    assert told[np.abs(worth) > 10].max() < 1e-15


def test_neither_rated_photos_nor_their_near_duplicates_are_asked():
    features, stars = photos_and_stars(30)
    features = np.vstack([features, features + 0.01])
    taste = AlbumTaste(features)
    ratings = rate(taste, np.tile(stars, 2), 30)
    assert len({photo % 30 for photo, _ in ratings}) == 30
    assert taste.next_photo() is None


def test_every_fourth_photo_is_drawn_at_random():
    assert [n for n in range(12) if every_fourth(n)] == [3, 7, 11]


def test_fewer_ratings_are_learnt_as_if_the_others_had_not_been_given():
    features, stars = photos_and_stars()
    taste, other = AlbumTaste(features), AlbumTaste(features)
    ratings = rate(taste, stars, 20)
    taste.learn(ratings[:10])
    other.learn(ratings[:10])
    np.testing.assert_allclose(taste.predict().worth, other.predict().worth, atol=0.02)
    taste.learn([])
    assert not taste.predict().worth.any()
    np.testing.assert_allclose(taste.predict().probabilities, 0.2, atol=0.02)


def test_a_check_is_predicted_as_if_nothing_were_known_of_it():
    features, stars = photos_and_stars()
    taste = AlbumTaste(features)
    ratings = rate(taste, stars, 40)
    ratings += [ratings[5]]
    taste.learn(ratings, [(ratings[5][0], 77)])
    worth, given = taste.checks([5, 11])
    assert given.tolist() == [ratings[5][1], ratings[11][1]]
    signal = taste._posterior.signal
    for place, told in zip((5, 11), worth):
        photo = ratings[place][0]
        left = [rating for rating in ratings if rating[0] != photo]
        pairs = [] if place == 5 else [(ratings[5][0], 77)]
        without = AlbumTaste(features)
        without.learn(left, pairs)
        posterior = album.learn(without._told, without._mean, without._posterior, 1, signal)
        all_worth = without._rows @ posterior.weights
        assert told == pytest.approx(all_worth[photo] - all_worth.mean(), abs=0.05)


def test_two_checks_are_compared_as_if_nothing_were_known_of_either():
    features, stars = photos_and_stars()
    taste = AlbumTaste(features)
    ratings = rate(taste, stars, 40)
    ratings += [ratings[5]]
    photos = [photo for photo, _ in ratings]
    pairs = [(photos[5], 77), (photos[11], photos[5]), (photos[8], 76)]
    taste.learn(ratings, pairs)
    positions = [5, 8, 11, 20, 33]
    wins = np.zeros(5)
    for one, other in permutations(range(5), 2):
        both = {photos[positions[one]], photos[positions[other]]}
        own = [photo in both for photo in photos]
        compared = [bool(both & set(pair)) for pair in pairs]
        told = taste._told
        left = Told(told.rows[own], told.levels[own], told.differences[compared])
        weights = leave_out(taste._posterior, left).weights
        first, second = (taste._rows[photos[positions[each]]] for each in (one, other))
        wins[one] += np.sign((first - second) @ weights)
    np.testing.assert_array_equal(taste.wins(positions), wins)
    assert len(taste.wins([])) == 0 and taste.wins([3]).tolist() == [0]


def test_a_prior_is_believed_at_first_and_bends():
    features, stars = photos_and_stars()
    for sign in (1, -1):
        taste = AlbumTaste(features, prior=100 * sign * stars)
        worth = taste.predict().worth
        assert np.corrcoef(worth, sign * stars)[0, 1] > 0.95
        rate(taste, stars, 40)
        assert np.corrcoef(taste.predict().worth, stars)[0, 1] > 0.8


def test_photos_that_came_later_are_judged_as_if_they_had_been_there():
    features, stars = photos_and_stars(200)
    taste = AlbumTaste(features[:150], prior=stars[:150])
    ratings = rate(taste, stars, 20)
    taste.extend(features[150:], prior=stars[150:])
    assert taste.n_photos == 200
    whole = AlbumTaste(features, prior=stars)
    whole.learn(ratings)
    agreement = np.corrcoef(taste.predict().worth[150:], whole.predict().worth[150:])[0, 1]
    assert agreement > 0.95


def test_pairs_alone_teach_an_order_and_the_doubtful_pair_is_asked():
    features, stars = photos_and_stars()
    taste = AlbumTaste(features)
    random = np.random.default_rng(1)
    pairs = [tuple(pair) for pair in random.integers(80, size=(150, 2))]
    pairs = [(a, b) if stars[a] > stars[b] else (b, a) for a, b in pairs if stars[a] != stars[b]]
    taste.learn([], pairs)
    assert np.corrcoef(taste.predict().worth, stars)[0, 1] > 0.7
    assert taste.next_pair([]) is None
    assert taste.next_pair([(3, 3), (3, 9), (4, 4)]) == 1


def test_a_saved_pipeline_orders_photos_as_the_taste_does(tmp_path):
    features, stars = photos_and_stars()
    taste = AlbumTaste(features, prior=stars)
    rate(taste, stars, 20)
    save_classifier(taste.to_pipeline(), tmp_path / "classifier.skops")
    loaded = load_classifier(tmp_path / "classifier.skops")
    told = taste.predict()
    assert np.corrcoef(loaded.predict(features), told.score)[0, 1] > 0.9
    plain = AlbumTaste(features)
    ratings = rate(plain, stars, 20)
    scores, deviations = plain.to_pipeline().predict(features, return_std=True)
    assert np.corrcoef(scores, plain.predict().worth)[0, 1] == pytest.approx(1)
    expected = np.hypot(plain.predict().worth_deviation, 1)
    np.testing.assert_allclose(deviations / deviations[0], expected / expected[0], rtol=1e-3)
    assert plain.nearest(ratings[0][0], 3)[0] != ratings[0][0]


def test_more_ratings_are_foreseen_to_help_and_ever_less():
    features, stars = photos_and_stars(300)
    taste = AlbumTaste(features)
    assert np.isnan(taste.foresee())
    rate(taste, stars, 10)
    early = taste.foresee()
    rate(taste, stars, 80)
    assert 1 <= taste.foresee() < early


@pytest.mark.parametrize(
    ("ratings", "pairs", "said"),
    [([(0, 6)], [], "grades"), ([(80, 5)], [], "from 0 to 79"), ([], [(-1, 0)], "from 0 to 79")],
)
def test_what_cannot_be_is_refused(ratings, pairs, said):
    taste = AlbumTaste(photos_and_stars()[0])
    with pytest.raises(ValueError, match=said):
        taste.learn(ratings, pairs)


def test_a_scale_has_two_grades_at_least():
    with pytest.raises(ValueError, match="ascending"):
        AlbumTaste(photos_and_stars()[0], grades=[3])
