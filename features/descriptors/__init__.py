"""Generic image descriptors: colours, textures, composition, keypoints (the paper's figure 6)."""
