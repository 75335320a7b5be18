import { expect } from "chai";
import type { CellResult } from "../../../../lib/config/schemas/study.js";
import { conditionsOf, STUDENT_ALONE, type Condition } from "../../../../lib/study/plan/conditions.js";
import { summarize } from "../../../../lib/study/results/summary.js";
import { CLASSIFICATION, REGRESSION } from "../../../support/tasks.js";
import { configOf } from "./study-results.js";

const done = (condition: string, seed: number, last: number, best: number): CellResult => ({
  id: `${condition}-seed${seed}`,
  condition,
  seed,
  status: "done",
  seconds: 1,
  runDirectory: "r",
  error: null,
  last: { top1: last, top5: 100, loss: 1, samples: 10 },
  best: { epoch: 0, top1: best },
});

const waiting = (condition: string, seed: number): CellResult => ({ ...done(condition, seed, 0, 0), status: "waiting",
  last: null, best: null, seconds: null });

describe("the summary of a condition", () => {
  const distilled = conditionsOf(configOf("seeds"), { student: [], teacher: [] })[1] as Condition;

  it("has mean and deviation of last and best, and the gain from pairs with the same seed", () => {
    const cells = [
      done("student-alone", 0, 60, 61),
      done("student-alone", 1, 64, 64),
      done("distilled", 0, 63, 65),
      done("distilled", 1, 69, 69),
    ];
    const { seeds, last, best, gain } = summarize(distilled, cells, { published: false, taskInfo: CLASSIFICATION });
    expect(seeds).to.deep.equal([0, 1]);
    expect(last).to.deep.equal({ mean: 66, deviation: Math.sqrt(18) });
    expect(best).to.deep.equal({ mean: 67, deviation: Math.sqrt(8) });
    expect(gain).to.deep.equal({ mean: 4, deviation: Math.sqrt(2) });
  });

  it("omits unfinished cells, also from the gain", () => {
    const cells = [waiting("student-alone", 0), done("student-alone", 1, 64, 64), done("distilled", 0, 63, 65),
      done("distilled", 1, 69, 69), waiting("distilled", 2)];
    const { seeds, last, gain } = summarize(distilled, cells, { published: false, taskInfo: CLASSIFICATION });
    expect(seeds).to.deep.equal([0, 1]);
    expect(last?.mean).to.equal(66);
    expect(gain).to.deep.equal({ mean: 5, deviation: null });
    expect(summarize(distilled, [waiting("distilled", 0)], { published: false, taskInfo: CLASSIFICATION })).to.deep
      .include({ seeds: [], last: null, best: null, gain: null });
  });

  it("counts a lower value as a gain where the task's primary metric is an error", () => {
    const errors = (condition: string, seed: number, last: number, best: number): CellResult => {
      const values: object = { last: { meanError: last, withinOne: 50, samples: 10 },
        best: { epoch: 0, meanError: best } };
      return { ...done(condition, seed, 0, 0), ...values };
    };
    const cells = [errors("student-alone", 0, 3, 2.5), errors("distilled", 0, 2, 1.5)];
    const { last, best, gain } = summarize(distilled, cells, { published: false, taskInfo: REGRESSION });
    expect([last?.mean, best?.mean, gain?.mean]).to.deep.equal([2, 1.5, 1]);
  });

  it("has no gain for the student alone, and published figures only if they apply", () => {
    const cells = [done("student-alone", 0, 60, 61)];
    expect(summarize(STUDENT_ALONE, cells, { published: true, taskInfo: CLASSIFICATION })).to.include({ gain: null,
      published: 69.06 });
    expect(summarize(STUDENT_ALONE, cells, { published: false, taskInfo: CLASSIFICATION })).to.include({
      published: null,
    });
  });
});
