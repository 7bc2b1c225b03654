"""One-file scorers for other runtimes: ONNX and LiteRT.

A scorer takes the RGB bytes of one photo, 1 × size × size × 3, and gives the probability of
"professional"; normalisation, convolutions, head and classifier are inside. The photo is brought to
size × size by whoever calls it.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from classifiers.evaluation.calibration import apply_sigmoid, decision_score
from decaf.backend import silent_stderr
from decaf.models.model import Model
from decaf.networks.network import features_model
from features.errors import InputError

FORMATS = (".onnx", ".tflite")
# What the weights are kept in; int8-full computes in it as well.
PRECISIONS = ("float32", "float16", "int8", "int8-full")
# LiteRT's converter leaves smaller ones alone, too (minimum_elements_for_weights).
SMALLEST_KERNEL = 1024
# The guide to LiteRT's post-training quantisation asks for 100 to 500 representative photos.
CALIBRATION_PHOTOS = 200


def probability_network(model: Model, head: str = "classifier") -> keras.Model:
    """A model as one Keras network, its classifier folded into the last layers.

    Parameters
    ----------
    model : Model
        Loaded in float32.
    head : {"classifier", "softmax"}
        The classifier with its calibration, or the network's own output as in
        `softmax_probability`.

    Returns
    -------
    keras.Model
        From RGB photos (n_photos, size, size, 3), 0–255, to the probability of professional
        (n_photos, 1).

    Raises
    ------
    InputError
        The classifier is not linear, or the network has no head.
    """
    if head == "softmax":
        if model.network_record["outputs"] is None:
            raise InputError(
                f"{model.folder}: its network is a plain backbone, without a softmax; leave --head "
                "softmax out"
            )
        return softmax_probability(model.network, model.network_record)
    kernel, intercept = _fold_linear(model)
    sigmoid = model.record["calibration"]
    features = _features(model)
    score = layers.Dense(1, name="score")
    within = layers.ReLU(max_value=sigmoid["highest"] - sigmoid["lowest"], name="within")
    probability = layers.Dense(1, "sigmoid", name="probability")
    network = keras.Model(features.input, probability(within(score(features.output))))
    # ReLU clips at 0, so the score is counted from the lowest one.
    score.set_weights([kernel[:, None], np.array([intercept - sigmoid["lowest"]])])
    lowest_logit = sigmoid["slope"] * sigmoid["lowest"] + sigmoid["intercept"]
    probability.set_weights([np.array([[sigmoid["slope"]]]), np.array([lowest_logit])])
    return network


def softmax_probability(network: keras.Model, record: dict) -> keras.Model:
    """A network with a head, as one that gives the probability of professional.

    Parameters
    ----------
    network : keras.Model
    record : dict
        Its ``outputs`` and, where these are votes, ``midpoint``.

    Returns
    -------
    keras.Model
        From RGB photos (n_photos, size, size, 3), 0–255, to (n_photos, 1): the second class's
        softmax; of predicted votes the share above the midpoint, those at it counting half.
    """
    share = layers.Dense(1, use_bias=False, name="probability")
    professional = keras.Model(network.input, share(network.output))
    share.set_weights([_share_above(record)[:, None]])
    return professional


def predict_photos(model: Model, head: str, photos: np.ndarray) -> np.ndarray:
    """Probabilities by the Keras network and the scikit-learn classifier, nothing folded.

    Parameters
    ----------
    model : Model
    head : {"classifier", "softmax"}
    photos : ndarray of uint8, shape (n_photos, size, size, 3)

    Returns
    -------
    ndarray, shape (n_photos,)
    """
    if head == "softmax":
        return model.network.predict(photos, verbose=0) @ _share_above(model.network_record)
    features = _features(model).predict(photos, verbose=0)
    return apply_sigmoid(model.record["calibration"], decision_score(model.classifier, features))


def export_network(
    network: keras.Model,
    path: str | os.PathLike,
    precision: str = "float32",
    photos: Sequence[np.ndarray] = (),
) -> None:
    """Write a scorer to one file, whose name says the format.

    Parameters
    ----------
    network : keras.Model
        From RGB photos (n_photos, size, size, 3), 0–255, to (n_photos, 1).
    path : path-like
        Ends in ``.onnx`` or ``.tflite``; is overwritten.
    precision : {"float32", "float16", "int8", "int8-full"}
        float16 and int8 are what the weights are kept in (int8: with a scale a channel); an
        ONNX runtime computes in float32, LiteRT rounds the activations of int8 layers as well,
        each photo's by its own range. int8-full computes in int8, by ranges that were seen in the
        photos.
    photos : sequence of ndarray of uint8, shape (size, size, 3)
        Representative ones, for int8-full.

    Raises
    ------
    InputError
        What converts is not installed, or cannot work with Keras's back end.
    """
    path = Path(path)
    check_format(path)
    if precision == "int8-full" and not len(photos):
        raise InputError(f"{path}: int8-full needs representative photos; name some with --photos")
    with _quiet():
        if path.suffix == ".onnx":
            _export_onnx(network, path, precision, photos)
        else:
            _export_litert(network, path, precision, photos)


def representative_rows(n_photos: int) -> np.ndarray:
    """Which photos stand for all where int8-full looks for its ranges: spread evenly.

    Parameters
    ----------
    n_photos : int

    Returns
    -------
    ndarray of int
        At most `CALIBRATION_PHOTOS`.
    """
    return np.linspace(0, n_photos - 1, min(n_photos, CALIBRATION_PHOTOS), dtype=int)


def check_format(path: str | os.PathLike) -> None:
    """Refuse a name of another format, or a format whose converter or runtime is missing.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    InputError
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise InputError(f"{path}: a scorer's file name must end in {' or '.join(FORMATS)}")
    for name in _MODULES[path.suffix]:
        if find_spec(name) is None:
            raise InputError(f"{path}: {name} is not installed: pip install 'decaf[export]'")
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"{path}: only TensorFlow exports; set KERAS_BACKEND=tensorflow, and install it with "
            "pip install 'decaf[cpu]'"
        )


def open_scorer(path: str | os.PathLike) -> Callable[[np.ndarray], float]:
    """Open an exported file with its runtime, on one thread.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    callable
        From RGB (size, size, 3), uint8, to the probability of professional.
    """
    path = Path(path)
    if path.suffix == ".onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        (photo,) = session.get_inputs()
        return lambda rgb: session.run(None, {photo.name: rgb[None]})[0].item()
    from ai_edge_litert.interpreter import Interpreter

    with _quiet():
        interpreter = Interpreter(str(path), num_threads=1)
        interpreter.allocate_tensors()
    (photo,), (probability,) = interpreter.get_input_details(), interpreter.get_output_details()

    def score(rgb):
        interpreter.set_tensor(photo["index"], rgb[None])
        interpreter.invoke()
        return interpreter.get_tensor(probability["index"]).item()

    return score


def measure_latency(score: Callable[[np.ndarray], float], rgb: np.ndarray, runs: int) -> float:
    """How long a scorer takes for one photo.

    Parameters
    ----------
    score : callable
        From `open_scorer`.
    rgb : ndarray of uint8, shape (size, size, 3)
    runs : int
        As many are timed, after a tenth as many that warm it up.

    Returns
    -------
    float
        Seconds, the runs' median.
    """
    seconds = []
    for run in range(-max(1, runs // 10), runs):
        start = time.perf_counter()
        score(rgb)
        if run >= 0:
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


# What converts and what runs, by format.
_MODULES = {".onnx": ("tf2onnx", "onnx", "onnxruntime"), ".tflite": ("ai_edge_litert",)}


def _features(model):
    plain = model.network_record["outputs"] is None
    return model.network if plain else features_model(model.network)


def _share_above(record):
    """What each output counts towards professional."""
    if record["outputs"] == ["snapshot", "professional"]:
        return np.array([0.0, 1.0])
    return (np.sign(np.subtract(record["outputs"], record["midpoint"])) + 1) / 2


def _fold_linear(model):
    """The coefficients and the intercept of a linear classifier on features as they come."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    is_pipeline = isinstance(model.classifier, Pipeline)
    *scalers, linear = model.classifier if is_pipeline else [model.classifier]
    if not isinstance(linear, (LogisticRegression, LinearSVC)) or any(
        not isinstance(scaler, StandardScaler) for scaler in scalers
    ):
        name = model.record.get("classifier", type(linear).__name__)
        plain = model.network_record["outputs"] is None
        remedy = "" if plain else "export the network's own output with --head softmax, or "
        raise InputError(
            f"{model.folder}: {name} is not linear, and only logistic-regression and linear-svm "
            f"fit into a file; {remedy}fit the model with --classifier logistic-regression"
        )
    kernel, intercept = linear.coef_[0], linear.intercept_[0]
    for scaler in reversed(scalers):
        kernel = kernel / scaler.scale_
        intercept = intercept - kernel @ scaler.mean_
    return kernel, intercept


def _export_onnx(network, path, precision, photos):
    takes_bytes = _wrap(network, "uint8")
    takes_bytes.export(path, format="onnx", verbose=False, input_signature=_signature(takes_bytes))
    if precision == "int8-full":
        _quantise_onnx(path, photos)
    elif precision != "float32":
        _shrink_kernels(path, precision)


def _shrink_kernels(path, precision):
    """Keep an ONNX file's kernels in float16 or int8, and turn them into float32 when it is loaded.

    onnxruntime's quantisation has no weights-only kind for convolutions. int8 is widened by Cast
    and Mul, which ONNX Runtime does once, and not by DequantizeLinear, which it does for every
    photo: MobileNetV2 took 24 ms in place of 9 by it.
    """
    import onnx
    from onnx import helper, numpy_helper

    scorer = onnx.load(path)
    graph = scorer.graph
    # The axis of a kernel's output channels.
    axis_of = {}
    for node in graph.node:
        if node.op_type in ("Conv", "MatMul", "Gemm"):
            turned = any(a.name == "transB" and a.i for a in node.attribute)
            axis_of[node.input[1]] = 0 if turned or node.op_type == "Conv" else 1
    wideners, to_float = [], onnx.TensorProto.FLOAT
    for kernel in list(graph.initializer):
        values = numpy_helper.to_array(kernel)
        if kernel.name not in axis_of or values.size < SMALLEST_KERNEL:
            continue
        graph.initializer.remove(kernel)
        small, wide, scale = (f"{kernel.name}:{part}" for part in ("small", "wide", "scale"))
        if precision == "float16":
            arrays = {small: values.astype(np.float16)}
            wideners.append(helper.make_node("Cast", [small], [kernel.name], to=to_float))
        else:
            others = tuple(i for i in range(values.ndim) if i != axis_of[kernel.name])
            largest = np.abs(values).max(axis=others, keepdims=True)
            step = (np.where(largest, largest, 1) / 127).astype(np.float32)
            arrays = {small: np.round(values / step).astype(np.int8), scale: step}
            wideners.append(helper.make_node("Cast", [small], [wide], to=to_float))
            wideners.append(helper.make_node("Mul", [wide, scale], [kernel.name]))
        graph.initializer.extend(
            numpy_helper.from_array(array, name) for name, array in arrays.items()
        )
    nodes = [*wideners, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(scorer, path)


def _quantise_onnx(path, photos):
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Photos(CalibrationDataReader):
        def __init__(self):
            self.remaining = iter(photos)

        def get_next(self):
            rgb = next(self.remaining, None)
            return None if rgb is None else {"photo": rgb[None]}

    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(path, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            path,
            Photos(),
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )


def _export_litert(network, path, precision, photos):
    import tensorflow as tf

    settings = {}
    scorer = _wrap(network, "uint8")
    if precision != "float32":
        settings["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        settings["target_spec"] = {"supported_types": [tf.float16]}
    if precision == "int8-full":
        scorer = _wrap(network, "float32")
        settings |= {
            "representative_dataset": lambda: _representative(photos),
            "inference_input_type": tf.uint8,
        }
    scorer.export(
        path, format="litert", verbose=False, input_signature=_signature(scorer), **settings
    )


def _representative(photos):
    """Photos for the converter; black and white let the input's range be that of bytes, 0–255."""
    shape = np.shape(photos[0])
    for rgb in (np.zeros(shape), np.full(shape, 255), *photos):
        yield [np.asarray(rgb, np.float32)[None]]


def _wrap(network, dtype):
    """A network that takes one photo of the given type."""
    photo = keras.Input(network.input_shape[1:], batch_size=1, dtype=dtype, name="photo")
    return keras.Model(photo, network(ops.cast(photo, "float32")))


def _signature(network):
    (photo,) = network.inputs
    # Keras exports only what was called once.
    network(np.zeros(photo.shape, photo.dtype))
    return [keras.InputSpec(photo.dtype, photo.shape, name=photo.name)]


@contextlib.contextmanager
def _quiet():
    """Keep to themselves what converters and runtimes say."""
    with silent_stderr(), warnings.catch_warnings(action="ignore"):
        yield
