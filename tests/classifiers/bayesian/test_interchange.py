import warnings
from functools import partial

import numpy as np
import pandas
import pytest

from classifiers import AODEClassifier, TANClassifier


def round_trip(network, path):
    """A network as it comes back from the BIF that pgmpy writes of it."""
    with warnings.catch_warnings(action="ignore"):
        from pgmpy.readwrite import BIFReader, BIFWriter

        BIFWriter(network).write(path)
        return BIFReader(path).get_model()


@pytest.fixture
def data():
    random = np.random.default_rng(0)
    X = random.normal(size=(100, 4))
    return X, (X[:, 0] + random.normal(size=100) > 0).astype(int)


NAMES = ["blue mean", "sharpness (%)", "sharpness [%]", 'a,b|c;{}"é\n']


@pytest.mark.parametrize("kind", [TANClassifier, partial(AODEClassifier, average="joint")])
def test_names_come_back_from_bif(data, kind, tmp_path):
    X, y = data
    labels = np.where(y, "very good", "bad, really")
    network = kind().fit(pandas.DataFrame(X, columns=NAMES), labels).to_pgmpy()
    back = round_trip(network, tmp_path / "network.bif")
    assert sorted(back.nodes()) == sorted(network.nodes())
    assert back.check_model()
    for table in network.get_cpds():
        same = back.get_cpds(table.variable)
        assert [str(s) for s in table.state_names[table.variable]] == list(
            same.state_names[table.variable]
        )


def test_the_own_names_of_replaced_ones_are_told(data):
    X, y = data
    labels = np.where(y, "very good", "bad, really")
    network = TANClassifier().fit(pandas.DataFrame(X, columns=NAMES), labels).to_pgmpy()
    names = network.graph["names"]
    assert sorted(names.values()) == sorted(NAMES)
    assert set(names) == set(network.nodes()) - {"class"}
    assert network.graph["states"] == {
        "class": {"bad__really": "bad, really", "very_good": "very good"}
    }


def test_plain_names_stay_as_they_are(data):
    network = TANClassifier().fit(*data).to_pgmpy()
    assert set(network.nodes()) == {"x0", "x1", "x2", "x3", "class"}
    assert network.graph["names"] == network.graph["states"] == {}
