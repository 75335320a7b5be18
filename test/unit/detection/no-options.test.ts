// Calls of plain JavaScript without what they need: each error has a code, and none is a TypeError.
import { expect } from "chai";
import { createDetector, createSession, type Detector, drawDetections, evaluateDetections, functional, loadDataset,
  readCocoAnnotations, readVocAnnotations, Tensor, toCocoResults } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";

type Call = (...args: unknown[]) => unknown;
const untyped = (call: unknown): Call => call as Call;

const SCENES = { kind: "scenes", numClasses: 2, trainSamples: 2, testSamples: 2 };
const image = Tensor.from(new Float32Array(12), [3, 2, 2]);
const { regionProposals, retinaNetHead, roiLosses, transform } = functional.detection;

describe("a call without its arguments is an error with a code", () => {
  let detector: Detector;
  before(async () => {
    detector = await createDetector("faster-rcnn-resnet18-fpn", { numClasses: 3 });
  });
  after(() => {
    detector.dispose();
  });

  const CALLS: Readonly<Record<string, () => unknown>> = {
    "evaluateDetections without options": () => untyped(evaluateDetections)(),
    "evaluateDetections of null": () => untyped(evaluateDetections)(null),
    "createDetector with null": () => untyped(createDetector)("faster-rcnn-resnet18-fpn", null),
    "createSession without a target": () => untyped(createSession)(),
    "loadDataset with null": () => untyped(loadDataset)(SCENES, null),
    "loadDataset with a number as signal": () => untyped(loadDataset)(SCENES, { signal: 5 }),
    "readCocoAnnotations with null": () => untyped(readCocoAnnotations)("a.json", null),
    "readVocAnnotations with null": () => untyped(readVocAnnotations)("VOC2012", null),
    "drawDetections without detections": () => untyped(drawDetections)("photo.jpg"),
    "drawDetections of an empty object": () => untyped(drawDetections)("photo.jpg", {}),
    "toCocoResults without detections": () => untyped(toCocoResults)(1),
    "transform without options": () => untyped(transform)([image]),
    "transform with null as target": () => untyped(transform)([image], { minSize: 4, maxSize: 8, targets: [null] }),
    "regionProposals without options": () => untyped(regionProposals)([image], {}),
    "retinaNetHead without options": () => untyped(retinaNetHead)([image], {}),
    "roiLosses without options": () => untyped(roiLosses)(image, image, image, image),
    "detect of a class that does not exist": () => detector.detect(image, { labels: [3] }),
    "evaluate with null": () => untyped(detector.evaluate.bind(detector))({}, null),
    "detectAll with null": () => (untyped(detector.detectAll.bind(detector))("x", null) as AsyncGenerator).next(),
    "detectAll with a word as signal": () => detector.detectAll("x", { signal: "x" as never }).next(),
  };
  for (const [what, call] of Object.entries(CALLS)) {
    it(what, async () => {
      const { message } = await failureOf("INVALID_ARGUMENT", async () => {
        await call();
      });
      expect(message).to.match(/^invalid .+: expected .+, received /s);
    });
  }
});
