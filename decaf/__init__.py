"""decaf: small networks, small features and classifiers of photographic aesthetic quality.

What is offered here is imported when it is first used, and stands in the rooms below: reading rated
photos, making a model, ranking photos by it, and its parts.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decaf.camera.page import export_camera_page
    from decaf.extraction.feature_file import extract_features
    from decaf.extraction.feature_network import PlainBackbone
    from decaf.models.export import export_model
    from decaf.models.fit import fit_model, fit_model_on_features
    from decaf.models.model import load_model
    from decaf.networks.backbones import list_backbones
    from decaf.networks.network import build_network, load_network
    from decaf.ranking.ranking import rank_photos
    from decaf.training.networks import finetune_networks
    from decaf.training.training_photos import read_training_photos
    from decaf.training.transformer import ConvNetFeatures
    from features.ratings import read_ratings

_HOMES = {
    "read_ratings": "features.ratings",
    "fit_model": "decaf.models.fit",
    "fit_model_on_features": "decaf.models.fit",
    "load_model": "decaf.models.model",
    "rank_photos": "decaf.ranking.ranking",
    "extract_features": "decaf.extraction.feature_file",
    "PlainBackbone": "decaf.extraction.feature_network",
    "read_training_photos": "decaf.training.training_photos",
    "finetune_networks": "decaf.training.networks",
    "export_model": "decaf.models.export",
    "export_camera_page": "decaf.camera.page",
    "list_backbones": "decaf.networks.backbones",
    "build_network": "decaf.networks.network",
    "load_network": "decaf.networks.network",
    "ConvNetFeatures": "decaf.training.transformer",
}
__all__ = [
    "ConvNetFeatures",
    "PlainBackbone",
    "build_network",
    "export_camera_page",
    "export_model",
    "extract_features",
    "finetune_networks",
    "fit_model",
    "fit_model_on_features",
    "list_backbones",
    "load_model",
    "load_network",
    "rank_photos",
    "read_ratings",
    "read_training_photos",
]


def __getattr__(name: str) -> Any:
    # Keras and scikit-learn take seconds to import, so nothing is imported before it is used.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("decaf")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__, "__version__"]


def _check_siblings() -> None:
    """Refuse a `features` or `classifiers` that is not decaf's: the names are common."""
    here = Path(__file__).resolve().parent.parent
    for name in ("features", "classifiers"):
        spec = find_spec(name)
        if spec is None:
            raise ImportError(f"decaf needs its package {name}, which is not installed; reinstall")
        # A folder without __init__.py has no origin.
        found = Path(spec.origin or next(iter(spec.submodule_search_locations or ""))).resolve()
        if found != here / name / "__init__.py":
            raise ImportError(
                f"{found} hides decaf's own package {name}; rename that file, or run elsewhere"
            )


_check_siblings()

from decaf.backend import choose_back_end  # noqa: E402 - it needs one of the siblings

choose_back_end()
