"""What a model of tests says of itself."""

from classifiers.evaluation.calibration import Calibration
from decaf.models.record import Interval, Judged, ModelRecord, TrainedOn

JUDGED = Judged(
    photos=60,
    professional=0.5,
    design="5 stratified folds",
    best_of=2,
    auc=Interval(0.8, 0.7, 0.9),
    accuracy=Interval(0.75, 0.6, 0.85),
    balanced_accuracy=Interval(0.7, 0.6, 0.8),
)
CALIBRATION = Calibration(0.5, 0.1, -9.0, 9.0, 60, 0.1, 0.02)


def model_record(classifier="logistic-regression", features="tiny", calibration=CALIBRATION):
    """The record of a model that was trained on 60 photos."""
    return ModelRecord(
        classifier=classifier,
        features=features,
        judged=JUDGED,
        calibration=calibration,
        trained_on=TrainedOn(60, 0.5),
        licence="weights of the tests' own (MIT)",
    )
