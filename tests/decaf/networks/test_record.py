"""What a network says of itself."""

from dataclasses import FrozenInstanceError, replace

import pytest
from network_record import RECORD

from decaf.networks.record import NetworkRecord
from features.errors import InputError

VOTES = {"kind": "votes", "n_grades": 10, "midpoint": 5.5}
SCORE = {"kind": "score", "levels": (1.5, 2.5, 3.5), "midpoint": 3.0}


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"pooling": "flatten"}, "vgg16-250"),
        ({"blocks": 4}, "vgg16-multilevel-blocks4-250"),
        (VOTES, "vgg16-multilevel-votes-250"),
        (SCORE, "vgg16-multilevel-score-250"),
        ({"kind": "backbone"}, "vgg16-multilevel-250"),
    ],
)
def test_a_network_is_called_by_what_sets_it_apart(changed, name):
    record = NetworkRecord("label", "vgg16", "multilevel", width=250)
    assert replace(record, **changed).name == name


@pytest.mark.parametrize("kind", [VOTES, SCORE])
def test_a_record_comes_back_from_json_as_it_was(kind):
    record = replace(RECORD, **kind, scale=(1, 10), finetuned_on=3, history=({"epoch": 1},))
    assert NetworkRecord.from_json(record.to_json()) == record


def test_a_record_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        RECORD.width = 9


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "stars"},
        {"backbone": ""},
        {"pooling": "median"},
        {"width": 0},
        {"blocks": 0},
        {"weights": 3},
        {"resize": "stretch"},
        {"n_grades": 10},
        {"kind": "votes", "midpoint": 5.0},
        {"kind": "votes", "n_grades": 1, "midpoint": 5.0},
        {"kind": "votes", "n_grades": 10},
        {"levels": (1.0, 2.0)},
        SCORE | {"midpoint": None},
        SCORE | {"levels": None},
        SCORE | {"levels": (2.0, 1.0)},
        SCORE | {"levels": (2.0,)},
        SCORE | {"levels": ("1", "2")},
        {"scale": (1,)},
        {"midpoint": "5"},
        {"finetuned_on": -1},
        {"precision": "float16"},
        {"parameters": -1},
        {"training": []},
        {"history": ({"epoch": 1}, None)},
        {"test": 1.0},
        {"versions": "3"},
    ],
)
def test_a_record_holds_nothing_of_another_type_or_range(changed):
    with pytest.raises(
        InputError, match=f"{list(changed)[-1]} must be|(n_grades|midpoint|levels) must"
    ):
        replace(RECORD, **changed)
