"""What is done to a photo before the convolutions, as a layer of the network.

Each normalisation takes RGB in 0–255 to ``rgb * scale + offset``, with what the weights were
trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

PHOTO = "photo"
NORMALISATION = "normalisation"


@dataclass(frozen=True)
class Normalisation:
    """``rgb * scale + offset``, by channel or for all of them."""

    scale: float | tuple[float, ...]
    offset: float | tuple[float, ...]


# torchvision.models, "Transforms" of each model's weights: (rgb / 255 - mean) / deviation, with the
# means and deviations of ImageNet.
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TORCHVISION = Normalisation(
    tuple(1 / (255 * deviation) for deviation in _DEVIATION),
    tuple(-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION)),
)
# Mean colours of ImageNet: bvlc_alexnet's, rounded as usual, and those that
# keras.applications.imagenet_utils.preprocess_input(mode="caffe") subtracts.
BVLC = Normalisation(1.0, (-123.0, -117.0, -104.0))
CAFFE = Normalisation(1.0, (-123.68, -116.779, -103.939))
# keras.applications.imagenet_utils.preprocess_input(mode="tf")
SYMMETRIC = Normalisation(1 / 127.5, -1.0)
# tensorflow/tpu, efficientnet/lite/efficientnet_lite_builder.py: MEAN_RGB 127, STDDEV_RGB 128
LITE = Normalisation(1 / 128, -127 / 128)


def normalised_photo(
    size: int, normalisation: Normalisation
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Begin a network.

    Parameters
    ----------
    size : int
        Height and width of its photos, in pixels.
    normalisation : Normalisation

    Returns
    -------
    photo, normalised : KerasTensor
        (batch, size, size, 3)
    """
    import keras

    scale, offset = (
        list(each) if isinstance(each, tuple) else each
        for each in (normalisation.scale, normalisation.offset)
    )
    photo = keras.Input((size, size, 3), name=PHOTO)
    rescaling = keras.layers.Rescaling(scale, offset, name=NORMALISATION, dtype="float32")
    return photo, rescaling(photo)
