import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createDetector, createModel, writeStateDict } from "../../../lib/index.js";
import { expectSameState, msraNames, only, renamed, zooFile } from "../../support/detector-files.js";
import { failureOf } from "../../support/errors.js";
import { valuesOf } from "../../support/numeric.js";
import { AS_STORED } from "../../support/load-report.js";

const BODY = "backbone.body.";
const isBody = (name: string): boolean => name.startsWith(BODY);
/** Of a frozen norm, which has no counter. */
const isCounter = (name: string): boolean => name.endsWith("num_batches_tracked");

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "reviewkd-backbones-"));
});
after(() => rm(folder, { recursive: true }));

const file = (name: string): string => join(folder, name);

describe("weights of a detector's backbone", function () {
  this.timeout(60_000);

  for (const [network, toBody, unused] of [
    ["resnet18", (name: string) => name, ["fc.weight", "fc.bias"]],
    ["mobilenetv2", (name: string) => name.replace("features.", ""), ["features.18.0.weight", "features.18.1.weight",
      "features.18.1.bias", "features.18.1.running_mean", "features.18.1.running_var", "classifier.1.weight",
      "classifier.1.bias"]],
    ["mobilenetv1", (name: string) => name.replace("model.", ""), ["fc.weight", "fc.bias"]],
  ] as const) {
    it(`are the body of a classifier: ${network}`, async () => {
      using classifier = await createModel(network, { numClasses: 10, seed: 1 });
      await classifier.save(file(`${network}.pth`));
      const name = `retinanet-${network}-fpn`;
      using fresh = await createDetector(name, { numClasses: 2, seed: 2, detection: { norm: "frozen" } });
      using detector = await createDetector(name, { numClasses: 2, seed: 2, backboneWeights: file(`${network}.pth`) });
      const state = await detector.stateDict();
      const source = await classifier.stateDict();
      const wanted = renamed(only(source, (entry) => !unused.includes(entry as never) && !isCounter(entry)), (entry) =>
        BODY + toBody(entry));
      expectSameState(only(state, isBody), wanted);
      expectSameState(only(state, (entry) => !isBody(entry)), only(await fresh.stateDict(), (entry) => !isBody(entry)));
      const { unused: left, ...report } = detector.loadReport!;
      expect(left.filter((entry) => !isCounter(entry))).to.deep.equal(unused);
      expect(left.filter(isCounter)).to.have.length(Object.keys(source).filter(isCounter).length);
      expect(report).to.deep.equal({ ...AS_STORED, matched: Object.keys(wanted).length, missing: [], unexpected: [],
        mismatched: [], names: "torchvision", flavor: "torchvision", normEps: 1e-5 });
      expect(detector.detection).to.include({ norm: "frozen", trainableLayers: 3 });
    });
  }

  it("bring the input and the stride that MSRA's ResNets were trained with", async () => {
    using classifier = await createModel("resnet18", { numClasses: 10, seed: 3 });
    // MSRA's files have their statistics folded into weight and bias.
    const state = only(msraNames(await classifier.stateDict()), (name) => !/running|tracked/.test(name));
    await writeFile(file("R-18.pkl"), zooFile(state, "MSRA"));
    using detector = await createDetector("faster-rcnn-resnet18-fpn", { numClasses: 2,
      backboneWeights: file("R-18.pkl") });
    expect(detector.flavor).to.equal("detectron2");
    expect(detector.detection).to.deep.include({ channelOrder: "bgr", pixelScale: 255, imageStd: [1, 1, 1],
      bottleneckStride: "1x1", resize: "detectron2" });
    const loaded = await detector.stateDict();
    expect(valuesOf(loaded["backbone.body.conv1.weight"]!)).to.deep.equal(
      valuesOf((await classifier.stateDict())["conv1.weight"]!),
    );
    expect(new Set(valuesOf(loaded["backbone.body.bn1.running_var"]!))).to.deep.equal(new Set([Math.fround(1 - 1e-5)]));
    expect(detector.loadReport).to.deep.include({ names: "detectron2", missing: [],
      unused: ["stem.fc.weight", "stem.fc.bias"] });
    // Another flavor keeps what belongs to the weights.
    using mixed = await createDetector("faster-rcnn-resnet18-fpn", { numClasses: 2, flavor: "torchvision",
      backboneWeights: file("R-18.pkl") });
    expect(mixed.detection).to.include({ channelOrder: "bgr", bottleneckStride: "1x1", resize: "torchvision" });
  });

  it("bring torchvision's input if detectron2 converted them from there", async () => {
    using classifier = await createModel("resnet18", { numClasses: 10, seed: 3 });
    const state = only(msraNames(await classifier.stateDict()), (name) => !isCounter(name));
    await writeFile(file("converted.pkl"), zooFile(state, "torchvision"));
    using detector = await createDetector("faster-rcnn-resnet18-fpn", { flavor: "detectron2", numClasses: 2,
      backboneWeights: file("converted.pkl") });
    expect(detector.detection).to.include({ channelOrder: "rgb", pixelScale: 1, bottleneckStride: "3x3",
      resize: "detectron2" });
  });

  it("are taken from a whole detector, whose heads are unused", async () => {
    using origin = await createDetector("retinanet-mobilenetv2-fpn", { numClasses: 5, seed: 4,
      detection: { norm: "frozen" } });
    await origin.save(file("detector.safetensors"));
    using detector = await createDetector("faster-rcnn-mobilenetv2-fpn", { numClasses: 2,
      backboneWeights: file("detector.safetensors") });
    const state = await origin.stateDict();
    expectSameState(only(await detector.stateDict(), isBody), only(state, isBody));
    expect(detector.loadReport!.unused).to.deep.equal(Object.keys(state).filter((name) => !isBody(name)));
  });

  it("must have every entry of the body", async () => {
    using classifier = await createModel("mobilenetv2", { numClasses: 10 });
    const state = await classifier.stateDict();
    await writeStateDict(file("part.pth"), only(state, (name) => !name.startsWith("features.5.conv.2.")));
    const { message } = await failureOf("STATE_DICT_MISMATCH",
      () => createDetector("retinanet-mobilenetv2-fpn", { backboneWeights: file("part.pth") }));
    expect(message).to.contain("missing: backbone.body.5.conv.2.weight");
    await failureOf("STATE_DICT_MISMATCH",
      () => createDetector("retinanet-resnet18-fpn", { backboneWeights: file("part.pth") }));
  });
});
