"""Makes vgg-int8.onnx from vgg-f32.onnx: static post-training quantisation with onnxruntime's quantiser.

Format: QOperator, i.e. QuantizeLinear, then only QLinearConv / MaxPool / Flatten on u8, then DequantizeLinear.
Activations u8 (min-max over training faces), weights s8 per output channel and symmetric, biases i32, ReLU folded into
the convolution before it (its output range starts at 0, so saturation is the ReLU).

Calibrated on training faces only, picked by a seed: validation never decides a scale. `--ranges` keeps the measured
ranges in a small file, from which the int8 file can be rebuilt without the data set.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import TensorData, TensorsData, CalibrationMethod
from onnxruntime.quantization.onnx_quantizer import ONNXQuantizer
from onnxruntime.quantization.quant_utils import QuantizationMode
from onnxruntime.quantization.registry import QLinearOpsRegistry

import vgg
from dataset import Faces

CALIBRATION_FACES, SEED = 1024, 20
RANGES = Path(__file__).with_name("calibration.json")


def decoded(path: str | Path) -> onnx.ModelProto:
    """The f32 graph with its f16 initialisers decoded and the Casts gone, as the quantiser wants it."""
    model = onnx.load(str(path))
    graph = model.graph
    casts = {n.input[0]: n for n in graph.node if n.op_type == "Cast"}
    for constant in list(graph.initializer):
        if cast := casts.get(constant.name):
            values = numpy_helper.to_array(constant).astype(np.float32)
            graph.initializer.remove(constant)
            graph.initializer.append(numpy_helper.from_array(values, cast.output[0]))
            graph.node.remove(cast)
    return model


def training_faces(folder: Path, count: int = CALIBRATION_FACES) -> np.ndarray:
    """Patches of a seeded pick over all classes of the training folder."""
    faces = Faces.read(folder)
    print(f"{folder}: {len(faces)} faces, {faces.notes()}", file=sys.stderr)
    return faces.few(count, SEED)


def measure(model: onnx.ModelProto, folder: Path) -> dict[str, list[float]]:
    """Smallest and largest value of each activation over the calibration faces."""
    import onnxruntime as ort

    outputs = [o for n in model.graph.node for o in n.output if o != "logits"]
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    for name in outputs:
        probe.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    session = ort.InferenceSession(probe.SerializeToString())
    names = [*outputs, "logits"]
    low, high = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    for patch in training_faces(folder):
        x = vgg.normalise(patch).numpy()
        values = session.run(names, {"input": x})
        low = np.minimum(low, [v.min() for v in values])
        high = np.maximum(high, [v.max() for v in values])
    ranges = {n: [float(a), float(b)] for n, a, b in zip(names, low, high)}
    return {"input": INPUT_RANGE} | ranges


# Scale 1/127 and zero point 128: a patch's level k becomes 1 + 254k/255, never close to a rounding tie. The plain
# range -1..=1 would put every one of the 256 levels exactly on a tie.
INPUT_RANGE = [-128 / 127, 1.0]


def quantised(model: onnx.ModelProto, ranges: dict[str, list[float]]) -> onnx.ModelProto:
    data = {n: TensorData(lowest=np.float32(a), highest=np.float32(b)) for n, (a, b) in ranges.items()}
    quantiser = ONNXQuantizer(
        model, per_channel=True, reduce_range=False, mode=QuantizationMode.QLinearOps, static=True,
        weight_qType=QuantType.QInt8, activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, data), nodes_to_quantize=[], nodes_to_exclude=[],
        op_types_to_quantize=list(QLinearOpsRegistry), extra_options={})
    quantiser.quantize_model()
    result = quantiser.model.model
    used = {name for node in result.graph.node for name in node.input}
    for constant in [c for c in result.graph.initializer if c.name not in used]:
        result.graph.initializer.remove(constant)
    result.producer_name, result.producer_version = "moodlight", ""
    del result.opset_import[:]
    result.opset_import.append(onnx.helper.make_opsetid("", 13))
    check(result)
    return result


def check(model: onnx.ModelProto) -> None:
    """The promise of the file: between the first and the last node, only operators on integers."""
    onnx.checker.check_model(model)
    kinds = [n.op_type for n in model.graph.node]
    inner = set(kinds[1:-1])
    if kinds[0] != "QuantizeLinear" or kinds[-1] != "DequantizeLinear" or inner - {"QLinearConv", "MaxPool", "Flatten"}:
        raise SystemExit(f"the quantiser left other operators: {kinds}")


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--model", default="vgg-f32.onnx")
    args.add_argument("--out", default="vgg-int8.onnx")
    args.add_argument("--ranges", type=Path, default=RANGES, help="measured activation ranges (JSON)")
    args.add_argument("--measure", type=Path, metavar="TRAIN", help="measure the ranges anew on this training folder")
    args = args.parse_args()
    model = decoded(args.model)
    digest = vgg.sha256(args.model)
    if args.measure:
        found = {"model_sha256": digest, "faces": CALIBRATION_FACES, "seed": SEED, "ranges": measure(model, args.measure)}
        args.ranges.write_text(json.dumps(found, indent=1) + "\n")
    found = json.loads(args.ranges.read_text())
    if found["model_sha256"] != digest:
        raise SystemExit(f"{args.ranges}: measured on another model ({found['model_sha256'][:8]}…, this one is "
                         f"{digest[:8]}…); measure anew with --measure TRAIN")
    data = quantised(model, found["ranges"]).SerializeToString(deterministic=True)
    Path(args.out).write_bytes(data)
    print(f"{args.out}: {len(data)} bytes, sha256 {vgg.sha256(args.out)}")


if __name__ == "__main__":
    main()
