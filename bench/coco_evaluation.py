"""pycocotools' half of coco-evaluation.mjs: one JSON request per line on stdin, one JSON answer per line on stdout."""

import contextlib
import io
import json
import sys
import time
from importlib.metadata import version

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

data = {}


def load(request: dict) -> dict:
    data["truths"] = COCO(request["groundTruth"])
    data["detections"] = data["truths"].loadRes(request["detections"])
    return {"pycocotools": version("pycocotools"), "numpy": np.__version__, "python": sys.version.split()[0]}


def evaluate(request: dict) -> dict:
    evaluation = COCOeval(data["truths"], data["detections"], request["kind"])
    start = time.perf_counter()
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return {"seconds": time.perf_counter() - start, "stats": evaluation.stats.tolist()}


for line in sys.stdin:
    request = json.loads(line)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            answer = {"load": load, "evaluate": evaluate}[request["operation"]](request)
    except Exception as error:  # the other half reports it
        answer = {"error": repr(error)}
    print(json.dumps(answer), flush=True)
