import gc
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from decaf.extraction.activations import Activations
from decaf.networks.network import build_head
from decaf.training.finetune import (
    ActivationBatches,
    TrainingSettings,
    check_settings,
    finetune,
    predict,
)
from features.errors import InputError
from features.store import StoreWriter


@pytest.fixture
def make_activations(tmp_path_factory):
    """Activations that lie in shards on disk, in an order that is not theirs."""

    def make(values, shard_rows=16):
        folder = tmp_path_factory.mktemp("shards")
        values = values.astype(np.float16)
        on_disk = np.random.default_rng(1).permutation(len(values))
        places, shards = np.empty((len(values), 2), int), []
        for start in range(0, len(values), shard_rows):
            photos = on_disk[start : start + shard_rows]
            shards.append(folder / f"{len(shards)}.h5")
            with StoreWriter(shards[-1], values.shape[1], dtype="float16") as writer:
                writer.append(values[photos], [str(i) for i in photos], ["0" * 32] * len(photos))
            places[photos] = [(len(shards) - 1, row) for row in range(len(photos))]
        return Activations(
            positions=np.arange(len(values)),
            digests=np.array([f"{i:032}" for i in range(len(values))]),
            failed=[],
            shape=values.shape,
            _shards=shards,
            _places=places,
        )

    return make


@pytest.fixture
def two_classes():
    """150 rows of 20 numbers whose class shows in the first three; 70 % positive."""
    random = np.random.default_rng(0)
    label = (random.random(150) < 0.7).astype(int)
    values = random.normal(size=(150, 20))
    values[:, :3] += 2 * label[:, None]
    return values, label


def weights(head):
    return [np.asarray(values) for values in head.get_weights()]


def test_a_head_learns_what_shows_in_the_activations(make_activations, two_classes):
    values, label = two_classes
    settings = TrainingSettings(learning_rate=0.01, momentum=0.9, epochs=20, batch_size=16)
    head, history = finetune(make_activations(values), label, 8, settings)
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
    head, history = finetune(make_activations(values), label, 8, settings)

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
    monkeypatch.setattr("decaf.training.finetune.BLOCK_ROWS", 8)
    values, label = two_classes
    values = (values * np.geomspace(1e-2, 10, 20) + np.linspace(-3, 3, 20)).astype(np.float16)
    values[:, 7] = 0
    train = np.arange(0, 150, 2)
    settings = TrainingSettings(learning_rate=0.1, epochs=5, dropout=0, validation_fraction=0)
    head, history = finetune(
        make_activations(values), label, 8, replace(settings, standardize=True), photos=train
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
    head, history = finetune(
        make_activations(values), label, 8, settings, above_midpoint=above_midpoint
    )

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
    head, _ = finetune(make_activations(values), label, 8, settings, fc6_kernel=kernel)
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
    _, history = finetune(
        make_activations(values), label, 8, settings, above_midpoint=above_midpoint
    )
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
    head, history = finetune(make_activations(values), label, 8, settings, votes=votes)

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
    head, history = finetune(make_activations(values), label, 8, settings, votes=votes)
    assert head.output_shape == (None, 5)
    assert history[-1]["val_loss"] < history[0]["val_loss"]
    assert history[-1]["val_auc"] > 0.85
    shares = predict(head, make_activations(values), np.arange(150))
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    assert np.corrcoef(shares @ np.arange(5), votes @ np.arange(5))[0, 1] > 0.7


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    make_activations, two_classes
):
    values, label = two_classes
    first, again, other = (
        weights(finetune(make_activations(values), label, 8, TrainingSettings(seed=seed))[0])
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
        weights(finetune(make_activations(x), label, 8, settings, photos=some)[0])
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
        head, _ = finetune(make_activations(values), label, 4, settings)
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
    _, apart = finetune(make_activations(values), label, 32, settings, group=group)
    _, mixed = finetune(make_activations(values), label, 32, settings)
    assert mixed[-1]["val_auc"] == 1
    assert apart[-1]["val_auc"] < 0.9


def test_patience_stops_early_and_keeps_the_best_epoch(make_activations):
    random = np.random.default_rng(0)
    values, label = random.normal(size=(120, 50)), random.integers(0, 2, 120)
    settings = TrainingSettings(learning_rate=0.5, epochs=200, batch_size=16, patience=3)
    _, history = finetune(make_activations(values), label, 8, settings)
    auc = [epoch["val_auc"] for epoch in history]
    assert len(history) == int(np.argmax(auc)) + 1 + 3


@pytest.mark.parametrize("memory", [10**9, 2_000])
def test_every_photo_comes_once_an_epoch_whether_memory_holds_all_or_not(
    make_activations, two_classes, memory, monkeypatch
):
    monkeypatch.setattr("decaf.training.finetune.BLOCK_ROWS", 8)
    values, label = two_classes
    photos = np.arange(5, 150)
    batches = ActivationBatches(
        make_activations(values), photos, label[photos], photos, 10, seed=0, memory=memory
    )
    orders = []
    for _ in range(2):
        order = []
        for i in range(len(batches)):
            x, y, photo = batches[i]
            np.testing.assert_array_equal(x, values[photo].astype(np.float16))
            np.testing.assert_array_equal(y, label[photo])
            order += photo.tolist()
        assert sorted(order) == photos.tolist()
        orders.append(order)
        batches.on_epoch_end()
    assert orders[0] != orders[1]


def test_activations_larger_than_memory_train_as_well_as_those_that_fit(
    make_activations, two_classes, monkeypatch
):
    monkeypatch.setattr("decaf.training.finetune.BLOCK_ROWS", 8)
    values, label = two_classes
    settings = TrainingSettings(learning_rate=0.01, momentum=0.9, epochs=20, batch_size=16)
    _, history = finetune(make_activations(values), label, 8, settings, memory=2_000)
    assert history[-1]["val_auc"] > 0.85


def test_an_epoch_over_a_cache_larger_than_memory_takes_only_the_memory_allowed(make_activations):
    n_photos, n_activations, memory = 2_048, 2_000, 500_000
    activations = make_activations(np.ones((n_photos, n_activations), np.float16), shard_rows=512)
    photos = np.arange(n_photos)
    tracemalloc.start()
    try:
        batches = ActivationBatches(activations, photos, photos, photos, 16, seed=0, memory=memory)
        n_read = sum(len(batches[i][0]) for i in range(len(batches)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n_read == n_photos
    # The rows on disk that lie between those that are held come with them; a batch is in float32.
    block = 256 * n_activations * 2
    assert peak < 2 * memory + 2 * block < n_photos * n_activations * 2 / 2


def test_progress_names_the_network_and_gives_a_line_an_epoch(
    make_activations, two_classes, capsys
):
    values, label = two_classes
    finetune(make_activations(values), label, 4, TrainingSettings(epochs=3), progress="tiny-4")
    lines = [line for line in capsys.readouterr().err.splitlines() if "validation loss" in line]
    assert len(lines) == 3
    assert "tiny-4  epoch  3/3  loss" in lines[2]
    assert "AUC" in lines[2]


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("optimizer", "rmsprop", "optimizer 'rmsprop': it must be sgd, adam or adamw"),
        ("learning_rate", 0.0, "learning rate 0.0: it must be above 0"),
        ("momentum", 1.0, "momentum 1.0: it must be from 0 to below 1"),
        ("weight_decay", -1.0, "weight decay -1.0: it must be 0 or more"),
        ("batch_size", 0, "batch size 0: it must be 1 or more"),
        ("epochs", 0, "epochs 0: it must be 1 or more"),
        ("dropout", 1.0, "dropout 1.0: it must be from 0 to below 1"),
        ("class_weight", "all", "class weight 'all': it must be balanced or None"),
        ("softness", -1.0, "softness -1.0: it must be 0 or more"),
        ("validation_fraction", 1.0, "validation fraction 1.0: it must be from 0 to below 1"),
        ("patience", 0, "patience 0: it must be 1 or more, with a validation fraction above 0"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(setting, value, message):
    with pytest.raises(InputError) as error:
        check_settings(TrainingSettings(**{setting: value}), 8)
    assert str(error.value) == message


def test_a_width_below_one_is_refused():
    with pytest.raises(InputError, match="width 0: it must be 1 or more"):
        check_settings(TrainingSettings(), 0)


@pytest.mark.parametrize("weight_decay", [0.0, 0.001])
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
    _, history = finetune(make_activations(values), label, 8, settings)
    assert history[-1]["val_auc"] > 0.85


def test_nothing_of_finetuning_stays_in_memory(make_activations, two_classes):
    values, label = two_classes

    def count_graphs():
        finetune(make_activations(values), label, 4, TrainingSettings(epochs=1))
        gc.collect()
        return sum(type(thing).__name__ == "FuncGraph" for thing in gc.get_objects())

    assert count_graphs() == count_graphs()
