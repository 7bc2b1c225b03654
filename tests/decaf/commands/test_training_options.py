"""Options of the training are the fields of its settings."""

import argparse

import pytest

from decaf.commands.training_options import (
    SETTINGS,
    add_recipe_options,
    add_training_options,
    training_settings,
)
from decaf.training.settings import RECIPES, TrainingSettings
from features.errors import InputError


def parse(*words, names=tuple(name for name in SETTINGS if name != "standardize")):
    parser = argparse.ArgumentParser()
    add_recipe_options(parser)
    add_training_options(parser, names)
    return parser.parse_args(words)


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_is_not_given_is_the_recipes(recipe):
    assert training_settings(parse("--recipe", recipe)) == RECIPES[recipe]
    assert training_settings(parse(), "paper") == RECIPES["paper"]


def test_every_field_is_an_option_of_its_type():
    given = {
        "optimizer": "adam",
        "learning_rate": 0.5,
        "momentum": 0.25,
        "weight_decay": 2.0,
        "batch_size": 3,
        "epochs": 4,
        "least_batches": 5,
        "dropout": 0.125,
        "class_weight": "balanced",
        "softness": 0.75,
        "validation_fraction": 0.5,
        "patience": 6,
        "seed": 7,
    }
    words = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    settings = training_settings(parse(*words))
    assert settings == TrainingSettings(standardize=True, **given)


def test_none_is_a_choice_and_not_the_recipes():
    assert training_settings(parse("--class-weight", "none")).class_weight is None


def test_only_the_options_that_were_asked_for_are_there(capsys):
    with pytest.raises(SystemExit):
        parse("--epochs", "3", names=["dropout"])
    assert "unrecognized arguments: --epochs" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parse("--optimizer", "rmsprop")
    assert "invalid choice" in capsys.readouterr().err


def test_a_setting_out_of_its_range_is_refused():
    with pytest.raises(InputError, match="epochs must be a whole number, 1 or more, not 0"):
        training_settings(parse("--epochs", "0"))
