import { expect } from "chai";
import type { FitEvent } from "../../../../lib/config/schemas/fit-event.js";
import { cellsOf } from "../../../../lib/study/plan/cells.js";
import { EtaEstimator } from "../../../../lib/study/eta-estimator.js";
import { conditionsOf } from "../../../../lib/study/plan/conditions.js";
import { configOf } from "./study-results.js";

/** Half of the second of four epochs is done. */
const progress = (etaSeconds: number): FitEvent =>
  ({ type: "progress", epoch: 1, step: 5, steps: 10, epochs: 4, trainingStep: 15, trainingSteps: 40,
    etaSeconds }) as FitEvent;

describe("EtaEstimator", () => {
  const config = configOf("seeds", { seeds: [0, 1], teacher: { name: "resnet56", weights: "t" } });
  const cells = cellsOf(config, conditionsOf(config, { student: [], teacher: [] }), "study");
  const [alone0, distilled0, , distilled1] = cells as [typeof cells[number], typeof cells[number], typeof cells[number],
    typeof cells[number]];

  it("assumes that new kinds of cells take as long as known ones", () => {
    const estimator = new EtaEstimator(cells, 0);
    // 50 s for the remaining five eighths: 80 s a cell.
    expect(estimator.during(alone0, progress(50))).to.be.closeTo(50 + 3 * 80, 1e-9);
  });

  it("distinguishes kinds of cells", () => {
    const estimator = new EtaEstimator(cells, 0);
    estimator.finished(alone0, 100);
    // 250 s for the remaining five eighths: 400 s for each distilled cell, 100 s for the other one alone.
    expect(estimator.during(distilled0, progress(250))).to.be.closeTo(250 + 100 + 400, 1e-9);
  });

  it("ignores finished cells, and the duration of failed ones", () => {
    const estimator = new EtaEstimator(cells, 0);
    estimator.finished(alone0, 100);
    estimator.finished(distilled0, null);
    expect(estimator.during(distilled1, { ...progress(0), trainingStep: 0 } as FitEvent)).to.equal(100);
  });

  it("counts steps of the training, of which the last epoch may have fewer", () => {
    const estimator = new EtaEstimator(cells, 0);
    // Step 2 of 5 in the second epoch, after one of 45 steps: 3 s for the last three steps are 50 s for a cell.
    const event = { ...progress(3), epochs: 2, step: 2, steps: 5, trainingStep: 47, trainingSteps: 50 } as FitEvent;
    expect(estimator.during(alone0, event)).to.be.closeTo(3 + 3 * 50, 1e-9);
  });

  it("expects a teacher with more epochs, or more steps, to take as much longer", () => {
    for (const [training, samples] of [[{ epochs: 5 }, 0], [{ epochs: null, maxSteps: 30, batchSize: 2 },
      12]] as const) {
      const trained = configOf("seeds", { seeds: [0, 1], training, teacherTraining: { epochs: 20 } });
      const all = cellsOf(trained, conditionsOf(trained, { student: [], teacher: [] }), "study");
      const estimator = new EtaEstimator(all, samples);
      // The teacher takes 400 s, 20 for each epoch; four students train a quarter as long.
      expect(estimator.during(all[0]!, progress(250))).to.be.closeTo(250 + 4 * 100, 1e-9);
    }
  });

  it("divides the work that is left by the number of cells that are trained at a time", () => {
    const estimator = new EtaEstimator(cells, 0);
    expect(estimator.together(new Map())).to.equal(null);
    const running = new Map([[alone0, { share: 0.5, etaSeconds: 50 }], [distilled0, { share: 0.5, etaSeconds: 100 }]]);
    // 100 s for a cell alone, 200 s for a distilled one.
    expect(estimator.together(running)).to.be.closeTo((50 + 100 + 100 + 200) / 2, 1e-9);
    estimator.finished(alone0, 90);
    expect(estimator.together(new Map())).to.be.closeTo(200 + 90 + 200, 1e-9);
    for (const cell of cells) estimator.finished(cell, 1);
    expect(estimator.together(new Map())).to.equal(0);
  });

  it("estimates zero before anything is known", () => {
    expect(new EtaEstimator(cells, 0).during(alone0, { type: "checkpoint", kind: "last", path: "p", epoch: 0 })).to
      .equal(
        0,
      );
  });
});
