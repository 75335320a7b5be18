import { existsSync } from "node:fs";
import { expect } from "chai";
import { createDetector, createModel, detectionFrom, fit, loadDataset, runExperiment,
  type RunConfigInput } from "../../../lib/index.js";
import { drain, failureOf, scratchDirectory, SMALL_DATA, SMALL_TRAINING } from "./small-run.js";

const SCENES = { kind: "scenes", numClasses: 2, trainSamples: 2, testSamples: 1, imageSize: 32 } as const;
const TRAINING = { ...SMALL_TRAINING, epochs: 1, batchSize: 2 };

describe("data of another kind than the network's", () => {
  const scratch = scratchDirectory();
  const messageOf = async (run: AsyncGenerator): Promise<string> => {
    const { code, message } = await failureOf(drain(run as never));
    expect(code).to.equal("INVALID_ARGUMENT");
    expect(existsSync(scratch("run")), "a run directory").to.equal(false);
    return message;
  };
  const train = (name: string, data: RunConfigInput["data"]): Promise<string> =>
    messageOf(runExperiment({ task: "train", model: { name }, data, training: TRAINING }, {
      runDirectory: scratch("run"),
    }));

  it("is refused for a classifier before anything is read or written", async () => {
    expect(await train("resnet8", { kind: "coco", root: scratch("missing") })).to.equal(
      'invalid network for the data set coco, images with boxes: expected a detector, received "resnet8". Name one, such as faster-rcnn-resnet18-fpn.',
    );
  });

  it("is refused for a detector, and says which kinds suit", async () => {
    expect(await train("retinanet-resnet18-fpn", { kind: "cifar10", root: scratch("missing") })).to.equal(
      "invalid data set cifar10 for the detector retinanet-resnet18-fpn: expected images with boxes, received images with a label each. Load one of the kind coco, voc, scenes or boxes.",
    );
  });

  it("names the detector that a misspelled name was meant to be", async () => {
    expect(await train("fasterrcnn_resnet50_fpn", SCENES)).to.include(
      'received "fasterrcnn_resnet50_fpn"; did you mean "faster-rcnn-resnet50-fpn"?',
    );
  });

  it("is refused by fit as well", async () => {
    using classifier = await createModel("resnet8", { numClasses: 4 });
    using detector = await createDetector("retinanet-resnet18-fpn", { numClasses: 4 });
    using scenes = await loadDataset(SCENES);
    using labelled = await loadDataset(SMALL_DATA);
    const options = { ...TRAINING, runDirectory: scratch("run") };
    expect(await messageOf(fit({ ...options, model: classifier, data: scenes }))).to.include("expected a detector");
    expect(await messageOf(fit({ ...options, model: detector, data: labelled }))).to.include("images with boxes");
  });

  it("is refused for Mask R-CNN without masks", async () => {
    const annotations = await detectionFrom({ categories: [{ id: 1, name: "cell" }],
      images: [{ id: 1, width: 32, height: 32, boxes: [[1, 1, 9, 9]], labels: [1] }] });
    const split = { annotations, images: () => ({ pixels: new Uint8Array(3 * 32 * 32), height: 32, width: 32 }) };
    using data = await loadDataset({ kind: "boxes", train: split, test: split });
    using detector = await createDetector("mask-rcnn-resnet18-fpn", { data });
    expect(await messageOf(fit({ ...TRAINING, model: detector, data, runDirectory: scratch("run") }))).to.equal(
      "invalid data set boxes for mask-rcnn-resnet18-fpn: expected objects with masks, received boxes alone. Add outlines to the annotations, or train a faster-rcnn.",
    );
  });
});
