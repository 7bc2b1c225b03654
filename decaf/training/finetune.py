"""Heads of any width, finetuned on cached activations with the paper's settings."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from scipy.special import expit
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from tqdm import tqdm

from decaf.backend import forgetting_gradients
from decaf.extraction.activations import Activations
from decaf.networks.network import build_head
from decaf.networks.votes import emd_loss, mean_and_spread, vote_shares
from features.errors import InputError
from features.splits import sample_rows

OPTIMIZERS = ("sgd", "adam", "adamw")
# Activations that fit into this much memory are read once; larger ones by shuffled blocks, every
# epoch.
MEMORY_BYTES = 2 << 30
# 256 neighbouring rows are read at once: 13 MB of VGG16's flattened activations, a few ms from any
# disk.
BLOCK_ROWS = 256


@dataclass(frozen=True)
class TrainingSettings:
    """How a head is finetuned; the defaults are the paper's (section 4).

    Attributes
    ----------
    standardize : bool
        Bring every activation to mean 0 and deviation 1 over the training photos. What that takes
        becomes part of fc6, so that the head still takes activations as they are.
    optimizer : {"sgd", "adam", "adamw"}
    learning_rate, momentum, weight_decay : float
        Momentum is SGD's; weight decay is decoupled, as Keras does it.
    batch_size, epochs : int
    dropout : float
        Share of fc6's and of fc7's units that are dropped.
    class_weight : {"balanced", None}
        ``balanced`` weighs both classes alike: 70 % of AVA is positive.
    softness : float
        A photo this far above the midpoint, as a share of the scale, is taken for professional with
        probability 0.73, by the logistic function: a few more raters would turn the labels of
        photos near the midpoint. 0 takes labels as they are.
    validation_fraction : float
        Share of the training photos on which loss and AUC are reported every epoch.
    patience : int, optional
        Stop after this many epochs without a better validation AUC, and keep the best epoch's head.
    seed : int
        Of the initial weights, the dropout, the order of the photos and the validation photos.
    """

    standardize: bool = False
    optimizer: str = "sgd"
    learning_rate: float = 0.001
    momentum: float = 0.0
    weight_decay: float = 0.0
    batch_size: int = 128
    epochs: int = 10
    dropout: float = 0.5
    class_weight: str | None = "balanced"
    softness: float = 0.0
    validation_fraction: float = 0.1
    patience: int | None = None
    seed: int = 0


# By name. Of those that experiments/choices/recipe.py compares, `decaf` is the one that inner
# folds choose most often, for every network and on both measuring sets.
RECIPES = {
    "paper": TrainingSettings(),
    "decaf": TrainingSettings(
        standardize=True, optimizer="adamw", weight_decay=10.0, epochs=20, softness=0.05
    ),
}


def finetune(
    activations: Activations,
    label: np.ndarray,
    width: int,
    settings: TrainingSettings = TrainingSettings(),
    *,
    votes: np.ndarray | None = None,
    above_midpoint: np.ndarray | None = None,
    photos: np.ndarray | None = None,
    group: np.ndarray | None = None,
    fc6_kernel: np.ndarray | None = None,
    memory: int = MEMORY_BYTES,
    progress: str | None = None,
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Train fc6, fc7 and the output on cached activations.

    Parameters
    ----------
    activations : Activations
        Of n_photos photos.
    label : ndarray of int, shape (n_photos,)
        Classes 0 … n_classes - 1.
    width : int
        Units of fc6 and of fc7.
    settings : TrainingSettings
    votes : ndarray of int, shape (n_photos, n_steps), optional
        Train on these with NIMA's loss, and not on the labels; those still weigh the classes and
        divide off the validation photos.
    above_midpoint : ndarray of float, shape (n_photos,), optional
        As `features.ratings.RatedPhotos.above_midpoint`; with it labels are softened by
        ``settings.softness``, without it they are trained on as they are.
    photos : ndarray of int, optional
        Train on these photos of ``activations`` only.
    group : ndarray, shape (n_photos,), optional
        Photos of one group stay together on one side of the validation split.
    fc6_kernel : ndarray, shape (n_activations, width), optional
        What fc6 starts from, instead of random weights; it takes standardised activations where
        ``settings.standardize`` is set.
    memory : int
        Bytes of activations that are held at most, as `ActivationBatches` does.
    progress : str, optional
        A name; then a progress bar and a line an epoch are shown on stderr.

    Returns
    -------
    head : keras.Model
        (batch, n_activations) → (batch, n_classes) probabilities, or (batch, n_steps) shares of
        the votes.
    history : list of dict
        An epoch each: ``epoch``, ``loss`` and, with a validation split, ``val_loss``, ``val_auc``
        (that of the predicted mean where votes are trained on).

    Raises
    ------
    InputError
        If a setting is out of its range, or there are too few photos of a class.
    """
    check_settings(settings, width)
    photos = np.arange(len(activations)) if photos is None else np.asarray(photos)
    if votes is not None:
        target, loss = vote_shares(votes), emd_loss
    elif settings.softness and above_midpoint is not None:
        sure = expit(above_midpoint / settings.softness)
        target, loss = np.stack([1 - sure, sure], axis=1), "categorical_crossentropy"
    else:
        target, loss = label, "sparse_categorical_crossentropy"
    n_outputs = int(label.max()) + 1 if target is label else target.shape[1]
    train, validation = photos, photos[:0]
    if settings.validation_fraction:
        held_out = sample_rows(
            label[photos],
            None if group is None else group[photos],
            settings.validation_fraction,
            settings.seed,
        )
        train, validation = photos[~held_out], photos[held_out]
    head = build_head(
        activations.shape[1], width, n_outputs, dropout=settings.dropout, seed=settings.seed
    )
    if fc6_kernel is not None:
        head.get_layer("fc6").kernel.assign(fc6_kernel)
    trained = head
    if settings.standardize:
        scaler = _fit_scaler(activations, train)
        scale = keras.layers.Normalization(mean=scaler.mean_, variance=scaler.scale_**2)
        trained = keras.Sequential([keras.Input(activations.shape[1:]), scale, head])
    trained.compile(_optimizer(settings), loss, jit_compile=False)
    weight = compute_sample_weight(settings.class_weight, label[train])
    batches = ActivationBatches(
        activations, train, target[train], weight, settings.batch_size, settings.seed, memory
    )
    callbacks = []
    if len(validation):
        judge = _judge_labels if votes is None else _judge_shares
        callbacks.append(
            _Validation(activations, validation, target[validation], label[validation], judge)
        )
    if settings.patience is not None:
        callbacks.append(
            keras.callbacks.EarlyStopping(
                "val_auc", mode="max", patience=settings.patience, restore_best_weights=True
            )
        )
    if progress:
        callbacks.append(_Progress(progress, settings.epochs))
    with forgetting_gradients():
        fitted = trained.fit(
            batches, epochs=settings.epochs, shuffle=False, verbose=0, callbacks=callbacks
        )
    history = [
        {"epoch": epoch + 1} | {name: float(values[i]) for name, values in fitted.history.items()}
        for i, epoch in enumerate(fitted.epoch)
    ]
    if settings.standardize:
        _fold_into_fc6(scaler, head)
    return head, history


def check_settings(settings: TrainingSettings, width: int) -> None:
    """Refuse settings out of their range, before anything long begins.

    Parameters
    ----------
    settings : TrainingSettings
    width : int

    Raises
    ------
    InputError
        One line: the setting, its value and what it must be.
    """
    rules = [
        ("width", width, width >= 1, "1 or more"),
        ("optimizer", settings.optimizer, settings.optimizer in OPTIMIZERS, "sgd, adam or adamw"),
        ("learning rate", settings.learning_rate, settings.learning_rate > 0, "above 0"),
        ("momentum", settings.momentum, 0 <= settings.momentum < 1, "from 0 to below 1"),
        ("weight decay", settings.weight_decay, settings.weight_decay >= 0, "0 or more"),
        ("batch size", settings.batch_size, settings.batch_size >= 1, "1 or more"),
        ("epochs", settings.epochs, settings.epochs >= 1, "1 or more"),
        ("dropout", settings.dropout, 0 <= settings.dropout < 1, "from 0 to below 1"),
        (
            "class weight",
            settings.class_weight,
            settings.class_weight in ("balanced", None),
            "balanced or None",
        ),
        ("softness", settings.softness, settings.softness >= 0, "0 or more"),
        (
            "validation fraction",
            settings.validation_fraction,
            0 <= settings.validation_fraction < 1,
            "from 0 to below 1",
        ),
        (
            "patience",
            settings.patience,
            settings.patience is None
            or (settings.patience >= 1 and settings.validation_fraction > 0),
            "1 or more, with a validation fraction above 0",
        ),
    ]
    for name, value, is_valid, allowed in rules:
        if not is_valid:
            raise InputError(f"{name} {value!r}: it must be {allowed}")


def predict(head: keras.Model, activations: Activations, photos: np.ndarray) -> Any:
    """What a head, or a part of it, gives for cached activations.

    Parameters
    ----------
    head : keras.Model
        From (batch, n_activations) to (batch, n_outputs), or to a dictionary of such.
    activations : Activations
    photos : ndarray of int, shape (n,)

    Returns
    -------
    ndarray of float32, shape (n, n_outputs)
        Or the dictionary of such.
    """
    blocks = np.array_split(photos, max(1, -(-len(photos) // BLOCK_ROWS)))
    given = [head.predict_on_batch(activations.read(block).astype(np.float32)) for block in blocks]
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *given)


class ActivationBatches(keras.utils.PyDataset):
    """Shuffled batches of cached activations, for ``fit``.

    Activations that fit into memory are read once. Larger ones are read in shuffled blocks of
    neighbouring rows, as many blocks as fit into memory at a time, and shuffled among these.

    Parameters
    ----------
    activations : Activations
    photos : ndarray of int, shape (n,)
        Which ones.
    target, weight : ndarray, shape (n, ...) and (n,)
    batch_size, seed : int
    memory : int
        Bytes of activations that are held at most.
    """

    def __init__(self, activations, photos, target, weight, batch_size, seed, memory=MEMORY_BYTES):
        super().__init__()
        self._activations = activations
        self._photos, self._target, self._weight = photos, target, weight
        self._batch_size = batch_size
        self._random = np.random.default_rng(seed)
        batch_bytes = batch_size * activations.shape[1] * np.dtype(np.float16).itemsize
        self._pool_rows = max(1, memory // batch_bytes) * batch_size
        fits = len(photos) <= self._pool_rows
        self._in_memory = activations.read(photos) if fits else None
        self.on_epoch_end()

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-len(self._photos) // self._batch_size)

    def __getitem__(self, batch: int):
        """Activations, targets and weights of one batch."""
        start = batch * self._batch_size
        rows = self._order[start : start + self._batch_size]
        if self._in_memory is not None:
            values = self._in_memory[rows]
        else:
            first = start - start % self._pool_rows
            if self._pool_first != first:
                pool_rows = self._order[first : first + self._pool_rows]
                self._pool = self._activations.read(self._photos[pool_rows])
                self._pool_first = first
            values = self._pool[start - first : start - first + len(rows)]
        return values.astype(np.float32), self._target[rows], self._weight[rows]

    def on_epoch_end(self):
        """Shuffle anew."""
        if self._in_memory is not None:
            self._order = self._random.permutation(len(self._photos))
            return
        place = np.empty(len(self._activations), int)
        place[self._activations.storage_order] = np.arange(len(place))
        blocks = np.array_split(
            np.argsort(place[self._photos]), -(-len(self._photos) // BLOCK_ROWS)
        )
        self._order = np.concatenate([blocks[i] for i in self._random.permutation(len(blocks))])
        for first in range(0, len(self._order), self._pool_rows):
            self._random.shuffle(self._order[first : first + self._pool_rows])
        self._pool_first = None


def _fit_scaler(activations: Activations, photos: np.ndarray) -> StandardScaler:
    scaler = StandardScaler()
    place = np.argsort(activations.storage_order)
    photos = photos[np.argsort(place[photos])]
    for block in np.array_split(photos, -(-len(photos) // BLOCK_ROWS)):
        scaler.partial_fit(activations.read(block).astype(np.float32))
    return scaler


def _fold_into_fc6(scaler: StandardScaler, head: keras.Model) -> None:
    """Let fc6 take activations as they are, and give what it gave for standardised ones."""
    fc6 = head.get_layer("fc6")
    kernel, bias = (weights.astype(np.float64) for weights in fc6.get_weights())
    kernel /= scaler.scale_[:, None]
    fc6.set_weights([kernel, bias - scaler.mean_ @ kernel])


class _Validation(keras.callbacks.Callback):
    """Adds ``val_loss`` and ``val_auc`` (exact, unlike Keras's binned one) to each epoch's logs."""

    def __init__(self, activations, photos, target, label, judge):
        super().__init__()
        self._activations, self._photos = activations, photos
        self._target, self._label, self._judge = target, label, judge

    def on_epoch_end(self, epoch, logs):
        output = predict(self.model, self._activations, self._photos)
        logs["val_loss"], logs["val_auc"] = self._judge(self._target, self._label, output)


def _judge_labels(target, label, probability):
    if target.ndim == 2:
        loss = float(keras.ops.mean(keras.losses.categorical_crossentropy(target, probability)))
    else:
        loss = log_loss(target, probability, labels=range(probability.shape[1]))
    if probability.shape[1] == 2:
        return loss, roc_auc_score(label, probability[:, 1])
    return loss, roc_auc_score(label, probability, multi_class="ovr")


def _judge_shares(target, label, shares):
    return float(keras.ops.mean(emd_loss(target, shares))), roc_auc_score(
        label, mean_and_spread(shares)[0]
    )


class _Progress(keras.callbacks.Callback):
    """A bar over the epochs and a line an epoch, on stderr."""

    def __init__(self, name: str, epochs: int):
        super().__init__()
        self._name, self._epochs = name, epochs

    def on_train_begin(self, logs=None):
        self._bar = tqdm(desc=self._name, total=self._epochs, unit="epoch", leave=False)

    def on_epoch_end(self, epoch, logs):
        line = f"{self._name}  epoch {epoch + 1:2}/{self._epochs}  loss {logs['loss']:.3f}"
        if "val_auc" in logs:
            line += f"  validation loss {logs['val_loss']:.3f}  AUC {logs['val_auc']:.3f}"
        self._bar.write(line, file=sys.stderr)
        self._bar.update()

    def on_train_end(self, logs=None):
        self._bar.close()


def _optimizer(settings: TrainingSettings) -> keras.optimizers.Optimizer:
    # None saves a pass over the weights; AdamW refuses it.
    no_decay = 0.0 if settings.optimizer == "adamw" else None
    config = {
        "learning_rate": settings.learning_rate,
        "weight_decay": settings.weight_decay or no_decay,
    }
    if settings.optimizer == "sgd":
        config["momentum"] = settings.momentum
    return keras.optimizers.get({"class_name": settings.optimizer, "config": config})
