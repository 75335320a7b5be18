import { expect } from "chai";
import { weakTeacherNotice } from "../../../../lib/study/results/weak-teacher.js";

const ACCURACY = { name: "top1", label: "top-1", title: "top-1 accuracy", unit: "%", higherIsBetter: true };
const LOSS = { name: "loss", label: "loss", title: "test loss", unit: "", higherIsBetter: false };

const studentWith = (value: number) => ({ seed: 7, last: { top1: value, top5: 90, loss: value, samples: 8 } });

describe("weakTeacherNotice", () => {
  it("gives both results of a teacher that is worse, in the decimals of the metric, and the seed", () => {
    expect(weakTeacherNotice(ACCURACY, 30.04, studentWith(31.257))).to.include(
      "worse than the student alone: top-1 accuracy 30.04 % against 31.26 % with seed 7.",
    );
    expect(weakTeacherNotice(LOSS, 1.2, studentWith(0.4567))).to.include("test loss 1.200 against 0.457 with seed 7.");
  });

  it("is silent about a teacher that is better or equal", () => {
    expect(weakTeacherNotice(ACCURACY, 69, studentWith(9))).to.equal(undefined);
    expect(weakTeacherNotice(ACCURACY, 69, studentWith(69))).to.equal(undefined);
    expect(weakTeacherNotice(LOSS, 30, studentWith(31))).to.equal(undefined);
  });

  it("is silent if the student has no result", () => {
    expect(weakTeacherNotice(ACCURACY, 69, { seed: 7, last: null })).to.equal(undefined);
    expect(weakTeacherNotice(ACCURACY, 69, studentWith(Number.NaN))).to.equal(undefined);
  });
});
