"""How classifiers are judged: folds, intervals, calibration, learning curve, report."""
