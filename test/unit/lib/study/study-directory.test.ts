import { expect } from "chai";
import { openStudyDirectory } from "../../../../lib/study/study-directory.js";
import { scratchDirectory } from "../small-run.js";
import { configOf, resultOf } from "./study-results.js";

describe("a study's directory", () => {
  const scratch = scratchDirectory();

  it("returns what a study keeps of an earlier result, also of one with a loss that is not finite", async () => {
    using directory = await openStudyDirectory(scratch("study"), configOf("seeds"));
    expect(await directory.readResult()).to.equal(undefined);
    const result = resultOf("seeds", () => ({}), { teacherMetric: 71.5,
      cells: [{ id: "student-alone-seed0", condition: "student-alone", seed: 0, status: "done", seconds: 1,
        runDirectory: "r", error: null, last: { top1: 25, top5: 100, loss: Number.NaN, samples: 4 },
        best: { epoch: 0, top1: 25 } }] });
    await directory.writeResult(result);
    expect(await directory.readResult()).to.deep.equal({ system: result.system, teacherMetric: 71.5 });
  });
});
