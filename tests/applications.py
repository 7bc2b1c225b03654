"""Networks of Keras Applications with random weights, and files of these."""

import h5py
import keras
from keras.src.legacy.saving import legacy_h5_format

from decaf.networks.backbones import get_backbone

APPLICATIONS = {
    "vgg16": (keras.applications.VGG16, keras.applications.vgg16),
    "resnet50": (keras.applications.ResNet50, keras.applications.resnet50),
    "inception-v3": (keras.applications.InceptionV3, keras.applications.inception_v3),
    "mobilenet-v2": (keras.applications.MobileNetV2, keras.applications.mobilenet_v2),
}


def make_application(name, path):
    """A network of Keras Applications with random weights, and their file as Keras ships it."""
    keras.utils.set_random_seed(0)
    size = get_backbone(name).input_size
    build, _ = APPLICATIONS[name]
    application = build(weights=None, include_top=False, input_shape=(size, size, 3))
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, application)
    return application
