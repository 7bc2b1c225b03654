"""Settings keep to their ranges, and recipes have names."""

from dataclasses import replace

import numpy as np
import pytest

from decaf.training.settings import (
    POOLING_OF_RECIPE,
    RECIPES,
    TrainingSettings,
    check_width,
    find_recipe,
)
from features.errors import InputError


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("standardize", "yes", "standardize must be true or false, not 'yes'"),
        ("optimizer", "rmsprop", "optimizer must be sgd, adam or adamw, not 'rmsprop'"),
        ("learning_rate", 0.0, "learning_rate must be a number, above 0, not 0.0"),
        ("momentum", 1.0, "momentum must be a number, 0 or more, below 1, not 1.0"),
        ("weight_decay", -1.0, "weight_decay must be a number, 0 or more, not -1.0"),
        ("batch_size", 0, "batch_size must be a whole number, 1 or more, not 0"),
        ("epochs", 0, "epochs must be a whole number, 1 or more, not 0"),
        ("dropout", 1.0, "dropout must be a number, 0 or more, below 1, not 1.0"),
        ("class_weight", "all", "class_weight must be balanced or None, not 'all'"),
        ("softness", -1.0, "softness must be a number, 0 or more, not -1.0"),
        (
            "validation_fraction",
            1.0,
            "validation_fraction must be a number, 0 or more, below 1, not 1.0",
        ),
        ("patience", 0, "patience must be a whole number, 1 or more, or none, not 0"),
        ("seed", -1, "seed must be a whole number, 0 or more, not -1"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(setting, value, message):
    with pytest.raises(InputError) as error:
        TrainingSettings(**{setting: value})
    assert str(error.value) == message


def test_patience_needs_photos_to_validate_on():
    with pytest.raises(InputError, match="patience 3 needs a validation_fraction above 0"):
        TrainingSettings(patience=3, validation_fraction=0.0)


@pytest.mark.parametrize("width", [0, -1, 2.5, "250", True])
def test_a_width_that_no_head_can_have_is_refused(width):
    with pytest.raises(InputError, match="it must be a whole number, 1 or more"):
        check_width(width)
    check_width(np.int64(250))


def test_settings_of_numpys_numbers_come_to_json_as_python_s():
    settings = replace(RECIPES["decaf"], epochs=np.int64(5), dropout=np.float64(0.25))
    assert type(settings.to_json()["epochs"]) is int
    assert type(settings.to_json()["dropout"]) is float
    assert TrainingSettings(**settings.to_json()) == settings


def test_a_recipe_that_is_none_is_refused_with_those_that_are():
    assert find_recipe("decaf") is RECIPES["decaf"]
    assert RECIPES.keys() == POOLING_OF_RECIPE.keys()
    with pytest.raises(InputError, match="recipe 'pape': unknown; one of paper, decaf"):
        find_recipe("pape")
