import keras
import numpy as np
import pytest
import torch
from keras import ops
from scipy.stats import pearsonr, spearmanr, wasserstein_distance

from decaf.networks.votes import (
    earth_movers_distance,
    emd_loss,
    judge_votes,
    mean_and_spread,
    vote_shares,
)


def random_votes(n_photos, n_steps, seed=0):
    return np.random.default_rng(seed).integers(0, 30, (n_photos, n_steps)) + [1] * n_steps


@pytest.mark.parametrize("n_steps", [2, 7, 10])
def test_the_distance_is_scipys_over_the_number_of_steps(n_steps):
    shares, predicted = (vote_shares(random_votes(20, n_steps, seed)) for seed in (0, 1))
    steps = np.arange(n_steps)
    expected = [
        wasserstein_distance(steps, steps, a, b) / n_steps for a, b in zip(shares, predicted)
    ]
    found = ops.convert_to_numpy(earth_movers_distance(shares, predicted, 1))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_loss_is_that_of_equation_1_by_hand():
    # Cumulative: (1, 1, 1, 1) and (0, 1/2, 1/2, 1); differences 1, 1/2, 1/2, 0.
    loss = emd_loss(np.array([[1.0, 0, 0, 0]]), np.array([[0, 0.5, 0, 0.5]]))
    assert float(loss[0]) == pytest.approx(np.sqrt((1 + 1 / 4 + 1 / 4) / 4))


def test_a_wrong_vote_costs_more_the_further_off_it_is():
    given, predicted = np.eye(7)[[0] * 7], np.eye(7)
    costs = ops.convert_to_numpy(emd_loss(given, predicted))
    assert (np.diff(costs) > 0.05).all()


def test_right_votes_cost_nothing_and_their_gradient_is_finite():
    shares = vote_shares(random_votes(3, 7))
    as_they_are = keras.layers.Dense(7, use_bias=False, kernel_initializer="identity")
    model = keras.Sequential([keras.Input((7,)), as_they_are])
    model.compile("sgd", emd_loss)
    assert model.train_on_batch(shares, shares) == pytest.approx(0, abs=1e-5)
    assert np.isfinite(model.get_weights()[0]).all()


def test_mean_and_spread_are_those_of_the_single_votes():
    votes = random_votes(4, 10)
    mean, spread = mean_and_spread(votes)
    np.testing.assert_allclose(mean_and_spread(vote_shares(votes)), (mean, spread), rtol=1e-6)
    for row, counts in enumerate(votes):
        single = np.repeat(np.arange(1, 11), counts)
        assert mean[row] == pytest.approx(single.mean(), rel=1e-6)
        assert spread[row] == pytest.approx(single.std(), rel=1e-6)


@pytest.mark.parametrize("n_steps", [3, 7, 10])
def test_the_measures_are_those_of_scipy_and_torch(n_steps):
    votes = random_votes(40, n_steps)
    logits = torch.log(torch.tensor(votes + random_votes(40, n_steps, 1)).double())
    predicted = torch.softmax(logits, dim=1)
    judged = judge_votes(votes, predicted.numpy())

    shares = torch.tensor(votes) / torch.tensor(votes).sum(1, keepdim=True)
    difference = torch.cumsum(shares, 1) - torch.cumsum(predicted, 1)
    assert judged["emd"] == pytest.approx(difference.abs().mean().item(), rel=1e-5)
    single = [np.repeat(np.arange(n_steps), counts) for counts in votes]
    steps = torch.arange(n_steps)
    mean = (predicted * steps).sum(1, keepdim=True)
    spread = (predicted * (steps - mean) ** 2).sum(1).sqrt().numpy()
    means, spreads = [each.mean() for each in single], [each.std() for each in single]
    assert judged["srcc_mean"] == pytest.approx(spearmanr(means, mean[:, 0]).statistic)
    assert judged["lcc_mean"] == pytest.approx(pearsonr(means, mean[:, 0]).statistic, rel=1e-5)
    assert judged["srcc_spread"] == pytest.approx(spearmanr(spreads, spread).statistic)
    assert judged["lcc_spread"] == pytest.approx(pearsonr(spreads, spread).statistic, rel=1e-5)
