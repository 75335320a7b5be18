import { expect } from "chai";
import { teacherNotices } from "../../../lib/fit/teacher-notices.js";
import { registryTask } from "../../../lib/index.js";

function messageOf(top1: number,
  { name = "resnet56", kind = "cifar100", numClasses = 100, samples = 10_000, preset }: { name?: string; kind?: string;
    numClasses?: number; samples?: number; preset?: string } = {}): string | undefined {
  const notices = teacherNotices({ name, taskInfo: registryTask(), test: { top1, samples }, data: { kind, numClasses },
    preset });
  expect(notices.map(({ topic }) => topic)).to.deep.equal(notices.map(() => "teacher"));
  expect(notices).to.have.length.below(2);
  return notices[0]?.message;
}

describe("the notices of a teacher", () => {
  it("say that it guesses", () => {
    expect(messageOf(1.3)).to.equal(
      "the teacher resnet56 has a top-1 accuracy of 1.3 %: guessing has 1.0 %, and a student learns nothing from it. Check that its weights are trained, and that the classes, their order and the normalization are those of the data.",
    );
    expect(messageOf(0)).to.include("guessing has 1.0 %");
    expect(messageOf(11, { kind: "idx", numClasses: 10 })).to.include("guessing has 10.0 %");
    expect(messageOf(55, { kind: "image-folder", numClasses: 2 })).to.include("guessing has 50.0 %");
    // A third of 24 images of four classes is a matter of chance.
    expect(messageOf(33.3, { kind: "synthetic", numClasses: 4, samples: 24 })).to.include("guessing");
  });

  it("say that it is far below what is published", () => {
    expect(messageOf(60)).to.match(
      /^the teacher resnet56 has a top-1 accuracy of 60\.0 %, far below the 72\.3 % of the preset resnet56-resnet20\./,
    );
    expect(messageOf(60, { preset: "resnet56-resnet20-rerun" })).to.include("of the preset resnet56-resnet20-rerun");
    expect(messageOf(60, { kind: "image-folder", name: "resnet34", numClasses: 1000, preset: "resnet34-resnet18" })).to
      .include("far below the 73.3 % of the preset resnet34-resnet18");
  });

  it("are none for a good teacher, other data and few images", () => {
    expect(messageOf(72.34)).to.equal(undefined);
    expect(messageOf(68)).to.equal(undefined);
    expect(messageOf(60, { kind: "cifar10", numClasses: 10 })).to.equal(undefined);
    expect(messageOf(60, { kind: "image-folder", name: "resnet34", numClasses: 1000 })).to.equal(undefined);
    expect(messageOf(60, { samples: 100 })).to.equal(undefined);
    expect(messageOf(60, { name: "resnet20" })).to.equal(undefined);
    expect(messageOf(75, { kind: "image-folder", numClasses: 2 })).to.equal(undefined);
  });

  it("judge detectors by their average precision", () => {
    const of = (ap: number): string | undefined =>
      teacherNotices({ name: "faster-rcnn-resnet101-fpn",
        taskInfo: { name: "two-stage-detection", losses: [], trainingMetric: null, primaryMetric: "ap",
          metrics: [{ name: "ap", label: "AP", title: "average precision of boxes", unit: "", higherIsBetter: true }] },
        test: { ap, samples: 5000 }, data: { kind: "coco", numClasses: 80 },
        preset: "faster-rcnn-resnet101-resnet18" })[0]?.message;
    expect(of(0)).to.match(/^the teacher .* average precision of boxes of 0\.000: it finds nothing/);
    expect(of(0.2)).to.include("of 0.200, far below the 0.420 of the preset faster-rcnn-resnet101-resnet18.");
    expect(of(0.41)).to.equal(undefined);
    // COCO's rules have no value without objects.
    expect(of(-1)).to.equal(undefined);
  });
});
