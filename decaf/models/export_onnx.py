"""Scorers as ONNX files, whose kernels may be kept in float16 or int8, or computed with in int8."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import keras
import numpy as np

from decaf.models.scorer import input_signature, take_photos

# LiteRT's converter leaves smaller ones alone, too (minimum_elements_for_weights).
SMALLEST_KERNEL = 1024


def write_onnx(
    network: keras.Model,
    path: Path,
    precision: str,
    photos: Iterable[np.ndarray],
    batch_size: int | None,
) -> None:
    """Write a scorer as an ONNX file.

    Parameters
    ----------
    network, path, precision, photos
        As in `decaf.models.formats.write_scorer`.
    batch_size : int or None
        None is any.
    """
    scorer = take_photos(network, "uint8", batch_size)
    scorer.export(path, format="onnx", verbose=False, input_signature=input_signature(scorer))
    if precision == "int8-full":
        _quantise(path, photos)
    elif precision != "float32":
        _shrink_kernels(path, precision)


def describe_onnx(path: Path, texts: Mapping[str, str]) -> None:
    """Write texts into an ONNX file, as its metadata.

    Parameters
    ----------
    path : Path
    texts : dict of str to str
    """
    import onnx

    scorer = onnx.load(path)
    onnx.helper.set_model_props(scorer, dict(texts))
    # The converter gives a batch of any size a name of its own.
    for value in (*scorer.graph.input, *scorer.graph.output):
        batch = value.type.tensor_type.shape.dim[0]
        if batch.dim_param:
            batch.dim_param = "n_photos"
    onnx.save(scorer, path)


def _shrink_kernels(path: Path, precision: str) -> None:
    """Keep a file's kernels in float16 or int8, and turn them into float32 when it is loaded.

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


def _quantise(path: Path, photos: Iterable[np.ndarray]) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Photos(CalibrationDataReader):
        def __init__(self) -> None:
            self.remaining = iter(photos)

        def get_next(self) -> dict[str, np.ndarray] | None:
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
