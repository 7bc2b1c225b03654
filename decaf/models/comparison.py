"""Classifiers on features, compared on photos that they have not seen; the best one is kept."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, clone, is_regressor
from tqdm import tqdm

from classifiers.catalogue import DEFAULT_CLASSIFIERS, make_classifier
from classifiers.evaluation.calibration import calibrate
from classifiers.evaluation.evaluation import INTERVAL_METRICS, Evaluation, evaluate
from classifiers.evaluation.folds import Folds
from classifiers.evaluation.kept import KeptFits
from classifiers.evaluation.learning_curve import LearningCurve, learning_curve
from classifiers.evaluation.report import write_report
from decaf.backend import versions
from decaf.models.disagreements import show_disagreements
from decaf.models.judging_bar import JudgingBar
from decaf.models.model import Model
from decaf.models.record import (
    Interval,
    Judged,
    ModelRecord,
    PredictedScores,
    TrainedOn,
    percentiles_of,
)
from decaf.models.sources import Sources
from decaf.networks.network import Network
from features.errors import InputError
from features.files import write_file, writing
from features.photo_set import PhotoSet

TABLE_FILE, REPORT_FILE = "results.csv", "report.html"
# Tables to paste into a text, by the suffix of their file.
TEXT_TABLES = {"md": Evaluation.to_markdown, "tex": Evaluation.to_latex}
# The curve fits up to 15 more heads and classifiers, and is for those who rate photos by hand.
LEARNING_CURVE_PHOTOS = 5_000


@dataclass(frozen=True, eq=False)
class Comparison:
    """How classifiers did on feature sets, and what the best is fitted on anew.

    Attributes
    ----------
    sources : Sources
    evaluation : Evaluation
    progress : bool
        Show progress bars on stderr.
    """

    sources: Sources
    evaluation: Evaluation
    progress: bool = True

    @property
    def training_rows(self) -> np.ndarray:
        """The photos that train what is kept, among those of the sources."""
        return self.evaluation.folds.training_rows

    @cached_property
    def learning_curve(self) -> LearningCurve | None:
        """What fewer training photos would have taught.

        None where their network has seen them all, where they are too few, and for sets too large
        to be rated by one hand.
        """
        rated = self.sources.rated
        if rated.finetuned is not None and rated.finetuned.any():
            return None
        if len(rated) > LEARNING_CURVE_PHOTOS:
            return None
        with tqdm(desc="learning curve", unit="fit", disable=not self.progress) as bar:
            return learning_curve(self.evaluation, progress=bar.update)

    def write(
        self,
        folder: str | os.PathLike,
        *,
        tables: Iterable[str] = (),
        facts: Mapping[str, str] | None = None,
        command: str = "",
    ) -> None:
        """Write results.csv, and then report.html with the learning curve.

        Parameters
        ----------
        folder : path-like
            Must be there; a table and a report that are in it are replaced.
        tables : iterable of {"md", "tex"}
            Write the table as results.md or results.tex, too.
        facts : dict of str to str, optional
            More about the photos, for the report.
        command : str
            What made the report.

        Raises
        ------
        InputError
            If a file cannot be written.
        """
        table, report = Path(folder) / TABLE_FILE, Path(folder) / REPORT_FILE
        # Four digits of a share are more than its interval is wide.
        write_file(table, self.evaluation.to_pandas().to_csv(index=False, float_format="%.4f"))
        for suffix in tables:
            write_file(table.with_suffix(f".{suffix}"), TEXT_TABLES[suffix](self.evaluation))
        photos = self.sources.facts | dict(facts or {})
        with writing(report):
            write_report(
                report,
                self.evaluation,
                photos=photos
                | {"margin δ": str(self.sources.delta), "seed": str(self.evaluation.seed)},
                networks={name: source.facts for name, source in self.sources.by_name.items()},
                command=command,
                learning_curve=self.learning_curve,
                disagreements=show_disagreements(self.evaluation, self.sources.rated),
            )

    def fit_best(self, *, command: str | None = None) -> Model:
        """Fit the best classifier, and its head where it has one, on the training photos.

        Parameters
        ----------
        command : str, optional
            What makes the model, for its record.

        Returns
        -------
        Model

        Raises
        ------
        NoNetwork
            The features are of a file, and their network is not at hand.
        """
        source = self.sources.by_name[self.evaluation.best.features]
        network, features = source.fit_network(self.training_rows)
        record = self._record(network, command)
        classifier = self.fit_classifier(features)
        digests = self.sources.rated.digests
        assert digests is not None  # as of all photos that were read
        trained_on = PhotoSet.of(digests[self.training_rows])
        return Model(network, classifier, record, trained_on, self.evaluation)

    def fit_classifier(
        self, features: np.ndarray | None = None
    ) -> ClassifierMixin | RegressorMixin:
        """Fit the best classifier on the training photos.

        Parameters
        ----------
        features : ndarray, shape (n_training_photos, n_features), optional
            Theirs; by default those of the file.

        Returns
        -------
        estimator
        """
        best, rows = self.evaluation.best, self.training_rows
        if features is None:
            features = self.evaluation.feature_sets[best.features].X[rows]
        classifier = clone(self.evaluation.classifiers[best.classifier])
        return classifier.fit(features, self.evaluation.folds.target_of(classifier)[rows])

    def _record(self, network: Network, command: str | None) -> ModelRecord:
        evaluation, rated, rows = self.evaluation, self.sources.rated, self.training_rows
        best, label = evaluation.best, evaluation.judged_label
        packages = ("scikit-learn", "skops")
        return ModelRecord(
            classifier=best.classifier,
            features=best.features,
            judged=Judged(
                photos=len(label),
                professional=float(label.mean()),
                design=evaluation.folds.design,
                best_of=len(evaluation.ranked),
                **{
                    metric: Interval(
                        float(best.metrics[metric]), *map(float, best.interval(metric))
                    )
                    for metric in (*INTERVAL_METRICS, "srcc")
                    if np.isfinite(best.metrics.get(metric, np.nan))
                },
            ),
            calibration=calibrate(evaluation),
            predicted_scores=self._predicted_scores(),
            percentiles=percentiles_of(best.score),
            trained_on=TrainedOn(
                photos=len(rows),
                professional=float(rated.label[rows].mean()),
            ),
            licence=network.record.licence,
            command=command,
            versions=versions() | {package: metadata.version(package) for package in packages},
        )

    def _predicted_scores(self) -> PredictedScores | None:
        """How well the best result predicts scores, if it does."""
        evaluation, rated = self.evaluation, self.sources.rated
        best = evaluation.best
        if not is_regressor(evaluation.classifiers[best.classifier]):
            return None
        above = evaluation.folds.above_midpoint
        # As of all that a regressor learns.
        assert above is not None and rated.scale is not None and rated.midpoint is not None
        low, high = rated.scale
        error = np.sqrt(np.mean((best.score - above[evaluation.folds.test_rows]) ** 2))
        return PredictedScores(rated.scale, rated.midpoint, float(error * (high - low)))


def make_classifiers(
    names: Sequence[str] | None = None,
    seed: int = 0,
    *,
    with_scores: bool = True,
    n_rows: int = 0,
) -> dict[str, ClassifierMixin | RegressorMixin]:
    """Classifiers of the catalogue, unfitted.

    Parameters
    ----------
    names : sequence of str, optional
        Its default ones, where none are given.
    seed : int
    with_scores : bool
        Whether there are scores to learn; without, the default ones are those that learn labels.
    n_rows : int
        As in `classifiers.catalogue.make_classifier`.

    Returns
    -------
    dict of str to estimator
        By name.

    Raises
    ------
    InputError
        There is no classifier of that name, or it learns scores, and there are none.

    Examples
    --------
    >>> make_classifiers(["tan"])
    {'tan': TANClassifier()}
    """
    made = {name: make_classifier(name, seed, n_rows) for name in names or DEFAULT_CLASSIFIERS}
    needing = [name for name in made if is_regressor(made[name]) and not with_scores]
    if not names:
        return {name: made[name] for name in made if name not in needing}
    if needing:
        raise InputError(
            f"{' and '.join(needing)}: learns scores, and these photos have labels only; rate them "
            "by scores, votes or stars, or take another classifier"
        )
    return made


def compare_classifiers(
    sources: Sources,
    folds: Folds,
    classifiers: Mapping[str, ClassifierMixin | RegressorMixin],
    *,
    n_jobs: int = -1,
    seed: int = 0,
    choose_by: str | None = None,
    progress: bool = True,
    kept: KeptFits | None = None,
) -> Comparison:
    """Judge classifiers on the features of all sources.

    Parameters
    ----------
    sources : Sources
    folds : Folds
        From `Sources.divide`.
    classifiers : dict of str to estimator
        By name, unfitted, as `make_classifiers` gives them.
    n_jobs : int
        Classifiers fitted at once; -1 is all cores.
    seed : int
        Of the resampling.
    choose_by : str, optional
        As in `classifiers.evaluation.evaluation.evaluate`.
    progress : bool
        Show progress bars on stderr.
    kept : KeptFits, optional
        As in `classifiers.evaluation.evaluation.evaluate`.

    Returns
    -------
    Comparison
    """
    feature_sets = [source.feature_set for source in sources.by_name.values()]
    feature_sets = [each for each in feature_sets if each.judges(classifiers)]
    with JudgingBar(feature_sets, classifiers, folds, n_jobs, progress) as bar:
        evaluation = evaluate(
            feature_sets,
            folds,
            classifiers,
            n_jobs=n_jobs,
            seed=seed,
            choose_by=choose_by,
            progress=bar.show,
            kept=kept,
        )
    return Comparison(sources, evaluation, progress)
