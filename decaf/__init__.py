"""decaf: small networks, small features and classifiers of photographic aesthetic quality."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

_HOMES = {
    "list_backbones": "decaf.networks.backbones",
    "build_network": "decaf.networks.network",
    "load_network": "decaf.networks.network",
    "ConvNetFeatures": "decaf.training.transformer",
}
__all__ = list(_HOMES)


def __getattr__(name):
    # Keras and scikit-learn take seconds to import, so nothing is imported before it is used.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("decaf")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return [*globals(), *__all__, "__version__"]


def _check_siblings():
    """Refuse a `features` or `classifiers` that is not decaf's: the names are common."""
    here = Path(__file__).resolve().parent.parent
    for name in ("features", "classifiers"):
        spec = find_spec(name)
        if spec is None:
            raise ImportError(f"decaf needs its package {name}, which is not installed; reinstall")
        found = Path(spec.origin or next(iter(spec.submodule_search_locations))).resolve()
        if found != here / name / "__init__.py":
            raise ImportError(
                f"{found} hides decaf's own package {name}; rename that file, or run elsewhere"
            )


_check_siblings()
