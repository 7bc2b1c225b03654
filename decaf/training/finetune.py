"""Heads of any width, finetuned on cached activations with the paper's settings or others."""

from __future__ import annotations

import math
import sys

import keras
import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from tqdm import tqdm

from decaf.backend import check_training, forgetting_gradients
from decaf.extraction.activations import Activations
from decaf.networks.head import build_head
from decaf.training.batches import MEMORY_BYTES, ActivationBatches, fit_scaler, predict
from decaf.training.settings import RECIPES, TrainingSettings, check_width
from decaf.training.targets import Targets
from features.splits import sample_rows


def finetune(
    activations: Activations,
    targets: Targets,
    width: int,
    settings: TrainingSettings = RECIPES["paper"],
    *,
    rows: np.ndarray | None = None,
    fc6_kernel: np.ndarray | None = None,
    memory: int = MEMORY_BYTES,
    progress: str | None = None,
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Train fc6, fc7 and the output on cached activations.

    Parameters
    ----------
    activations : Activations
        Of n_photos photos.
    targets : Targets
        Of the same photos.
    width : int
        Units of fc6 and of fc7.
    settings : TrainingSettings
    rows : ndarray of int, optional
        Train on these photos only.
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
        (batch, n_activations) → (batch, n_classes) probabilities, (batch, n_levels) those of the
        score's levels, or (batch, n_grades) shares of the votes.
    history : list of dict
        An epoch each: ``epoch``, ``loss`` and, with a validation split, ``val_loss``, ``val_auc``
        (that of the predicted mean where scores or votes are trained on).

    Raises
    ------
    InputError
        If the width is out of its range, or there are too few photos of a class, or the back end
        trains no networks.
    """
    check_training()
    check_width(width)
    rows = np.arange(len(activations)) if rows is None else np.asarray(rows)
    train, validation = _divide(targets, rows, settings)
    wanted = targets.wanted(settings.softness)
    n_outputs = int(targets.label.max()) + 1 if wanted.ndim == 1 else wanted.shape[1]
    head = build_head(activations.shape[1], width, n_outputs, settings.dropout, settings.seed)
    if fc6_kernel is not None:
        head.get_layer("fc6").kernel.assign(fc6_kernel)
    scaler = fit_scaler(activations, train) if settings.standardize else None
    trained = head if scaler is None else _standardising(head, scaler)
    # An order has no classes to weigh.
    class_weight = settings.class_weight if targets.levels is None else None
    weight = compute_sample_weight(class_weight, targets.label[train])
    batch_size = min(settings.batch_size, len(train))
    n_times = math.ceil(settings.least_batches / math.ceil(len(train) / batch_size))
    shown = np.tile(np.arange(len(train)), n_times)
    batches = ActivationBatches(
        activations,
        train[shown],
        wanted[train[shown]],
        weight[shown],
        batch_size,
        settings.seed,
        memory,
    )
    n_steps = settings.epochs * len(batches)
    trained.compile(_optimizer(settings, n_steps), targets.loss(wanted), jit_compile=False)
    # Else fit traces its step twice, the first time only to make these variables.
    trained.optimizer.build(trained.trainable_variables)
    callbacks = _callbacks(settings, progress)
    if len(validation):
        # Before the others, which look at what it finds.
        callbacks.insert(0, _Validation(activations, targets, wanted, validation))
    with forgetting_gradients():
        fitted = trained.fit(
            batches, epochs=settings.epochs, shuffle=False, verbose=0, callbacks=callbacks
        )
    if scaler is not None:
        _fold_into_fc6(scaler, head)
    return head, _history(fitted)


def _divide(
    targets: Targets, rows: np.ndarray, settings: TrainingSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on, and rows to validate on."""
    if not settings.validation_fraction:
        return rows, rows[:0]
    group = None if targets.group is None else targets.group[rows]
    held_out = sample_rows(targets.label[rows], group, settings.validation_fraction, settings.seed)
    return rows[~held_out], rows[held_out]


def _standardising(head: keras.Model, scaler: StandardScaler) -> keras.Model:
    scale = keras.layers.Normalization(mean=scaler.mean_, variance=scaler.scale_**2)
    return keras.Sequential([keras.Input(head.input_shape[1:]), scale, head])


def _fold_into_fc6(scaler: StandardScaler, head: keras.Model) -> None:
    """Let fc6 take activations as they are, and give what it gave for standardised ones."""
    fc6 = head.get_layer("fc6")
    kernel, bias = (weights.astype(np.float64) for weights in fc6.get_weights())
    kernel /= scaler.scale_[:, None]
    fc6.set_weights([kernel, bias - scaler.mean_ @ kernel])


def _optimizer(settings: TrainingSettings, n_steps: int) -> keras.optimizers.Optimizer:
    # None saves a pass over the weights; AdamW refuses it.
    no_decay = 0.0 if settings.optimizer == "adamw" else None
    config = {
        "learning_rate": settings.learning_rate,
        # A step of Keras's takes learning_rate · weight_decay of every weight.
        "weight_decay": settings.weight_decay / (settings.learning_rate * n_steps) or no_decay,
    }
    if settings.optimizer == "sgd":
        config["momentum"] = settings.momentum
    return keras.optimizers.get({"class_name": settings.optimizer, "config": config})


def _callbacks(settings: TrainingSettings, progress: str | None) -> list[keras.callbacks.Callback]:
    callbacks: list[keras.callbacks.Callback] = []
    if settings.patience is not None:
        callbacks.append(
            keras.callbacks.EarlyStopping(
                "val_auc", mode="max", patience=settings.patience, restore_best_weights=True
            )
        )
    if progress:
        callbacks.append(_Progress(progress, settings.epochs))
    return callbacks


def _history(fitted: keras.callbacks.History) -> list[dict[str, float]]:
    return [
        {"epoch": epoch + 1} | {name: float(values[i]) for name, values in fitted.history.items()}
        for i, epoch in enumerate(fitted.epoch)
    ]


class _Validation(keras.callbacks.Callback):
    """Adds ``val_loss`` and ``val_auc`` to each epoch's logs."""

    def __init__(
        self, activations: Activations, targets: Targets, wanted: np.ndarray, rows: np.ndarray
    ):
        super().__init__()
        self._activations, self._targets = activations, targets
        self._wanted, self._rows = wanted, rows

    def on_epoch_end(self, epoch, logs):
        output = predict(self.model, self._activations, self._rows)
        logs["val_loss"], logs["val_auc"] = self._targets.judge(self._rows, self._wanted, output)


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
