"""Generic image descriptors: colours, textures, composition, keypoints (the paper's figure 6)."""

from importlib.util import find_spec

if find_spec("skimage") is None:
    raise ImportError("features.descriptors needs scikit-image: pip install 'decaf[descriptors]'")
