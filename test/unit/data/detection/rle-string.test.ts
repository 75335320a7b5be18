import { expect } from "chai";
import { compressRuns, runsOfBitmap, sumOfRuns } from "../../../../lib/datasets/detection/rle-string.js";

/** Runs with their strings of pycocotools 2: `frPyObjects({ "size": [h, w], "counts": runs }, h, w)["counts"]`. */
const PUBLISHED: readonly (readonly [runs: number[], text: string])[] = [
  [[6, 1, 3], "613"],
  [[0, 4, 2, 4], "0420"],
  [[10], ":"],
  [[3, 500, 20, 7, 300, 1000, 2, 168], "3d?d0c@h8Qo0fFPVO"],
  [[1, 1, 1, 1, 1, 1, 1, 1, 1, 1], "1110000000"],
  [[2000, 0, 0], "`n100"],
];

describe("COCO's compressed runs", () => {
  it("are those of pycocotools", () => {
    for (const [runs, text] of PUBLISHED) expect(Buffer.from(compressRuns(runs)).toString()).to.equal(text);
  });

  it("have the sum of their runs", () => {
    for (const [runs, text] of PUBLISHED) expect(sumOfRuns(text)).to.equal(runs.reduce((sum, run) => sum + run));
    expect(sumOfRuns("")).to.equal(0);
  });

  it("hold the largest image, and the largest difference of two runs", () => {
    const most = 0x3fff ** 2;
    for (const runs of [[most], [0, most], [0, 1, most - 1, 0, 0, 0], [0, 0, 0, most, 0, 0]])
      expect(sumOfRuns(Buffer.from(compressRuns(runs)).toString())).to.equal(most);
  });

  it("come from a bitmap column by column, zeros first", () => {
    expect(runsOfBitmap([0, 0, 1, 0, 1, 1], 2, 3)).to.deep.equal([3, 3]);
    expect(runsOfBitmap([1, 0, 255, 0], 2, 2)).to.deep.equal([0, 2, 2]);
    expect(runsOfBitmap([0, 0], 1, 2)).to.deep.equal([2]);
  });
});
