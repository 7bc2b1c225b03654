"""Where the recipes' variants start from: mirrored photos averaged in, directions for fc6."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import StandardScaler

from decaf.networks.network import build_head

if TYPE_CHECKING:
    from decaf.extraction.activations import Activations


class AveragedActivations:
    """Activations of the same photos, seen in several ways, averaged."""

    def __init__(self, views: Sequence[Activations]):
        self.views = views
        self.shape, self.storage_order = views[0].shape, views[0].storage_order

    def __len__(self):
        return self.shape[0]

    def read(self, photos: np.ndarray) -> np.ndarray:
        """As `decaf.extraction.activations.Activations.read`."""
        return np.mean([view.read(photos) for view in self.views], axis=0, dtype=np.float32)


def first_kernel(
    activations: np.ndarray, score: np.ndarray, width: int, directions: str, seed: int
) -> np.ndarray:
    """Weights for fc6 to start from, of standardised activations.

    Each direction comes with its opposite, since ReLU lets only one side through, and is scaled so
    that the training photos have a variance of 1 along it. What is left of the width is random.

    Parameters
    ----------
    activations : ndarray, shape (n_photos, n_activations)
        Of the training photos; `score` has their mean scores, (n_photos,).
    directions : {"principal", "discriminant"}
        Those of the most variance; or those that part the deciles of the scores, by linear
        discriminant analysis with shrinkage (Ledoit and Wolf 2004).

    Returns
    -------
    ndarray, shape (n_activations, width)
    """
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
