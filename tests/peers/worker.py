"""One peer in a process of its own: loads a model, then measures when told to.

    worker.py PEER MODEL THREADS        stdin: "SECONDS" a line; stdout: one JSON object a line

The first line out says how long loading took; each line in is answered with the times of calls in a row, in ms. The end
of stdin is answered with the most memory that loading and running added to the interpreter, in MiB.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np


def memory(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024


def onnxruntime(model: str, threads: int):
    import onnxruntime as ort

    before = memory("VmRSS")
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return before, lambda x: session.run(None, {name: x})[0]


def openvino(model: str, threads: int):
    import openvino as ov

    before = memory("VmRSS")
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
    request = ov.Core().compile_model(model, "CPU", settings).create_infer_request()
    return before, lambda x: request.infer([x], share_inputs=True)[0]


def litert(model: str, threads: int):
    from ai_edge_litert.interpreter import Interpreter

    before = memory("VmRSS")
    interpreter = Interpreter(model_path=model, num_threads=threads)
    interpreter.allocate_tensors()
    entry, exit = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(x):
        interpreter.set_tensor(entry, x.reshape(1, 48, 48, 1))
        interpreter.invoke()
        return interpreter.get_tensor(exit)

    return before, run


def ncnn(model: str, threads: int):
    import ncnn

    before = memory("VmRSS")
    net = ncnn.Net()
    net.opt.num_threads, net.opt.use_vulkan_compute = threads, False
    if net.load_param(f"{model}.param") or net.load_model(f"{model}.bin"):
        raise SystemExit(f"ncnn refuses {model}")
    last = net.output_names()[0]

    def run(x):
        extractor = net.create_extractor()
        extractor.input("input", ncnn.Mat(x[0]).clone())
        return np.array(extractor.extract(last)[1]).reshape(1, -1)

    return before, run


def opencv(model: str, threads: int):
    import cv2

    before = memory("VmRSS")
    cv2.setNumThreads(threads)
    net = cv2.dnn.readNetFromONNX(model)

    def run(x):
        net.setInput(x)
        return net.forward()

    return before, run


def timed(run, x: np.ndarray, seconds: float) -> list[float]:
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        run(x)
        times.append((time.perf_counter() - start) * 1e3)
    return times


def main() -> None:
    peer, model, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    x = np.load(Path(model).parent / "input.npy")
    start = time.perf_counter()
    before, run = globals()[peer](model, threads)
    logits = np.asarray(run(x)).reshape(-1)
    say = lambda **what: print(json.dumps(what), flush=True)
    say(load_ms=(time.perf_counter() - start) * 1e3, logits=[float(v) for v in logits])
    for line in sys.stdin:
        say(times=timed(run, x, float(line)))
    say(peak_mib=memory("VmHWM") - before)


if __name__ == "__main__":
    main()
