import { expect } from "chai";
import { networkInfo } from "../../../lib/api/network.js";
import { createDetector, createModel, listDetectors, listModels } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";
import { ReviewKdError } from "../../../lib/errors.js";

describe("networkInfo", () => {
  for (const name of ["faster-rcnn-mobilenetv2-fpn", "mask-rcnn-mobilenetv2-fpn", "retinanet-mobilenetv2-fpn"]) {
    it(`has the task and the levels of ${name} before it is created`, async () => {
      using detector = await createDetector(name, { numClasses: 2 });
      const stages = detector.featureSpecs(64, 64).map((level) => level.name);
      expect(stages).to.have.lengthOf(5);
      expect(networkInfo(name, "network")).to.deep.equal({ name, task: detector.task, stages });
    });
  }

  it("has the task and the stages of a classifier", async () => {
    using model = await createModel("vgg8", { numClasses: 2 });
    const stages = model.featureSpecs(32, 32).map((stage) => stage.name);
    expect(networkInfo("vgg8", "network")).to.deep.equal({ name: "vgg8", task: model.task, stages });
  });

  it("lists all networks for an unknown one, and createModel the classifiers that it accepts", async () => {
    const classifiers = listModels().map(({ name }) => name);
    const all = [...classifiers, ...listDetectors()];
    for (const [call, valid] of [[() => networkInfo("nope", "student"), all], [() => createModel("nope"),
      classifiers]] as const) {
      const error = await failureOf("UNKNOWN_NAME", call);
      expect(error.valid).to.deep.equal(valid);
      expect(error.message).to.include(`… (${valid.length} in all), received "nope".`);
    }
    const { message } = await failureOf("UNKNOWN_NAME", () => createModel("maskrcnn_resnet50_fpn"));
    expect(message).to.include('did you mean "mask-rcnn-resnet50-fpn"?');
  });

  it("lists the detectors for an unknown one, and suggests the nearest", () => {
    expect(() => networkInfo("mask-rcnn-resnet51-fpn", "student")).to.throw(ReviewKdError,
      /^invalid student: expected faster-rcnn-BACKBONE-fpn, .*; did you mean "mask-rcnn-resnet50-fpn"\?$/)
      .with.property("valid").that.includes("retinanet-resnet18-fpn");
  });
});
