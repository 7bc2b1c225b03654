"""The way from our probability tables to pgmpy's networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pgmpy.models import DiscreteBayesianNetwork

CLASS_NODE = "class"


def make_network(
    edges: Iterable[tuple[str, str]],
    tables: Mapping[str, tuple[Sequence[str], np.ndarray]],
    states: Mapping[str, Sequence],
    latents: Iterable[str] = (),
) -> DiscreteBayesianNetwork:
    """Build a pgmpy network.

    Parameters
    ----------
    edges : iterable of (str, str)
    tables : dict of str to (list of str, ndarray)
        For every node its parents and its table of shape (n_states, joint states of the parents,
        the last varying fastest).
    states : dict of str to list
        The names of every node's states.
    latents : iterable of str
        Nodes that are never observed.

    Returns
    -------
    network : pgmpy.models.DiscreteBayesianNetwork

    Raises
    ------
    ValueError
        If pgmpy finds the network faulty.
    """
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.models import DiscreteBayesianNetwork

    network = DiscreteBayesianNetwork(edges, latents=set(latents))
    network.add_nodes_from(tables)
    for node, (parents, table) in tables.items():
        sizes = [len(states[parent]) for parent in parents]
        names = {name: states[name] for name in [node, *parents]}
        network.add_cpds(TabularCPD(node, len(states[node]), table, parents, sizes, names))
    return network


def check_node_names(names: Sequence[str]) -> None:
    """Refuse names that two nodes of a network would share.

    Parameters
    ----------
    names : list of str

    Raises
    ------
    ValueError
        If a name occurs twice.
    """
    if len(set(names)) < len(names):
        doubled = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two nodes would be named {doubled!r}: rename the feature and fit again")
