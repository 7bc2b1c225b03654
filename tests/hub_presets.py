"""Presets of keras-hub's for the tests: its own classes, few and narrow layers, random weights."""

from pathlib import Path

import keras

SIZE = 32


def save_preset(folder: Path, kind: str):
    """Save a tiny preset with its image converter; give both as keras-hub has them."""
    import keras_hub

    keras.utils.set_random_seed(3)
    backbone = MAKERS[kind](keras_hub.models)
    for weight in backbone.weights:  # no zeros, which would hide what is left out
        if "int" not in weight.dtype and "position_embeddings" not in weight.name:
            weight.assign(weight + keras.random.normal(weight.shape, stddev=0.05))
    converter = getattr(keras_hub.layers, f"{kind}ImageConverter")(
        image_size=(SIZE, SIZE), scale=[0.02, 0.03, 0.01], offset=[-1.0, -2.0, -0.5]
    )
    backbone.save_to_preset(str(folder))
    converter.save_to_preset(str(folder))
    return backbone, converter


def _vit(models):
    return models.ViTBackbone((SIZE, SIZE, 3), 16, 4, 2, 8, 12)


def _dinov2(models):
    return models.DINOV2Backbone(
        16, 4, 8, 2, 12, num_register_tokens=2, image_shape=(SIZE, SIZE, 3),
        position_embedding_shape=(48, 48, 3),
    )  # fmt: skip


def _dinov3(models):
    return models.DINOV3Backbone(
        16, 4, 8, 2, 12, num_register_tokens=2, image_shape=(SIZE, SIZE, 3)
    )


def _clip(models):
    image = models.CLIPVisionEncoder(16, 8, 4, 2, 12, image_shape=(SIZE, SIZE, 3))
    text = models.CLIPTextEncoder(11, 8, 8, 1, 2, 12, max_sequence_length=5)
    return models.CLIPBackbone(image, text, projection_dim=8)


def _siglip(models):
    image = models.SigLIPVisionEncoder(16, 8, 4, 2, 12, image_shape=(SIZE, SIZE, 3))
    text = models.SigLIPTextEncoder(11, 8, 8, 1, 2, 12, max_sequence_length=5)
    return models.SigLIPBackbone(image, text)


def _mobilenet(models):
    def each(value):
        return [[value], [value, value]]

    return models.MobileNetV5Backbone(
        stackwise_block_types=[["er"], ["uir", "mqa"]],
        stackwise_num_blocks=[1, 2],
        stackwise_num_filters=[[8], [16, 16]],
        stackwise_strides=[[2], [2, 1]],
        stackwise_act_layers=each("gelu"),
        stackwise_exp_ratios=each(2.0),
        stackwise_se_ratios=each(0.0),
        stackwise_dw_kernel_sizes=[[0], [3, 3]],
        stackwise_dw_start_kernel_sizes=each(0),
        stackwise_dw_end_kernel_sizes=each(0),
        stackwise_exp_kernel_sizes=[[3], [0, 0]],
        stackwise_pw_kernel_sizes=[[1], [0, 0]],
        stackwise_num_heads=[[0], [0, 2]],
        stackwise_key_dims=[[0], [0, 4]],
        stackwise_value_dims=[[0], [0, 4]],
        stackwise_kv_strides=[[0], [0, 1]],
        stackwise_use_cpe=each(False),
        stem_size=8,
        num_features=16,
        use_msfa=True,
        msfa_output_resolution=4,
        image_shape=(SIZE, SIZE, 3),
    )


MAKERS = {
    "ViT": _vit,
    "DINOV2": _dinov2,
    "DINOV3": _dinov3,
    "CLIP": _clip,
    "SigLIP": _siglip,
    "MobileNetV5": _mobilenet,
}
