// The loop's state with a task that the package does not know: names, the best epoch by a metric of which lower values
// are better, files.
import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { RunState } from "../../../lib/runs/run-state.js";
import { planFit } from "../../../lib/fit/plan.js";
import { createModel, readWeightsInfo, type Model } from "../../../lib/api/model.js";
import { type Dataset } from "../../../lib/api/dataset.js";
import { loadDataset } from "../../../lib/datasets/load-dataset.js";
import { type EpochSummary, type Evaluation } from "../../../lib/config/schemas/epoch.js";
import { EpochEvent, FitEvent, StartEvent } from "../../../lib/config/schemas/fit-event.js";
import { Losses } from "../../../lib/config/schemas/losses.js";
import { EpochRecord } from "../../../lib/config/schemas/run-record.js";
import type { TaskInfo } from "../../../lib/config/schemas/task.js";
import { createSession, type Session } from "../../../lib/api/session.js";
import { bestEpoch, isBetter, namedValue, primaryMetric, primaryNameOf, registryTask } from "../../../lib/api/task.js";
import { exportStudent } from "../../../lib/runs/export-student.js";
import { CLASSIFICATION, REGRESSION } from "../../support/tasks.js";
import { scratchDirectory, SMALL_DATA } from "./small-run.js";

const LOSSES = { total: 2, squaredError: 1.5, penalty: 0.5, distillation: 0, distillationWeight: 0, perStage: [],
  terms: [] };

function summaryOf(epoch: number): EpochSummary {
  const summary: object = {
    epoch,
    step: 4,
    steps: 4,
    images: 64,
    losses: LOSSES,
    meanError: 0.9,
    learningRate: 0.1,
    imagesPerSecond: 1,
    dataWaitSeconds: 0,
    dataWaitFraction: 0,
    brokenImages: 0,
    seconds: 1,
  };
  return summary as EpochSummary;
}

function evaluationOf(meanError: number): Evaluation {
  const evaluation: object = { meanError, withinOne: 50, samples: 32 };
  return evaluation as Evaluation;
}

describe("a task", () => {
  let data: Dataset;
  let model: Model;
  const scratch = scratchDirectory();

  before(async () => {
    data = await loadDataset(SMALL_DATA);
    model = await createModel("resnet8", { numClasses: 4, seed: 3 });
  });
  after(() => {
    model.dispose();
    data.dispose();
  });

  /** A real session that says it trains another task. */
  async function sessionOf(task: TaskInfo): Promise<Session> {
    const session = await createSession({ model, threads: 1 });
    Object.defineProperty(session, "task", { value: task });
    return session;
  }

  const planOf = (directory: string, resume = false) =>
    planFit({ model, data, epochs: 9, runDirectory: directory, resume });

  async function finish(log: RunState, epoch: number, meanError: number): Promise<FitEvent[]> {
    const events: FitEvent[] = [];
    const finished = { epoch, epochs: 9, train: summaryOf(epoch), test: evaluationOf(meanError), etaSeconds: 1 };
    for await (const event of log.evaluated(finished)) events.push(event);
    return events;
  }

  it("is described by the session that trains it", async () => {
    using session = await createSession({ model });
    expect(session.task).to.deep.equal(CLASSIFICATION);
    expect(registryTask()).to.deep.equal(CLASSIFICATION);
  });

  it("compares values as its metric says", () => {
    const [error, share] = REGRESSION.metrics;
    expect(isBetter(error!, 0.4, 0.5)).to.equal(true);
    expect(isBetter(error!, 0.5, 0.5)).to.equal(false);
    expect(isBetter(share!, 0.4, 0.5)).to.equal(false);
    expect(isBetter(share!, 0.6, 0.5)).to.equal(true);
    expect([isBetter(error!, NaN, 0.5), isBetter(error!, 0.5, NaN), isBetter(share!, NaN, 0.5)]).to.deep.equal([false,
      true, false]);
    expect(primaryMetric(REGRESSION)).to.equal(error);
    expect(() => primaryMetric({ ...REGRESSION, primaryMetric: "top1" })).to.throw(
      /expected the metric top1, received meanError, withinOne/,
    );
    expect(namedValue(evaluationOf(0.25), "meanError")).to.equal(0.25);
    expect(() => namedValue(evaluationOf(0.25), "top1")).to.throw(/expected a number for top1, received nothing/);
    expect(primaryNameOf(bestEpoch(3, "meanError", 0.5))).to.equal("meanError");
  });

  it("chooses the epoch with the lowest error, and names it in events, metrics and weights", async () => {
    const directory = scratch("run");
    const log = await RunState.open(planOf(directory));
    using session = await sessionOf(REGRESSION);
    await log.begin(session);
    const events: FitEvent[] = [];
    for (const [epoch, error] of [0.5, 0.3, 0.4].entries()) events.push(...await finish(log, epoch, error));
    const epochs = events.filter((event) => event.type === "epoch");
    expect(epochs.map(({ best, isBest }) => ({ ...best, isBest }))).to.deep.equal([
      { epoch: 0, meanError: 0.5, isBest: true },
      { epoch: 1, meanError: 0.3, isBest: true },
      { epoch: 1, meanError: 0.3, isBest: false },
    ]);
    for (const event of epochs) EpochEvent.parse(event);
    const saved = events.filter((event) => event.type === "checkpoint").map(({ kind, epoch }) => `${kind} ${epoch}`);
    expect(saved.filter((text) => text.startsWith("best"))).to.deep.equal(["best 0", "best 1"]);

    const lines = (await readFile(scratch("run", "metrics.jsonl"), "utf8")).trim().split("\n").map((line) =>
      EpochRecord.parse(JSON.parse(line))
    );
    expect(lines.map(({ test }) => test)).to.deep.equal([0.5, 0.3, 0.4].map(evaluationOf));
    expect((await readWeightsInfo(scratch("run", "student.safetensors"))).metadata).to.include({ meanError: "0.4",
      epoch: "2" }).and.not.have.property("top1");
    const exported = await exportStudent(directory, scratch("best.safetensors"), { checkpoint: "best" });
    expect((await readWeightsInfo(exported)).metadata).to.include({ meanError: "0.3" });
    log[Symbol.dispose]();
  });

  it("continues a run with the best epoch that it had", async () => {
    const directory = scratch("run");
    {
      using log = await RunState.open(planOf(directory));
      using session = await sessionOf(REGRESSION);
      await log.begin(session);
      await finish(log, 0, 0.3);
    }
    using log = await RunState.open(planOf(directory, true));
    using session = await sessionOf(REGRESSION);
    await log.begin(session);
    expect(log.progress.best).to.deep.equal({ epoch: 0, meanError: 0.3 });
    expect(Object.keys(log.progress.last ?? {})).to.deep.equal(["meanError", "withinOne", "samples"]);
    const [epoch] = (await finish(log, 1, 0.35)).filter((event) => event.type === "epoch");
    expect(epoch?.isBest).to.equal(false);
    expect(epoch?.best).to.deep.equal({ epoch: 0, meanError: 0.3 });
  });

  it("has losses and metrics of its own names in events, of which only numbers are accepted", () => {
    expect(Losses.parse(LOSSES)).to.deep.equal(LOSSES);
    expect(Losses.safeParse({ ...LOSSES, penalty: "0.5" }).success).to.equal(false);
    expect(Losses.safeParse({ ...LOSSES, total: undefined }).success).to.equal(false);
    const event: Record<string, unknown> = { type: "progress", ...summaryOf(0), epochs: 2, trainingStep: 1,
      trainingSteps: 8, etaSeconds: 1 };
    delete event["seconds"];
    expect(FitEvent.parse(event)).to.deep.equal(event);
    expect(StartEvent.shape.taskInfo.parse(REGRESSION)).to.deep.equal(REGRESSION);
  });
});
