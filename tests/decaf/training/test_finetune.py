"""Heads against PyTorch's and scikit-learn's own, and what settings change of them."""

import gc
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from decaf.networks.head import build_head
from decaf.training.batches import predict
from decaf.training.finetune import finetune
from decaf.training.settings import TrainingSettings
from decaf.training.targets import Targets, choose_levels
from features.errors import InputError


def weights(head):
    return [np.asarray(values) for values in head.get_weights()]


def test_a_head_learns_what_shows_in_the_activations(make_activations, two_classes):
    values, label = two_classes
    settings = TrainingSettings(learning_rate=0.01, momentum=0.9, epochs=20, batch_size=16)
    head, history = finetune(make_activations(values), Targets(label), 8, settings)
    assert [epoch["epoch"] for epoch in history] == list(range(1, 21))
    assert history[-1]["loss"] < history[0]["loss"]
    assert history[-1]["val_auc"] > 0.85
    probability = predict(head, make_activations(values), np.arange(150))
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-5)
    assert roc_auc_score(label, probability[:, 1]) > 0.85


def test_two_epochs_equal_those_of_pytorch(make_activations, two_classes):
    values, label = two_classes
    settings = TrainingSettings(
        learning_rate=0.1, momentum=0.9, epochs=2, batch_size=150, dropout=0, validation_fraction=0
    )
    head, history = finetune(make_activations(values), Targets(label), 8, settings)

    start = [torch.tensor(w, requires_grad=True) for w in weights(build_head(20, 8, seed=0))]
    optimizer = torch.optim.SGD(start, lr=0.1, momentum=0.9)
    class_weight = torch.tensor(150 / (2 * np.bincount(label)), dtype=torch.float32)
    x, y = torch.tensor(values.astype(np.float16).astype(np.float32)), torch.tensor(label)
    for epoch in history:
        hidden = torch.relu(x @ start[0] + start[1])
        logits = torch.relu(hidden @ start[2] + start[3]) @ start[4] + start[5]
        loss = torch.nn.functional.cross_entropy(logits, y, class_weight)
        assert epoch["loss"] == pytest.approx(loss.item(), rel=1e-5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for ours, theirs in zip(weights(head), start):
        np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-4, atol=1e-5)


def test_standardised_activations_are_those_of_scikit_learn_and_leave_no_layer_behind(
    make_activations, two_classes, monkeypatch
):
    monkeypatch.setattr("decaf.training.batches.BLOCK_ROWS", 8)
    values, label = two_classes
    values = (values * np.geomspace(1e-2, 10, 20) + np.linspace(-3, 3, 20)).astype(np.float16)
    values[:, 7] = 0
    train = np.arange(0, 150, 2)
    settings = TrainingSettings(learning_rate=0.1, epochs=5, dropout=0, validation_fraction=0)
    head, history = finetune(
        make_activations(values), Targets(label), 8, replace(settings, standardize=True), rows=train
    )
    scaler = StandardScaler().fit(values[train].astype(float))
    scaled = scaler.transform(values.astype(float))
    assert head.layers[1].name == "fc6"
    fc6, bias, *others = weights(head)

    start = [torch.tensor(w, requires_grad=True) for w in weights(build_head(20, 8, seed=0))]
    optimizer = torch.optim.SGD(start, lr=0.1)
    class_weight = torch.tensor(75 / (2 * np.bincount(label[train])), dtype=torch.float32)
    x, y = torch.tensor(scaled[train], dtype=torch.float32), torch.tensor(label[train])
    for _ in history:
        hidden = torch.relu(x @ start[0] + start[1])
        logits = torch.relu(hidden @ start[2] + start[3]) @ start[4] + start[5]
        optimizer.zero_grad()
        # Keras divides by the photos, PyTorch by their weights; balanced, these add up to the same.
        torch.nn.functional.cross_entropy(logits, y, class_weight).backward()
        optimizer.step()
    for ours, theirs in zip(others, start[2:]):
        np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        values.astype(float) @ fc6 + bias,
        scaled @ start[0].detach().numpy() + start[1].detach().numpy(),
        atol=1e-3,
    )


def test_labels_softened_by_the_distance_are_trained_on_as_pytorch_does(
    make_activations, two_classes
):
    values, label = two_classes
    above_midpoint = np.random.default_rng(3).uniform(-0.5, 0.5, 150)
    settings = TrainingSettings(
        learning_rate=0.1, epochs=2, batch_size=150, dropout=0, validation_fraction=0, softness=0.1
    )
    head, history = finetune(make_activations(values), Targets(label, above_midpoint), 8, settings)

    start = [torch.tensor(w, requires_grad=True) for w in weights(build_head(20, 8, seed=0))]
    optimizer = torch.optim.SGD(start, lr=0.1)
    weight = torch.tensor((150 / (2 * np.bincount(label)))[label], dtype=torch.float32)
    x = torch.tensor(values.astype(np.float16).astype(np.float32))
    sure = torch.sigmoid(torch.tensor(above_midpoint) / 0.1).float()
    target = torch.stack([1 - sure, sure], dim=1)
    for epoch in history:
        hidden = torch.relu(x @ start[0] + start[1])
        logits = torch.relu(hidden @ start[2] + start[3]) @ start[4] + start[5]
        cross_entropy = torch.nn.functional.cross_entropy(logits, target, reduction="none")
        loss = (weight * cross_entropy).mean()
        assert epoch["loss"] == pytest.approx(loss.item(), rel=1e-5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for ours, theirs in zip(weights(head), start):
        np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-4, atol=1e-5)


def test_fc6_starts_from_the_given_kernel_of_standardised_activations(
    make_activations, two_classes
):
    values, label = two_classes
    values = values * np.linspace(1, 5, 20) + 3
    kernel = np.random.default_rng(4).standard_normal((20, 8))
    settings = TrainingSettings(
        standardize=True, learning_rate=1e-9, epochs=1, validation_fraction=0
    )
    head, _ = finetune(make_activations(values), Targets(label), 8, settings, fc6_kernel=kernel)
    fc6, bias = head.get_layer("fc6").get_weights()
    scaled = StandardScaler().fit_transform(values.astype(np.float16).astype(float))
    np.testing.assert_allclose(values @ fc6 + bias, scaled @ kernel, atol=0.02)


def test_soft_labels_are_validated_by_their_own_loss_and_the_labels_auc(
    make_activations, two_classes
):
    values, label = two_classes
    settings = TrainingSettings(
        optimizer="adam", learning_rate=0.01, epochs=20, batch_size=16, softness=0.1
    )
    above_midpoint = np.where(label, 0.1, -0.1)
    _, history = finetune(make_activations(values), Targets(label, above_midpoint), 8, settings)
    sure = 1 / (1 + np.exp(-1))
    assert history[-1]["val_loss"] > -(sure * np.log(sure) + (1 - sure) * np.log(1 - sure))
    assert history[-1]["val_auc"] > 0.85


@pytest.fixture
def votes(two_classes):
    """Votes on a scale of five steps that go up with the label, for `two_classes`."""
    random = np.random.default_rng(1)
    chance = np.where(two_classes[1], 0.7, 0.3)[:, None]
    return (random.binomial(4, np.repeat(chance, 20, 1))[:, :, None] == np.arange(5)).sum(axis=1)


def test_two_epochs_on_votes_equal_those_of_pytorch(make_activations, two_classes, votes):
    values, label = two_classes
    settings = TrainingSettings(
        learning_rate=0.1, momentum=0.9, epochs=2, batch_size=150, dropout=0, validation_fraction=0
    )
    head, history = finetune(make_activations(values), Targets(label, votes=votes), 8, settings)

    start = [torch.tensor(w, requires_grad=True) for w in weights(build_head(20, 8, 5, seed=0))]
    optimizer = torch.optim.SGD(start, lr=0.1, momentum=0.9)
    weight = torch.tensor((150 / (2 * np.bincount(label)))[label], dtype=torch.float32)
    x = torch.tensor(values.astype(np.float16).astype(np.float32))
    shares = torch.tensor(votes / 20, dtype=torch.float32)
    for epoch in history:
        hidden = torch.relu(x @ start[0] + start[1])
        logits = torch.relu(hidden @ start[2] + start[3]) @ start[4] + start[5]
        difference = torch.cumsum(shares, 1) - torch.cumsum(torch.softmax(logits, 1), 1)
        loss = (weight * difference.square().mean(1).sqrt()).mean()
        assert epoch["loss"] == pytest.approx(loss.item(), rel=1e-5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for ours, theirs in zip(weights(head), start):
        np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-4, atol=1e-5)


def test_votes_are_learnt_and_validated_by_their_distance_and_mean(
    make_activations, two_classes, votes
):
    values, label = two_classes
    settings = TrainingSettings(optimizer="adam", learning_rate=0.01, epochs=20, batch_size=16)
    head, history = finetune(make_activations(values), Targets(label, votes=votes), 8, settings)
    assert head.output_shape == (None, 5)
    assert history[-1]["val_loss"] < history[0]["val_loss"]
    assert history[-1]["val_auc"] > 0.85
    shares = predict(head, make_activations(values), np.arange(150))
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    assert np.corrcoef(shares @ np.arange(5), votes @ np.arange(5))[0, 1] > 0.7


def test_scores_are_learnt_in_their_order_whatever_classes_weigh(make_activations, two_classes):
    values, label = two_classes
    score = values[:, 0] + 0.5 * values[:, 1]
    targets = Targets(label, score, levels=choose_levels(score))
    settings = TrainingSettings(
        optimizer="adam", learning_rate=0.01, epochs=20, batch_size=16, dropout=0
    )
    head, history = finetune(make_activations(values), targets, 8, settings)
    again, _ = finetune(make_activations(values), targets, 8, replace(settings, class_weight=None))
    assert head.output_shape == (None, len(targets.levels))
    assert history[-1]["val_loss"] < history[0]["val_loss"]
    assert history[-1]["val_auc"] > 0.8
    predicted = predict(head, make_activations(values), np.arange(150))
    assert np.corrcoef(predicted @ targets.levels, score)[0, 1] > 0.9
    for ours, theirs in zip(weights(head), weights(again)):
        np.testing.assert_array_equal(ours, theirs)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    make_activations, two_classes
):
    values, label = two_classes
    activations = make_activations(values)
    first, again, other = (
        weights(finetune(activations, Targets(label), 8, TrainingSettings(seed=seed))[0])
        for seed in (3, 3, 4)
    )
    for ours, same, different in zip(first[::2], again[::2], other[::2]):
        np.testing.assert_array_equal(ours, same)
        assert np.abs(ours - different).max() > 0.01


def test_only_the_given_photos_are_trained_on(make_activations, two_classes):
    values, label = two_classes
    some = np.arange(0, 150, 2)
    spoilt = values.copy()
    spoilt[1::2] = 1000
    settings = TrainingSettings(epochs=2)
    clean, dirty = (
        weights(finetune(make_activations(x), Targets(label), 8, settings, rows=some)[0])
        for x in (values, spoilt)
    )
    for ours, theirs in zip(clean, dirty):
        np.testing.assert_array_equal(ours, theirs)


def test_balanced_class_weights_take_the_majority_out_of_the_prediction(make_activations):
    random = np.random.default_rng(0)
    values = random.normal(size=(400, 5))
    label = (np.arange(400) % 10 > 0).astype(int)
    means = {}
    for class_weight in ("balanced", None):
        settings = TrainingSettings(
            learning_rate=0.1, epochs=30, dropout=0, class_weight=class_weight
        )
        head, _ = finetune(make_activations(values), Targets(label), 4, settings)
        means[class_weight] = predict(head, make_activations(values), np.arange(400))[:, 1].mean()
    assert means[None] == pytest.approx(0.9, abs=0.05)
    assert means["balanced"] == pytest.approx(0.5, abs=0.1)


def test_groups_stay_on_one_side_of_the_validation_split(make_activations):
    # A column a group, and labels that only the group tells: what is learnt of one group says
    # nothing of another, so the validation photos are told apart only where groups are mixed.
    group = np.repeat(np.arange(30), 5)
    label = np.random.default_rng(2).integers(0, 2, 30)[group]
    values = 3.0 * (group[:, None] == np.arange(30))
    settings = TrainingSettings(
        optimizer="adam",
        learning_rate=0.01,
        epochs=30,
        batch_size=16,
        dropout=0,
        validation_fraction=0.5,
    )
    _, apart = finetune(make_activations(values), Targets(label, group=group), 32, settings)
    _, mixed = finetune(make_activations(values), Targets(label), 32, settings)
    assert mixed[-1]["val_auc"] == 1
    assert apart[-1]["val_auc"] < 0.9


def test_patience_stops_early_and_keeps_the_best_epoch(make_activations):
    random = np.random.default_rng(0)
    values, label = random.normal(size=(120, 50)), random.integers(0, 2, 120)
    settings = TrainingSettings(learning_rate=0.5, epochs=200, batch_size=16, patience=3)
    _, history = finetune(make_activations(values), Targets(label), 8, settings)
    auc = [epoch["val_auc"] for epoch in history]
    assert len(history) == int(np.argmax(auc)) + 1 + 3


def test_activations_larger_than_memory_train_as_well_as_those_that_fit(
    make_activations, two_classes, monkeypatch
):
    monkeypatch.setattr("decaf.training.batches.BLOCK_ROWS", 8)
    values, label = two_classes
    settings = TrainingSettings(learning_rate=0.01, momentum=0.9, epochs=20, batch_size=16)
    _, history = finetune(make_activations(values), Targets(label), 8, settings, memory=2_000)
    assert history[-1]["val_auc"] > 0.85


def test_progress_names_the_network_and_gives_a_line_an_epoch(
    make_activations, two_classes, capsys
):
    values, label = two_classes
    finetune(
        make_activations(values), Targets(label), 4, TrainingSettings(epochs=3), progress="tiny-4"
    )
    lines = [line for line in capsys.readouterr().err.splitlines() if "validation loss" in line]
    assert len(lines) == 3
    assert "tiny-4  epoch  3/3  loss" in lines[2]
    assert "AUC" in lines[2]


def test_a_width_below_one_is_refused(make_activations, two_classes):
    values, label = two_classes
    with pytest.raises(InputError, match="width 0: it must be a whole number, 1 or more"):
        finetune(make_activations(values), Targets(label), 0)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize(("n_photos", "epochs"), [(40, 5), (200, 5), (40, 50)])
def test_weights_decay_alike_whatever_the_photos_and_epochs(
    make_activations, optimizer, n_photos, epochs
):
    # Of activations of zero fc6 learns nothing.
    settings = TrainingSettings(
        optimizer=optimizer, weight_decay=1.0, epochs=epochs, batch_size=4, validation_fraction=0
    )
    targets = Targets(np.arange(n_photos) % 2)
    head, _ = finetune(make_activations(np.zeros((n_photos, 3))), targets, 2, settings)
    before, after = (weights(each)[0] for each in (build_head(3, 2, seed=0), head))
    np.testing.assert_allclose(after / before, np.exp(-1), rtol=0.02)


def test_few_photos_are_learnt_several_times_an_epoch(make_activations):
    # Each of 4 steps an epoch moves a bias by the learning rate: Adam's first steps are as long.
    settings = TrainingSettings(
        optimizer="adam", learning_rate=1e-4, epochs=1, dropout=0, validation_fraction=0
    )
    targets = Targets(np.arange(20) // 19)
    moved = []
    for least in (1, 4):
        asked = replace(settings, least_batches=least, class_weight=None)
        head, _ = finetune(make_activations(np.zeros((20, 3))), targets, 2, asked)
        moved.append(np.abs(weights(head)[-1]))
    np.testing.assert_allclose(moved[1], 4 * moved[0], rtol=0.02)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_other_optimizers_train_too(make_activations, two_classes, optimizer, weight_decay):
    values, label = two_classes
    settings = TrainingSettings(
        optimizer=optimizer,
        learning_rate=0.01,
        weight_decay=weight_decay,
        epochs=20,
        batch_size=16,
    )
    _, history = finetune(make_activations(values), Targets(label), 8, settings)
    assert history[-1]["val_auc"] > 0.85


def test_nothing_of_finetuning_stays_in_memory(make_activations, two_classes):
    values, label = two_classes

    def count_graphs():
        finetune(make_activations(values), Targets(label), 4, TrainingSettings(epochs=1))
        gc.collect()
        return sum(type(thing).__name__ == "FuncGraph" for thing in gc.get_objects())

    assert count_graphs() == count_graphs()
