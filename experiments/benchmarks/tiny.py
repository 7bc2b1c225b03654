"""The least that extract-features can work on: tiny photos and a network of a few weights."""

import os

# Of the network's input, in pixels.
SIDE = 32
# What one inode has room for on ext4 is 65,000 names.
ORIGINALS = 40


def make_photos(folder, n_photos):
    """Make small JPEGs under many names, and a file that is none in every hundred.

    Parameters
    ----------
    folder : pathlib.Path
        Not there yet.
    n_photos : int
    """
    import numpy as np
    from PIL import Image

    folder.mkdir()
    originals = []
    for number, pixels in enumerate(
        np.random.default_rng(0).integers(0, 256, (ORIGINALS, 6, 8, 3))
    ):
        originals.append(folder / f"{number:06}.jpg")
        Image.fromarray(pixels.astype(np.uint8)).resize((48, 36)).save(originals[-1])
    for number in range(ORIGINALS, n_photos):
        name = folder / f"{number:06}.jpg"
        if number % 100 == 0:
            name.write_bytes(b"no photo")
        else:
            os.link(originals[number % ORIGINALS], name)


def save_network(path):
    """Save a convolution and a head of random weights.

    Parameters
    ----------
    path : path-like
        Ends in `.keras`.
    """
    import keras
    from keras import layers

    from decaf.networks.network import Network
    from decaf.networks.record import NetworkRecord

    keras.utils.set_random_seed(0)
    photo = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(16, 3, strides=2, activation="relu")(photo)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(8, "relu", name="fc6")(x)
    x = layers.Dense(8, "relu", name="fc7")(x)
    x = layers.Dense(2, "softmax", name="output")(x)
    record = NetworkRecord("label", "random", "average", width=8)
    Network(keras.Model(photo, x), record).save(path)
