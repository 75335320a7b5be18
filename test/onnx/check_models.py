"""Checks ONNX files by ONNX's own checker, and their outputs in onnxruntime.

Usage: check_models.py DIRECTORY, which has for each NAME.onnx the files NAME.json, with the shape of its input and of
its outputs by name, NAME.input.f32, and NAME.OUTPUT.f32 for each output that is compared. Prints a line of JSON for each.
"""

import json
import pathlib
import sys

import numpy
import onnx
import onnxruntime


def values(path, shape):
    return numpy.fromfile(path, numpy.float32).reshape(shape)


def difference(found, expected):
    """The largest difference, relative to the largest value."""
    return float(numpy.abs(found - expected).max() / numpy.abs(expected).max())


def check(directory, name):
    path = str(directory / f"{name}.onnx")
    onnx.checker.check_model(path, full_check=True)
    about = json.loads((directory / f"{name}.json").read_text())
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    images = values(directory / f"{name}.input.f32", about["input"])
    result = {"name": name, "differences": {}, "batch": {}}
    names = list(about["outputs"])
    whole = dict(zip(names, session.run(names, {"pixel_values": images})))
    first = dict(zip(names, session.run(names, {"pixel_values": images[:1]})))
    for output, shape in about["outputs"].items():
        expected = values(directory / f"{name}.{output}.f32", shape)
        result["differences"][output] = difference(whole[output], expected)
        result["batch"][output] = difference(first[output], expected[:1])
    return result


def main():
    directory = pathlib.Path(sys.argv[1])
    for path in sorted(directory.glob("*.onnx")):
        print(json.dumps(check(directory, path.stem)))


main()
