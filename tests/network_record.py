"""The least that a network's file must tell."""

from decaf.networks.record import NetworkRecord

RECORD = NetworkRecord("label", "alexnet-owt", "flatten", width=8)
