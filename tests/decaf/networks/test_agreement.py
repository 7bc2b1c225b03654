"""A record and its network must tell the same, whichever field is looked at."""

from dataclasses import replace

import pytest

from decaf.networks.network import Network, build_network, build_plain_network
from decaf.networks.record import NetworkRecord
from features.errors import InputError


@pytest.fixture(scope="module")
def multilevel():
    return build_network("alexnet-owt", 4, pooling="multilevel", blocks=2, weights=None)


@pytest.fixture(scope="module")
def votes():
    return build_network("alexnet-owt", 4, n_grades=5, blocks=1, weights=None)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"pooling": "flatten"}, "pooling: it is multilevel, not flatten"),
        ({"pooling": "average"}, "pooling: it is multilevel, not average"),
        ({"blocks": 3}, "blocks: it has 2, not 3"),
        ({"blocks": None}, "blocks: it has 2, not 5"),
        ({"sizes": (224, 448)}, "sizes: it looks at photos of 224 pixels, not 224 and 448 pixels"),
        ({"width": 5}, "width: its fc7 has 4 units, not 5"),
        ({"parameters": 12}, r"parameters: it has [\d,]+, not 12"),
        ({"kind": "votes", "n_grades": 7, "midpoint": 4}, r"n_grades: it gives \(None, 2\), not 7"),
        ({"kind": "backbone", "width": 2}, "pooling: it is none that decaf knows"),
        ({"kind": "backbone"}, r"width: it gives \(None, 2\), not 4 numbers a photo"),
    ],
)
def test_a_field_that_is_otherwise_in_the_network_is_named(multilevel, changed, told):
    record = replace(multilevel.record, **changed)
    with pytest.raises(InputError, match=f"is not what its record says: {told}"):
        Network(multilevel.keras_model, record)


@pytest.mark.parametrize("pooling", ["average", "multilevel"])
def test_a_network_of_two_sizes_is_told_from_others(pooling):
    network = build_network("alexnet-owt", 4, pooling=pooling, weights=None, sizes=(192, 384))
    assert network.record.sizes == (192, 384)
    for sizes, told in ((None, "224"), ((384,), "384"), ((96, 384), "96 and 384")):
        with pytest.raises(InputError, match=f"192 and 384 pixels, not {told} pixels"):
            Network(network.keras_model, replace(network.record, sizes=sizes))
    other = {"average": "multilevel", "multilevel": "average"}[pooling]
    with pytest.raises(InputError, match=f"pooling: it is {pooling}, not {other}"):
        Network(network.keras_model, replace(network.record, pooling=other))


def test_a_network_of_votes_has_as_many_outputs_as_grades(votes):
    record = replace(votes.record, n_grades=6)
    with pytest.raises(InputError, match=r"n_grades: it gives \(None, 5\), not 6 numbers a photo"):
        Network(votes.keras_model, record)


def test_a_network_of_scores_has_as_many_outputs_as_levels():
    scores = build_network("alexnet-owt", 4, levels=(1.0, 2.0, 4.0), blocks=1, weights=None)
    record = replace(scores.record, levels=(1.0, 4.0))
    with pytest.raises(InputError, match=r"levels: it gives \(None, 3\), not 2 numbers a photo"):
        Network(scores.keras_model, record)


def test_a_plain_backbone_has_no_head():
    plain = build_plain_network("alexnet-owt", "flatten", 1, weights=None)
    record = replace(plain.record, kind="label")
    with pytest.raises(InputError, match="kind: it gives"):
        Network(plain.keras_model, record)
    with pytest.raises(InputError, match="pooling: it is flatten, not average"):
        Network(plain.keras_model, replace(plain.record, pooling="average"))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"pooling": "../../cache"}, "pooling must be flatten, multilevel or average, not"),
        ({"blocks": 6}, "blocks must be 1 to 5, not 6"),
        ({"width": 10**400}, "width must be a whole number, 1 or more, not 1000"),
        ({"width": [[4]]}, "width must be a whole number"),
        ({"scale": (5.0, 1.0)}, "scale must rise"),
        ({"midpoint": float("nan")}, "midpoint must be a number"),
        ({"licence": "\ud800"}, "licence must be a text"),
    ],
)
def test_a_field_out_of_its_range_is_named_before_there_is_a_network(values, told):
    known = {"kind": "label", "backbone": "alexnet-owt", "pooling": "average", "width": 4}
    with pytest.raises(InputError, match=told):
        NetworkRecord.from_json(known | values)
