"""How heads are finetuned: the settings, each with its range, and the recipes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from features.errors import InputError
from features.records import Record, flag, number, one_of, optional, whole_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

DEFAULT_WIDTH = 250
# Of what puts photos in the best order, the smallest (experiments/results/order).
DEFAULT_BACKBONE, DEFAULT_SIZES = "efficientnet-lite0", (224, 448)
OPTIMIZERS = ("sgd", "adam", "adamw")


@dataclass(frozen=True)
class TrainingSettings(Record):
    """How a head is finetuned; the defaults are the paper's (section 4).

    Attributes
    ----------
    standardize : bool
        Bring every activation to mean 0 and deviation 1 over the training photos. What that takes
        becomes part of fc6, so that the head still takes activations as they are.
    optimizer : {"sgd", "adam", "adamw"}
    learning_rate, momentum : float
        Momentum is SGD's.
    weight_decay : float
        What nothing is learnt of shrinks to exp(-weight_decay) over the whole training, in equal
        steps: decoupled decay, whose share of a step follows from how many there are, and so from
        the number of photos.
    batch_size, epochs : int
    least_batches : int
        Batches of an epoch at least: few photos are learnt several times in each.
    dropout : float
        Share of fc6's and of fc7's units that are dropped.
    class_weight : {"balanced", None}
        ``balanced`` weighs both classes alike: 70 % of AVA is positive. Heads that learn scores
        take each photo as it is.
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

    Raises
    ------
    InputError
        If a value is out of its range.

    Examples
    --------
    >>> from dataclasses import replace
    >>> replace(RECIPES["decaf"], epochs=5).optimizer
    'adamw'
    """

    standardize: bool = field(default=False, metadata=flag())
    optimizer: str = field(
        default="sgd", metadata=one_of(*OPTIMIZERS) | {"help": "what the weights are changed by"}
    )
    learning_rate: float = field(
        default=0.001,
        metadata=number(above=0) | {"help": "step of the optimizer", "metavar": "RATE"},
    )
    momentum: float = field(default=0.0, metadata=number(0, below=1) | {"help": "of SGD"})
    weight_decay: float = field(
        default=0.0,
        metadata=number(0)
        | {"help": "all steps together shrink the weights to exp(-DECAY)", "metavar": "DECAY"},
    )
    batch_size: int = field(
        default=128, metadata=whole_number(1) | {"help": "photos a step", "metavar": "PHOTOS"}
    )
    epochs: int = field(
        default=10, metadata=whole_number(1) | {"help": "times that all photos are learnt"}
    )
    least_batches: int = field(
        default=1,
        metadata=whole_number(1)
        | {"help": "steps of an epoch at least, in which few photos come several times"},
    )
    dropout: float = field(
        default=0.5,
        metadata=number(0, below=1) | {"help": "share of the units dropped", "metavar": "SHARE"},
    )
    class_weight: str | None = field(
        default="balanced",
        metadata=one_of("balanced", None) | {"help": "whether both classes weigh alike"},
    )
    softness: float = field(
        default=0.0,
        metadata=number(0)
        | {
            "help": "share of the scale within which a label is unsure; 0 takes labels as they are",
            "metavar": "SHARE",
        },
    )
    validation_fraction: float = field(
        default=0.1,
        metadata=number(0, below=1)
        | {
            "help": "share of the training photos whose loss and AUC are shown every epoch",
            "metavar": "SHARE",
        },
    )
    patience: int | None = field(
        default=None,
        metadata=optional(whole_number(1))
        | {
            "help": "stop after so many epochs without a better validation AUC, keep the best",
            "metavar": "EPOCHS",
        },
    )
    seed: int = field(default=0, metadata=whole_number() | {"help": "of all that is random"})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.patience is not None and not self.validation_fraction:
            raise InputError(f"patience {self.patience} needs a validation_fraction above 0")


# By name. Of those that experiments/choices/recipe.py compares, `decaf` is the one that inner folds
# choose most often, for every network and on both measuring sets.
# 100 photos are one batch, and 20 steps would leave their head unfinished
# (experiments/choices/training_sizes.py).
RECIPES = {
    "paper": TrainingSettings(),
    "decaf": TrainingSettings(
        standardize=True,
        optimizer="adamw",
        weight_decay=0.8,
        epochs=20,
        least_batches=4,
        softness=0.05,
    ),
}
# What fc6 is fed with.
POOLING_OF_RECIPE = {"paper": "flatten", "decaf": "multilevel"}


def find_recipe(recipe: str) -> TrainingSettings:
    """The settings of a recipe.

    Parameters
    ----------
    recipe : str
        A name among `RECIPES`.

    Returns
    -------
    TrainingSettings

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if recipe not in RECIPES:
        raise InputError(f"recipe {recipe!r}: unknown; one of {', '.join(RECIPES)}")
    return RECIPES[recipe]


def choose_backbone(
    name: str | None, sizes: Sequence[int] = (), recipe: str = "decaf"
) -> tuple[str, tuple[int, ...]]:
    """The backbone asked for, or the default one, and the sizes of the photos it looks at.

    Parameters
    ----------
    name : str, optional
        By default `DEFAULT_BACKBONE`, which looks at photos of `DEFAULT_SIZES`.
    sizes : sequence of int
        In place of the default ones, or of those that a named backbone was trained on.
    recipe : {"decaf", "paper"}

    Returns
    -------
    name : str
    sizes : tuple of int
        Empty for those that it was trained on.

    Raises
    ------
    InputError
        The paper's recipe has no default backbone.

    Examples
    --------
    >>> choose_backbone(None)
    ('efficientnet-lite0', (224, 448))
    >>> choose_backbone("vgg16", [448])
    ('vgg16', (448,))
    """
    if name is not None:
        return name, tuple(sizes)
    if recipe == "paper":
        raise InputError("the paper's recipe needs a backbone: alexnet and vgg16 are the paper's")
    return DEFAULT_BACKBONE, tuple(sizes) or DEFAULT_SIZES


def check_width(width: int) -> None:
    """Refuse a width that no head can have, before anything long begins.

    Raises
    ------
    InputError
    """
    if not whole_number(1)["rule"].admits(width):
        raise InputError(f"width {width!r}: it must be a whole number, 1 or more")


def draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """The seed of `TrainingSettings` that comes first of a random state of scikit-learn's.

    Parameters
    ----------
    random_state : int, RandomState or None

    Returns
    -------
    int

    Examples
    --------
    >>> draw_seed(0)
    209652396
    """
    from sklearn.utils import check_random_state

    return int(check_random_state(random_state).randint(2**31))
