"""How heads are finetuned: settings, what they are trained on, and what they start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

    from decaf.extraction.activations import Activations
    from decaf.training.settings import TrainingSettings
    from features.ratings import RatedPhotos


@dataclass(frozen=True)
class Recipe:
    """How a head is finetuned.

    Attributes
    ----------
    base : {"paper", "decaf", ""}
        Whose settings it has, or the defaults.
    changes : dict
        Of these settings.
    on_votes : bool
        Trained on the votes instead of labels; judged by the predicted mean.
    directions : {"principal", "discriminant", ""}
        What fc6 starts from, as in `first_kernel`.
    mirrored : bool
        Activations are averaged with those of the mirrored photo.
    """

    base: str = "decaf"
    changes: Mapping[str, Any] = field(default_factory=dict)
    on_votes: bool = False
    directions: str = ""
    mirrored: bool = False

    def settings(self, seed: int) -> TrainingSettings:
        """Those of its finetuning; all training photos are trained on."""
        from decaf.training.settings import RECIPES, TrainingSettings

        base = RECIPES[self.base] if self.base else TrainingSettings()
        return replace(base, **self.changes, validation_fraction=0.0, seed=seed)

    def finetune(
        self, activations: Activations, rated: RatedPhotos, width: int, rows: np.ndarray, seed: int
    ) -> keras.Model:
        """A head of a width, finetuned on some of the photos."""
        from decaf.training.finetune import finetune
        from decaf.training.targets import Targets

        kernel = None
        if self.directions:
            score = np.asarray(rated.score)[rows]
            kernel = first_kernel(activations.read(rows), score, width, self.directions, seed)
        head, _ = finetune(
            activations,
            Targets.of(rated, "votes" if self.on_votes else "label"),
            width,
            self.settings(seed),
            rows=rows,
            fc6_kernel=kernel,
        )
        return head

    def predict(self, head: keras.Model, activations: Activations, rows: np.ndarray) -> np.ndarray:
        """The head's probability that photos are professional, or the mean of their votes."""
        from decaf.networks.votes import mean_and_spread
        from decaf.training.batches import predict

        output = predict(head, activations, rows)
        return mean_and_spread(output)[0] if self.on_votes else output[:, 1]


def first_kernel(
    activations: np.ndarray, score: np.ndarray, width: int, directions: str, seed: int
) -> np.ndarray:
    """Weights for fc6 to start from, (n_activations, width), of standardised activations.

    Each direction comes with its opposite, since ReLU lets only one side through, and is scaled so
    that the training photos have a variance of 1 along it. What is left of the width is random.

    They are of the most variance; or part the deciles of the scores, by linear discriminant
    analysis with shrinkage (Ledoit and Wolf 2004).
    """
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.preprocessing import StandardScaler

    from decaf.networks.head import build_head

    X = StandardScaler().fit_transform(activations.astype(np.float32))
    if directions == "principal":
        # The last component of centred photos has no variance.
        found = PCA(min(width // 2, len(X) - 1, X.shape[1])).fit(X).components_.T
    else:
        deciles = np.searchsorted(np.quantile(score, np.arange(0.1, 1, 0.1)), score)
        analysis = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto").fit(X, deciles)
        n_found = min(len(analysis.classes_) - 1, X.shape[1], width // 2)
        found = analysis.scalings_[:, :n_found]
    found = found / (X @ found).std(axis=0)
    kernel = build_head(X.shape[1], width, seed=seed).get_layer("fc6").get_weights()[0]
    kernel[:, : 2 * found.shape[1]] = np.hstack([found, -found])
    return kernel
