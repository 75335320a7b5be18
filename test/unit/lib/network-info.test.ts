import { expect } from "chai";
import { networkInfo } from "../../../lib/api/network.js";
import { createDetector, createModel } from "../../../lib/index.js";
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

  it("lists the detectors for an unknown one, and suggests the nearest", () => {
    expect(() => networkInfo("mask-rcnn-resnet51-fpn", "student")).to.throw(ReviewKdError,
      /^invalid student: expected faster-rcnn-BACKBONE-fpn, .*; did you mean "mask-rcnn-resnet50-fpn"\?$/)
      .with.property("valid").that.includes("retinanet-resnet18-fpn");
  });
});
