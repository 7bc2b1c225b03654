"""scikit-learn's estimator checks for transformers that take paths of photos."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

# These give the estimator a matrix of numbers, which one of paths rightly refuses. What they ask
# for (clones, pickles, fitting anew, several forms of X) is tested with photos, by each estimator.
_FEED_NUMBERS = frozenset(
    [
        "check_dict_unchanged",
        "check_dont_overwrite_parameters",
        "check_dtype_object",
        "check_estimators_dtypes",
        "check_estimators_fit_returns_self",
        "check_estimators_nan_inf",
        "check_estimators_overwrite_params",
        "check_estimators_pickle",
        "check_f_contiguous_array_estimator",
        "check_fit2d_1feature",
        "check_fit2d_1sample",
        "check_fit2d_predict1d",
        "check_fit_check_is_fitted",
        "check_fit_idempotent",
        "check_fit_score_takes_y",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_n_features_in",
        "check_n_features_in_after_fitting",
        "check_pipeline_consistency",
        "check_positive_only_tag_during_fit",
        "check_readonly_memmap_input",
        "check_transformer_data_not_an_array",
        "check_transformer_general",
        "check_transformer_preserve_dtypes",
    ]
)


def parametrize_with_path_checks(estimators):
    """As scikit-learn's `parametrize_with_checks`, without the checks that feed numbers."""
    mark = parametrize_with_checks(estimators)
    names, cases = mark.args
    gone = _FEED_NUMBERS - {_name(check) for _, check in cases}
    if gone:
        raise LookupError(f"scikit-learn has no checks {sorted(gone)} any more; take them out")
    return pytest.mark.parametrize(
        names, [case for case in cases if _name(case[1]) not in _FEED_NUMBERS], **mark.kwargs
    )


def _name(check):
    """Checks come as functions, and with parameters bound."""
    return getattr(check, "func", check).__name__
