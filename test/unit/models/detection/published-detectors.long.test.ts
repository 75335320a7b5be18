// Detectors of all backbones. Parameter counts are those that torchvision publishes with its weights of COCO.
import { expect } from "chai";
import { createDetector, Tensor } from "../../../../lib/index.js";
import { namedImage } from "../../../support/detectors.js";
import { valuesOf } from "../../../support/numeric.js";

const PUBLISHED = [
  ["faster-rcnn-resnet50-fpn", 41_755_286],
  ["mask-rcnn-resnet50-fpn", 44_401_393],
  ["retinanet-resnet50-fpn", 34_014_999],
] as const;
/** ResNet-50's stem and first stage without norms, which torchvision's trainings leave as they are. */
const FIXED = 9_408 + 212_992;
/** Weights and biases of its norms; frozen ones are no parameters. */
const NORMS = 53_120;

/** Numbers that make a pass of random weights short. */
const SHORT = { minSize: 64, maxSize: 128 } as const;
const BACKBONES = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "mobilenetv1", "mobilenetv2"] as const;

describe("the published number of parameters", () => {
  for (const [name, parameters] of PUBLISHED) {
    it(`is that of ${name} with 91 classes and frozen norms`, async () => {
      using detector = await createDetector(name, { detection: { norm: "frozen", trainableLayers: 3 } });
      expect(detector.numClasses).to.equal(91);
      expect(detector.parameterCount()).to.equal(parameters);
      expect(detector.parameterCount({ trainable: true })).to.equal(parameters - FIXED);
    });
  }

  it("grows by the backbone's norms if they are trained", async () => {
    using detector = await createDetector("faster-rcnn-resnet50-fpn", {
      detection: { norm: "batch", trainableLayers: 5 },
    });
    expect(detector.parameterCount()).to.equal(41_755_286 + NORMS);
    expect(detector.parameterCount({ trainable: true })).to.equal(41_755_286 + NORMS);
  });
});

describe("a detector on each backbone", () => {
  for (const backbone of BACKBONES) {
    it(`has pyramids of 256 channels with ${backbone}, of the sizes that it announces`, async () => {
      using detector = await createDetector(`faster-rcnn-${backbone}-fpn`, { numClasses: 3, detection: SHORT });
      const { input, levels } = await detector.forward([namedImage("image", 64, 96)]);
      const [, , height = 0, width = 0] = input.shape;
      const specs = detector.featureSpecs(height, width);
      expect(specs.map(({ name }) => name)).to.deep.equal(["p2", "p3", "p4", "p5", "p6"]);
      expect(levels.map(({ shape }) => shape)).to.deep.equal(specs.map((level) => [1, 256, level.height, level.width]));
      for (const level of levels) expect(valuesOf(level).every(Number.isFinite)).to.equal(true);
    });
  }

  it("has the levels p3 to p7 as RetinaNet", async () => {
    using detector = await createDetector("retinanet-mobilenetv2-fpn", { numClasses: 3, detection: SHORT });
    expect(detector.featureSpecs(64, 96).map(({ name, height, width }) => [name, height, width])).to.deep.equal(
      [["p3", 8, 12], ["p4", 4, 6], ["p5", 2, 3], ["p6", 1, 2], ["p7", 1, 1]],
    );
    const [found] = await detector.detect([Tensor.from(new Float32Array(3 * 64 * 96), [3, 64, 96])]);
    expect(found!.boxes.dtype).to.equal("float32");
  });
});
