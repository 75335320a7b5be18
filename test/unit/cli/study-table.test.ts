import { expect } from "chai";
import { studyTable } from "../../../lib/cli/display/study-table.js";
import { DETECTION } from "../../support/tasks.js";
import { resultOf, spread } from "../lib/study/study-results.js";

describe("the table of a study", () => {
  it("has percentages with two decimals and their unit", () => {
    const table = studyTable(
      resultOf("seeds",
        (_, index) => ({ seeds: [0, 1], last: spread(60 + index, 0.125), best: spread(61.5),
          gain: index === 0 ? null : spread(-1, 0.25) }), { teacherMetric: 72.345 }),
    );
    expect(table).to.match(/│ +seeds │ +last % │ +best % │ +gain │/);
    expect(table).to.match(/^│ student distilled +│ +2 │ +61\.00 ± 0\.13 │ +61\.50 │ +-1\.00 ± 0\.25 │/m);
    expect(table).to.match(/^teacher resnet56: 72\.3[45] %$/m);
  });

  it("has precisions from 0 to 1 with three decimals", () => {
    const overrides = { taskInfo: DETECTION, teacherMetric: 0.4126 };
    const table = studyTable(
      resultOf("seeds",
        (_, index) => ({ seeds: [0, 1], last: spread(0.3314, 0.0042), best: spread(0.34),
          gain: index === 0 ? null : spread(0.0123, 0.0006) }), overrides),
    );
    expect(table).to.match(/│ +seeds │ +last │ +best │ +gain │/);
    expect(table).to.match(/^│ student distilled +│ +2 │ +0\.331 ± 0\.004 │ +0\.340 │ +\+0\.012 ± 0\.001 │/m);
    expect(table).to.match(/^teacher resnet56: 0\.413$/m);
    const matrix = studyTable(
      resultOf("stages",
        ({ stage, teacherStage }) =>
          stage === null || teacherStage === null ? { last: spread(0.3), best: spread(0.31) }
            : { gain: spread(0.01 * (stage - teacherStage)) }, overrides),
    );
    expect(matrix).to.match(/^│ student 2 \(layer2\) +│ +\+0\.010 │ +\+0\.000 │$/m);
    expect(matrix).to.include("student alone: 0.300 after the last epoch, 0.310 best");
  });
});
