// The page's state and views, without a page.
import { expect } from "chai";
import { ERROR_CODES } from "reviewkd/worker";
import { formatPoints, formatRunTime, formatSeconds } from "../src/renderer/format.js";
import { remedyFor } from "../src/renderer/remedies.js";
import { activeRun, afterUpdate, START, withRun, type State } from "../src/renderer/state.js";
import { accuracyCurves, accuracySentence, accuracyTable, lossCurves, resultsOf,
  stepsOf } from "../src/renderer/views.js";
import type { Epoch, Losses, Run } from "../src/shared/contract.js";
import { SMALL_PLAN } from "./driver.js";

const NAME = "2026-01-02_03-04-05";
const losses = (total: number): Losses => ({ total, crossEntropy: total / 2,
  terms: [{ kind: "review", value: total / 2 }] });
const epoch = (number: number, top1: number): Epoch => ({ epoch: number, losses: losses(4 / number), top1,
  seconds: 1 });

const RUN: Run = {
  name: NAME,
  plan: SMALL_PLAN,
  status: "running",
  teacherTop1: null,
  failure: null,
  parts: [
    { part: "teacher", network: "resnet14", of: 3, done: true, epochs: [epoch(1, 40), epoch(2, 80), epoch(3, 75)] },
    { part: "alone", network: "resnet8", of: 3, done: true, epochs: [epoch(1, 30), epoch(2, 40), epoch(3, 50)] },
    { part: "distilled", network: "resnet8", of: 3, done: false, epochs: [epoch(1, 45)] },
  ],
};

const progress = (at: number, step: number): Parameters<typeof afterUpdate>[1] => ({
  type: "progress",
  run: NAME,
  progress: { part: "distilled", epoch: at, of: 3, step, steps: 4, losses: losses(1), imagesPerSecond: 10,
    etaSeconds: 5 },
});

describe("the Electron example's state", () => {
  const state = withRun(START, RUN);

  it("puts new runs in front and replaces known ones", () => {
    const other: Run = { ...RUN, name: "2026-01-02_03-04-06", status: "stopped" };
    const both = withRun(state, other);
    expect(both.runs.map(({ name }) => name)).to.deep.equal([other.name, NAME]);
    expect(withRun(both, { ...RUN, status: "finished" }).runs.map(({ status }) => status)).to.deep.equal(["stopped",
      "finished"]);
    expect(activeRun(both)?.name).to.equal(NAME);
  });

  it("collects points of the running epoch, and starts over when a run resumes", () => {
    const live = [progress(2, 1), progress(2, 2)].reduce(afterUpdate, state);
    expect(live.live[NAME]?.distilled?.points.map(({ epochs }) => epochs)).to.deep.equal([1.25, 1.5]);
    const stopped = withRun(live, { ...RUN, status: "stopped" });
    expect(stopped.live[NAME]?.distilled?.points).to.have.lengthOf(2);
    expect(withRun(stopped, RUN).live[NAME]).to.deep.equal({});
  });

  it("keeps a long curve within bounds", () => {
    let long: State = state;
    for (let step = 0; step < 3000; ++step) long = afterUpdate(long, progress(1, step % 4));
    expect(long.live[NAME]?.distilled?.points.length).to.be.within(1000, 2000);
  });

  it("stores an epoch once, even if it is trained again", () => {
    const updated = afterUpdate(state, { type: "epoch", run: NAME, part: "distilled", epoch: epoch(2, 60) });
    const again = afterUpdate(updated, { type: "epoch", run: NAME, part: "distilled", epoch: epoch(2, 61) });
    expect(again.runs[0]?.parts[2]?.epochs.map(({ top1 }) => top1)).to.deep.equal([45, 61]);
  });
});

describe("the Electron example's views", () => {
  it("draw an accuracy curve per part, and a horizontal line for a teacher from a file", () => {
    expect(accuracyCurves(RUN).map(({ id, points }) => [id, points.length])).to.deep.equal([["teacher", 3], ["alone",
      3], ["distilled", 1]]);
    expect(accuracyCurves({ ...RUN, parts: RUN.parts.slice(2), teacherTop1: 90 })[0]).to.deep.include({ id: "teacher",
      points: [[1, 90], [3, 90]] });
  });

  it("draw losses per epoch until the first update, and every update after it", () => {
    const { live } = afterUpdate(withRun(START, RUN), progress(2, 2));
    const curves = lossCurves(RUN, "distilled", live[NAME]?.distilled);
    expect(curves.map(({ name }) => name)).to.deep.equal(["Total", "Cross entropy", "review, weighted"]);
    expect(curves[0]?.points).to.deep.equal([[1, 4], [1.5, 1]]);
    const plain = { ...RUN.parts[0]!,
      epochs: RUN.parts[0]!.epochs.map((one) => ({ ...one, losses: { ...one.losses, terms: [] } })) };
    expect(lossCurves({ ...RUN, parts: [plain] }, "teacher", undefined).map(({ id }) => id)).to.deep.equal([
      "crossEntropy",
    ]);
  });

  it("report the progress of each part", () => {
    const { live } = afterUpdate(withRun(START, RUN), progress(2, 2));
    expect(stepsOf(RUN, live[NAME]).map(({ state, fraction, text }) => [state, fraction, text])).to.deep.equal([
      ["done", 1, "3 epochs"],
      ["done", 1, "3 epochs"],
      ["running", 0.5, "epoch 2 of 3"],
    ]);
    expect(stepsOf({ ...RUN, status: "stopped" })[2]).to.deep.include({ state: "stopped", text: "1 of 3 epochs" });
  });

  it("compare the distilled student with the one that learned alone", () => {
    expect(resultsOf(RUN).map(({ last, note }) => [last, note])).to.deep.equal([
      [75, "best 80.0 %"],
      [50, "best 50.0 %"],
      [45, "best 45.0 %, −5.0 points against alone"],
    ]);
    expect(accuracySentence(RUN)).to.equal(
      "Test accuracy by epoch. Teacher: 75.0 %; Student alone: 50.0 %; Student distilled: 45.0 %.",
    );
    expect(accuracyTable(RUN).rows[1]).to.deep.equal(["2", "80.0 %", "2.000", "40.0 %", "2.000", "–", "–"]);
  });

  it("format times and differences for people", () => {
    expect([3, 65, 7260].map(formatSeconds)).to.deep.equal(["3 s", "1 min 5 s", "2 h 1 min"]);
    expect([1.26, -0.5, 0.01].map(formatPoints)).to.deep.equal(["+1.3 points", "−0.5 points", "±0.0 points"]);
    expect([NAME, `${NAME}_2`].map(formatRunTime)).to.deep.equal(["2026-01-02 03:04", "2026-01-02 03:04 (2)"]);
  });

  it("have a remedy for each code they know, and one for the others", () => {
    const other = remedyFor("A_NEW_CODE");
    expect(other).to.equal(remedyFor("toString")).and.match(/the message says/);
    const known = ERROR_CODES.map(remedyFor).filter((remedy) => remedy !== other);
    expect(known).to.have.length.at.least(29);
    expect(new Set(known).size).to.equal(known.length);
  });
});
