"""The image tower of a keras-hub backbone as one layer, made of its class's name and settings."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from features.errors import InputError

if TYPE_CHECKING:
    import keras_hub

# Every so many transformer blocks there is a block of ours.
EVERY = 3
_LARGEST_SETTING = 2**16
_MOST_SETTINGS = 2**12
_MOST_LAYERS = 256
_MOST_NUMBERS = 2**26

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Costs:
    """What a tower takes to hold, and to run on one photo.

    Attributes
    ----------
    weights : int
    numbers : int
        In the largest map, or the largest table of what looks at what.
    multiplications : int
    maps : list of tuple
        The shapes of its maps.
    """

    weights: int
    numbers: int
    multiplications: int
    maps: list[Shape]


@keras.saving.register_keras_serializable(package="decaf")
class HubTower(keras.layers.Layer):
    """The image tower of a keras-hub backbone, from normalised photos to maps of its blocks.

    Every third transformer block and the last are blocks; the last as the backbone gives it,
    normalised. The map of each is of its patch tokens, (n_photos, height, width, channels); a class
    token stands beside each of them, as more channels, so that the map's average is that of the
    patch tokens and the class token. Of convolutions the blocks are the stages, and what fuses
    them.

    It is made of a name in `TOWERS` and of plain settings, so that a file can name nothing else.

    Parameters
    ----------
    tower : str
        A name in `TOWERS`.
    settings : dict
        What keras-hub's class is made with: numbers, texts, and lists of these.
    blocks : int
        As many of its blocks.
    """

    def __init__(self, tower: str, settings: Mapping[str, Any], blocks: int, **kwargs: Any):
        super().__init__(**kwargs)
        if tower not in TOWERS:
            raise InputError(f"keras-hub's {str(tower)[:40]} is no image tower that decaf knows")
        import_hub()
        self.tower = tower
        self.settings = _plain_settings(settings)
        self.blocks = blocks
        if blocks not in range(1, count_blocks(tower, self.settings) + 1):
            raise InputError(f"it has no {blocks} blocks")
        self.inner: keras.Model | None = None

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make keras-hub's layers, as far as the last block needs them."""
        if self.size != input_shape[1]:
            raise InputError(f"its tower takes photos of {self.size} pixels, not {input_shape[1]}")
        self.inner = self._make()
        self.built = True

    def call(self, photos: Any) -> list[Any]:
        """The maps of the blocks."""
        assert self.inner is not None
        found = self.inner(photos)
        # Converters lose the shapes of tokens, which are known all the same.
        shapes = [self._map_shape(output.shape) for output in self.inner.outputs]
        return [
            self._map(tokens, shape) for tokens, shape in zip(keras.tree.flatten(found), shapes)
        ]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> list[Shape]:
        """Shapes of the maps."""
        return [(input_shape[0], *shape[1:]) for shape in self.costs().maps]

    def costs(self) -> Costs:
        """What it would take, found without the memory for its weights."""
        _check_first_map(self.settings)
        with _no_weights():
            inner = self.inner or self._make()
        numbers = multiplications = 0
        for layer in inner.layers:
            if not isinstance(layer.output, keras.KerasTensor):
                continue  # tells places alone
            shape = layer.output.shape
            positions = math.prod(shape[1:-1])
            # Where there is attention, each position looks at each.
            heads = getattr(layer, "num_heads", 0)
            pairs = positions**2 if heads else 0
            numbers = max(numbers, math.prod(shape[1:]), pairs * heads)
            multiplications += layer.count_params() * positions + 2 * pairs * shape[-1]
        maps = [self._map_shape(output.shape) for output in inner.outputs]
        return Costs(inner.count_params(), numbers, multiplications, maps)

    def get_config(self) -> dict[str, Any]:
        """What it is made of."""
        told = {"tower": self.tower, "settings": self.settings, "blocks": self.blocks}
        return super().get_config() | told

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> HubTower:
        """Make it of `get_config`; Keras's own way would hide what is wrong with it."""
        return cls(**config)

    @property
    def size(self) -> int:
        """Height and width of the photos that it takes."""
        return self.settings["image_shape"][0]

    @property
    def dtype_policy(self) -> Any:
        """What it is computed in."""
        return super().dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, policy: Any) -> None:
        keras.layers.Layer.dtype_policy.fset(self, policy)
        inner = getattr(self, "inner", None)
        if inner is not None:
            for layer in inner._flatten_layers(include_self=False):
                layer.dtype_policy = policy

    @property
    def _n_prefix(self) -> int:
        """Tokens before those of the patches: the class token, if any, and registers."""
        return TOWERS[self.tower].n_prefix(self.settings)

    def _make(self) -> keras.Model:
        cls = getattr(import_hub().models, self.tower)
        backbone = cls(**self.settings, dtype=self.dtype_policy)
        return cut(self.tower, backbone, self.blocks)

    def _map_shape(self, shape: Shape) -> Shape:
        if len(shape) == 4:
            return shape
        photos, n_tokens, channels = shape
        assert n_tokens is not None and channels is not None
        side = math.isqrt(n_tokens - self._n_prefix)
        return photos, side, side, 2 * channels if self._n_prefix else channels

    def _map(self, tokens: Any, shape: Shape) -> Any:
        if len(tokens.shape) == 4:
            return tokens
        _, side, _, _ = shape
        channels = tokens.shape[2]
        patches = ops.reshape(tokens[:, self._n_prefix :], (-1, side, side, channels))
        if not self._n_prefix:
            return patches
        class_token = ops.reshape(tokens[:, 0], (-1, 1, 1, channels))
        return ops.concatenate([patches, ops.zeros_like(patches) + class_token], axis=-1)


@contextlib.contextmanager
def _no_weights() -> Iterator[None]:
    """Layers that are made inside have weights with shapes, and no memory for them.

    Keras would make up for that later; what it keeps for that is forgotten.
    """
    from keras.src.backend.common import global_state

    kept = "uninitialized_variables"
    waiting = list(global_state.get_global_attribute(kept) or ())
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        global_state.set_global_attribute(kept, waiting)


def _check_first_map(settings: Mapping[str, Any]) -> None:
    """Refuse tables of positions that would fill the memory while the rest is looked at."""
    patch = settings.get("patch_size", 1)
    patch = min(patch) if isinstance(patch, list) else patch
    for shape in (settings["image_shape"], settings.get("position_embedding_shape", [0, 0])):
        places = (shape[0] // patch) * (shape[1] // patch)
        if places * settings.get("hidden_dim", 1) > _MOST_NUMBERS:
            raise InputError("its tower computes more than any network of decaf's")


def import_hub() -> Any:
    """Import keras-hub.

    Raises
    ------
    InputError
        It is not installed.
    """
    if find_spec("keras_hub") is None:
        raise InputError("keras-hub is not installed: pip install 'decaf[hub]'")
    import keras_hub

    return keras_hub


def count_blocks(tower: str, settings: Mapping[str, Any]) -> int:
    """As many blocks a tower has."""
    if TOWERS[tower].stages is _mobilenet:
        return len(settings["stackwise_num_blocks"]) + bool(settings.get("use_msfa", True))
    return math.ceil(settings["num_layers"] / EVERY)


def cut(tower: str, backbone: keras_hub.models.Backbone, blocks: int) -> keras.Model:
    """A backbone up to a block, with what each block gives: tokens or maps."""
    stages = TOWERS[tower].stages(backbone)
    return keras.Model(backbone.inputs[0], stages[:blocks])


def settings_of(backbone: keras_hub.models.Backbone) -> dict[str, Any]:
    """What a backbone of keras-hub was made with, as `HubTower` takes it."""
    told = {
        name: value
        for name, value in backbone.get_config().items()
        if name not in ("name", "trainable", "dtype", "data_format")
    }
    # Of blocks in between decaf takes what the next block gets.
    return _plain_settings(told | {name: off for name, off in _OFF.items() if name in told})


def _vit(backbone: Any) -> list[Any]:
    encoder = backbone.get_layer("vit_encoder")
    tokens = encoder.dropout(backbone.get_layer("vit_patching_and_embedding").output)
    return _chain(encoder.encoder_layers, tokens, encoder.layer_norm)


def _dinov2(backbone: Any) -> list[Any]:
    return _chain(backbone.encoder.layers, backbone.embeddings.output, backbone.layernorm)


def _dinov3(backbone: Any) -> list[Any]:
    with_places = {
        "position_embeddings": backbone.rope_embedding.output,
        "num_prefix_tokens": 1 + backbone.num_register_tokens,
    }
    tokens = backbone.embeddings.output
    return _chain(backbone.encoder.layers, tokens, backbone.layernorm, **with_places)


def _clip(backbone: Any) -> list[Any]:
    tokens = backbone.pre_layer_norm.output
    return _chain(backbone.encoder_layers, tokens, backbone.layer_norm)


def _siglip(backbone: Any) -> list[Any]:
    tokens = backbone.embedding.output
    return _chain(backbone.encoder_layers, tokens, backbone.post_layer_norm)


def _chain(blocks: Any, tokens: Any, norm: Callable[[Any], Any], **more: Any) -> list[Any]:
    """The tokens after every third block, and after the last, which are normalised."""
    found = []
    for number, block in enumerate(blocks, start=1):
        tokens = block(tokens, **more)
        if number == len(blocks):
            found.append(norm(tokens))
        elif number % EVERY == 0:
            found.append(tokens)
    return found


def _mobilenet(backbone: Any) -> list[Any]:
    blocks = iter([layer for layer in backbone.layers[2:] if layer.name != "msfa"])
    maps = [
        [next(blocks) for _ in range(n_blocks)][-1].output
        for n_blocks in backbone.stackwise_num_blocks
    ]
    return [*maps, backbone.output] if backbone.use_msfa else maps


@dataclass(frozen=True)
class Tower:
    """A class of keras-hub's that is an image tower.

    Attributes
    ----------
    stages : callable
        From one of its backbones to what each block gives: tokens, or maps.
    n_prefix : callable
        From its settings to the number of tokens before those of the patches; the first of them is
        the class token.
    """

    stages: Callable[[Any], list[Any]]
    n_prefix: Callable[[Mapping[str, Any]], int] = lambda settings: 1


TOWERS = {
    "ViTBackbone": Tower(_vit, lambda settings: int(settings.get("use_class_token", True))),
    "DINOV2Backbone": Tower(_dinov2, lambda settings: 1 + settings.get("num_register_tokens", 0)),
    "DINOV3Backbone": Tower(_dinov3, lambda settings: 1 + settings.get("num_register_tokens", 4)),
    "CLIPVisionEncoder": Tower(_clip),
    "SigLIPVisionEncoder": Tower(_siglip, lambda settings: 0),
    "MobileNetV5Backbone": Tower(_mobilenet, lambda settings: 0),
}
_OFF = {"apply_layernorm": False, "intermediate_output_index": None}


def _plain_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A copy that holds nothing but numbers, texts and lists of these, none of them absurd."""
    if not isinstance(settings, Mapping) or not all(isinstance(name, str) for name in settings):
        raise InputError("its tower has no settings")
    if any(name in settings for name in ("name", "dtype", "data_format", "trainable")):
        raise InputError("its tower's settings are not decaf's")
    left = iter(range(_MOST_SETTINGS))

    def plain(value: Any) -> Any:
        if next(left, None) is None:
            raise InputError("its tower has too many settings")
        if isinstance(value, list | tuple):
            return [plain(each) for each in value]
        if value is None or isinstance(value, str):
            return value
        # NaN is no smaller than anything.
        if isinstance(value, int | float) and abs(value) <= _LARGEST_SETTING:
            return value
        raise InputError(f"its tower has a setting {str(value)[:40]}")

    found = {name: plain(value) for name, value in settings.items()}
    shape, n_layers = found.get("image_shape"), found.get("num_layers", 1)
    if not isinstance(shape, list) or shape != [shape[0], shape[0], 3] or shape[0] is None:
        raise InputError("its tower takes no square photos in RGB")
    if not isinstance(n_layers, int) or not 1 <= n_layers <= _MOST_LAYERS:
        raise InputError("its tower has no such number of layers")
    return found
