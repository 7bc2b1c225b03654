"""Rankings made by hand."""

import os

from decaf.ranking.ranking import RankedPhoto, Ranking


def ranked(path, rank=1, **values):
    """A photo of this rank."""
    values = {"percentile": 50.0, "probability": 0.5, "stack": None, "is_top": True} | values
    return RankedPhoto(
        name=os.path.basename(path), path=str(path), rank=rank, score=float(-rank), **values
    )


def ranking_of(*photos, failed=()):
    """A ranking of these photos."""
    return Ranking(photos, "An album", failed=tuple(failed))
