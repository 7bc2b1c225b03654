"""Presets of keras-hub as backbones: their image towers, with their own preprocessing."""

from __future__ import annotations

import difflib
import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decaf.networks.backbones import HUB, STRIDE, Backbone
from decaf.networks.normalisation import Normalisation, normalised_photo
from decaf.networks.weights import PRETRAINED
from features.errors import InputError
from features.shortage import blame_machine

if TYPE_CHECKING:
    import keras

CONFIG, CONVERTER = "config.json", "image_converter.json"
# Those that have text towers beside the image's.
_PAIRS = ("CLIPBackbone", "SigLIPBackbone")


@dataclass(frozen=True)
class Preset(Backbone):
    """A preset of keras-hub's as a backbone.

    Attributes
    ----------
    preset : str
        As keras-hub takes it: a name of those that it downloads, or a folder.
    tower : str
        A name in `decaf.networks.hub_tower.TOWERS`.
    normalisation : Normalisation
        As the preset's image converter says.
    """

    preset: str = ""
    tower: str = ""
    normalisation: Normalisation = field(default=Normalisation(1.0, 0.0))

    def build(
        self,
        weights: str | os.PathLike | None,
        size: int | None = None,
        blocks: int | None = None,
    ) -> keras.Model:
        """Build its blocks, as `Backbone.build` does.

        Parameters
        ----------
        weights : {"pretrained", None}
        size, blocks
            As in `Backbone.build`.
        """
        import keras

        from decaf.networks.hub_tower import HubTower, cut, settings_of

        if weights not in (PRETRAINED, None):
            raise InputError(f"backbone {self.name}: its weights are those of the preset alone")
        size = size or self.input_size
        source = self._load(weights is not None, size)
        blocks = blocks or self.n_blocks
        photo, normalised = normalised_photo(size, self.normalisation)
        tower = HubTower(self.tower, settings_of(source), blocks, name="tower")
        maps = tower(normalised)
        if weights is not None:
            tower.set_weights(cut(self.tower, source, blocks).get_weights())
        return keras.Model(photo, maps)

    def licence(self, weights: str | os.PathLike | None) -> str | None:
        """What the weights are that `build` takes, as `Backbone.licence` does."""
        if weights is None:
            return None
        if Path(self.preset).is_dir():
            return f"keras-hub's preset in the user's own folder {Path(self.preset).name}"
        return f"keras-hub's preset {self.preset}, under the licence that its page on Kaggle tells"

    def _load(self, with_weights: bool, size: int) -> Any:
        """The image tower, as keras-hub makes it."""
        from decaf.networks.hub_tower import import_hub

        takes_size = {} if self.stride is None else {"image_shape": (size, size, 3)}
        try:
            whole = import_hub().models.Backbone.from_preset(
                self.preset, load_weights=with_weights, dtype="float32", **takes_size
            )
        # keras-hub raises many kinds of exceptions on what it cannot download or read.
        except Exception as error:
            raise _unreadable(self.name, error) from error
        return getattr(whole, "vision_encoder", whole)


def find_preset(name: str) -> Preset:
    """Find a preset; of one that keras-hub downloads, two small files are.

    Parameters
    ----------
    name : str
        ``hub:`` and a name of those that keras-hub downloads, or a folder.

    Returns
    -------
    Preset

    Raises
    ------
    InputError
        keras-hub is not installed; there is no such preset, it cannot be read, or has no image
        tower that decaf knows.
    """
    from decaf.backend import import_keras

    import_keras()
    from decaf.networks.hub_tower import TOWERS, count_blocks, import_hub

    import_hub()
    preset = name.removeprefix(HUB)
    read = _read_folder if os.path.isdir(preset) else _read_named
    config, converter = read(name, preset)
    try:
        if config["class_name"] in _PAIRS:
            config = config["config"]["vision_encoder"]
        tower, settings = config["class_name"], config["config"]
        if tower not in TOWERS:
            raise InputError(
                f"backbone {name}: its {str(tower)[:40]} is no image tower that decaf knows; one "
                f"of {', '.join([*TOWERS, *_PAIRS])}"
            )
        wanted = converter["config"]
        own = settings.get("image_shape", (224, 224, 3))[0]
        stride = _stride(tower, settings)
        size = own if stride is None else (wanted.get("image_size") or (own,))[0]
        return Preset(
            name=name,
            input_size=224 if size is None else int(size),
            n_blocks=count_blocks(tower, settings),
            family="hub",
            stride=stride,
            preset=preset,
            tower=tower,
            normalisation=Normalisation(
                _by_channel(wanted.get("scale"), 1.0), _by_channel(wanted.get("offset"), 0.0)
            ),
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(name, error) from error


def _stride(tower: str, settings: Mapping[str, Any]) -> int | None:
    """Photos may be of any multiple of it; None where places in the photo are learnt by number."""
    if tower == "MobileNetV5Backbone":
        return STRIDE
    return int(settings["patch_size"]) if tower.startswith("DINO") else None


def _by_channel(given: Any, default: float) -> float | tuple[float, ...]:
    if given is None:
        return default
    return tuple(map(float, given)) if isinstance(given, list | tuple) else float(given)


def _read_folder(name: str, folder: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a preset is, and what it does to photos."""
    if not Path(folder, CONVERTER).is_file():
        raise InputError(
            f"backbone {name}: has no {CONVERTER}, so it is not known how it wants its photos; "
            "save_to_preset of its image converter writes one"
        )
    try:
        return tuple(json.loads(Path(folder, each).read_bytes()) for each in (CONFIG, CONVERTER))
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from error


@functools.cache
def _read_named(name: str, preset: str) -> tuple[dict[str, Any], dict[str, Any]]:
    from keras_hub.src.utils.preset_utils import BUILTIN_PRESETS, load_json

    if preset not in BUILTIN_PRESETS:
        near = difflib.get_close_matches(preset, BUILTIN_PRESETS, cutoff=0.5)
        raise InputError(
            f"backbone {name}: is neither a folder nor a preset that keras-hub downloads"
            + (f"; did you mean {' or '.join(HUB + each for each in near)}?" if near else "")
        )
    try:
        return load_json(preset, CONFIG), load_json(preset, CONVERTER)
    # As in `Preset._load`.
    except Exception as error:
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: Exception) -> InputError:
    blame_machine(error, name)
    if isinstance(error, InputError):
        return error
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return InputError(f"backbone {name}: keras-hub cannot load it ({reason})")
