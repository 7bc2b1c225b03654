"""The way from our probability tables to pgmpy's networks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pgmpy.models import DiscreteBayesianNetwork

CLASS_NODE = "class"

# pgmpy's reader of BIF (1.1) ends names and states at such characters as brackets and commas.
_NOT_IN_BIF = re.compile(r"[^\w.=-]")


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
        Names that would not come back from a BIF file are replaced by such that do. Its attribute
        ``graph`` tells which: ``graph["names"]`` the nodes' own names by those in the network, and
        ``graph["states"]`` likewise those of the states, by node.

    Raises
    ------
    ValueError
        If pgmpy finds the network faulty.
    """
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.models import DiscreteBayesianNetwork

    safe = dict(zip(tables, _safe_names(tables)))
    safe_states = {safe[node]: _safe_names(states[node]) for node in tables}
    own_states = {safe[node]: states[node] for node in tables}
    edges = [(safe[parent], safe[child]) for parent, child in edges]
    tables = {
        safe[node]: ([safe[parent] for parent in parents], table)
        for node, (parents, table) in tables.items()
    }
    states, latents = safe_states, [safe[node] for node in latents]
    network = DiscreteBayesianNetwork(edges, latents=set(latents))
    network.add_nodes_from(tables)
    for node, (parents, table) in tables.items():
        sizes = [len(states[parent]) for parent in parents]
        names = {name: states[name] for name in [node, *parents]}
        network.add_cpds(TabularCPD(node, len(states[node]), table, parents, sizes, names))
    network.graph["names"] = {name: own for own, name in safe.items() if name != own}
    network.graph["states"] = {
        node: {name: own for name, own in zip(names, own_states[node]) if name != own}
        for node, names in states.items()
        if names != list(own_states[node])
    }
    return network


def _safe_names(names: Iterable) -> list:
    """Names with what BIF cannot hold replaced, each still different; numbers stay as they are."""
    safe: list = []
    for name in names:
        if isinstance(name, str):
            name = _NOT_IN_BIF.sub("_", name) or "_"
            while name in safe:
                name += "_"
        safe.append(name)
    return safe


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
