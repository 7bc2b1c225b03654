"""The way from our probability tables to pgmpy's networks."""


def make_network(edges, tables, states, latents=()):
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
