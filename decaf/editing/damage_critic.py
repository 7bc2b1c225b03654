"""What tells a photo from damaged copies of it: learnt from good photos, without any ratings.

Heads and classifiers of whole photos hardly see that a photo has become too light, tilted or
tinted. A linear function of the backbone's activations, whose differences tell a photo from its
copy, does; it stands beside a model, whose order of photos it does not touch.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.pipeline import Pipeline

from classifiers.catalogue import load_classifier, save_classifier
from decaf.editing.damages import DAMAGES
from decaf.editing.suggesting import trusted_kinds
from decaf.extraction.engines import in_float32
from decaf.networks.digest import digest_of_graph
from features.errors import InputError, NotTaught, Shortage
from features.files import write_file, writing
from features.records import Record, number, parse_json, table, text, whole_number

if TYPE_CHECKING:
    from decaf.models.model import Model

CRITIC_FILE, RECORD_FILE = "damage.skops", "damage.json"


@dataclass(frozen=True)
class CriticRecord(Record):
    """What is known of a critic.

    Attributes
    ----------
    network : str
        `network_identity` of the model, whose backbone gives the activations.
    photos : int
        That have taught it.
    noise, model_noise : float
        Standard deviations of its score, and of the model's decision score, over changes of a photo
        that nobody sees.
    right : dict of str to float
        By kind of damage, the share of photos, none of which had taught it, that it prefers to
        their damaged copies.
    least_gains : dict of str to float
        By kind of damage that it sees in enough photos, what an edit that undoes it must raise its
        score by: more than the noise, and so much that four of five photos are left as they are.
    """

    network: str = field(metadata=text())
    photos: int = field(metadata=whole_number(1))
    noise: float = field(metadata=number(0))
    model_noise: float = field(metadata=number(0))
    right: dict[str, float] = field(metadata=table())
    least_gains: dict[str, float] = field(metadata=table())

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(type(each) in (int, float) and 0 <= each <= 1 for each in self.right.values()):
            raise InputError("right must be shares, from 0 to 1")
        if set(self.right) != set(DAMAGES):
            raise InputError(f"right must be of {', '.join(DAMAGES)}")
        gains = self.least_gains
        if not all(type(each) in (int, float) and 0 <= each < np.inf for each in gains.values()):
            raise InputError("least_gains must be finite, and not negative")
        if set(gains) != set(trusted_kinds(self.right)):
            raise InputError("least_gains must be of the kinds that right tells to be seen")


@dataclass(frozen=True, eq=False)
class DamageCritic:
    """A linear function of activations; its difference is the log odds of being the better photo.

    Attributes
    ----------
    classifier : sklearn.pipeline.Pipeline
        A scaler, signed logarithms, and a logistic regression, whose intercept says nothing.
    record : CriticRecord
    """

    classifier: Pipeline
    record: CriticRecord

    def score(self, activations: np.ndarray) -> np.ndarray:
        """Score versions of a photo, which are compared by it; of different photos it says nothing.

        Parameters
        ----------
        activations : ndarray, shape (n_versions, n_activations)

        Returns
        -------
        ndarray, shape (n_versions,)
        """
        return self.classifier.decision_function(activations)

    def save(self, folder: str | os.PathLike) -> None:
        """Write the critic into its model's folder, in the place of one that is there."""
        folder = Path(folder)
        with writing(folder):
            save_classifier(self.classifier, folder / CRITIC_FILE)
            write_file(folder / RECORD_FILE, json.dumps(self.record.to_json(), indent=1) + "\n")


def network_identity(model: Model) -> str:
    """What tells a model's network from others; one that is saved anew keeps it."""
    network = model.network
    with in_float32(network.activations_model()):
        return f"{digest_of_graph(network.keras_model)} {network.record.resize}"


def load_critic(model: Model) -> DamageCritic | None:
    """Load the critic that stands beside a model; nothing in its files is executed.

    Parameters
    ----------
    model : Model
        Of a folder.

    Returns
    -------
    DamageCritic or None
        None if there is none.

    Raises
    ------
    NotTaught
        It is damaged, or was taught for another network.
    """
    assert model.folder is not None  # as of a loaded model
    path = model.folder / RECORD_FILE
    try:
        values = parse_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise NotTaught(f"{path}: cannot be read ({error})") from error
    try:
        record = CriticRecord.from_json(values)
    except InputError as error:
        raise NotTaught(f"{path}: {error}") from None
    if record.network != network_identity(model):
        raise NotTaught(f"{path}: is of another network than the model's")
    return DamageCritic(_load_classifier(model.folder / CRITIC_FILE), record)


def _load_classifier(path: Path) -> Pipeline:
    try:
        classifier = load_classifier(path)
    except Shortage:
        raise
    except InputError as error:
        raise NotTaught(f"{path}: cannot be read as a critic of damage") from error
    # A stranger's may be any of the catalogue.
    if not (isinstance(classifier, Pipeline) and hasattr(classifier, "decision_function")):
        raise NotTaught(f"{path}: is no critic of damage")
    return classifier
