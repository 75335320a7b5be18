import { expect } from "chai";
import type { FitEvent } from "../../../lib/index.js";
import { createFitReporter } from "../../../lib/cli/display/fit-reporter.js";
import type { Output } from "../../../lib/cli/display/output.js";
import { CLASSIFICATION, REGRESSION } from "../../support/tasks.js";

function recordingOutput(json: boolean): Output & { lines: string[]; events: object[]; notices: string[] } {
  const lines: string[] = [];
  const events: object[] = [];
  const notices: string[] = [];
  return {
    json,
    interactive: false,
    lines,
    events,
    notices,
    line: (text = "") => {
      if (!json) lines.push(text);
    },
    event: (event) => {
      if (json) events.push(event);
    },
    notice: (text) => {
      notices.push(text);
    },
  };
}

const losses = {
  total: 3.5,
  crossEntropy: 3,
  distillation: 1,
  distillationWeight: 0.5,
  perStage: [1],
  terms: [{ kind: "review" as const, loss: 1, weight: 0.5, perStage: [1] }],
};
const progress = {
  epoch: 0,
  step: 5,
  steps: 10,
  images: 80,
  losses,
  top1: 12.5,
  learningRate: 0.1,
  imagesPerSecond: 800,
  dataWaitSeconds: 0.01,
  dataWaitFraction: 0.1,
  brokenImages: 0,
};

const start: Extract<FitEvent, { type: "start" }> = {
  type: "start",
  task: "distill",
  taskInfo: CLASSIFICATION,
  epochs: 2,
  stepsPerEpoch: 10,
  trainSamples: 160,
  testSamples: 40,
  startEpoch: 0,
  processes: 1,
  startStep: 0,
  device: "cpu",
  parameters: 78_042,
  trainingOnlyParameters: 1_234,
  runDirectory: "runs/a",
  terms: ["review"],
  matching: { stages: [{ student: "layer1", teacher: "block1" }], note: null },
};
const running: Extract<FitEvent, { type: "progress" }> = { type: "progress", ...progress, epochs: 2, trainingStep: 5,
  trainingSteps: 20, etaSeconds: 75 };
const epoch: Extract<FitEvent, { type: "epoch" }> = {
  type: "epoch",
  epoch: 0,
  epochs: 2,
  train: { ...progress, step: 10, images: 160, seconds: 0.2 },
  test: { top1: 20, top5: 60, loss: 2.5, samples: 40 },
  learningRate: 0.1,
  best: { epoch: 0, top1: 20 },
  isBest: true,
  etaSeconds: 30,
};
const end: Extract<FitEvent, { type: "end" }> = {
  type: "end",
  epochs: 2,
  last: { top1: 25, top5: 70, loss: 2.25, samples: 40 },
  best: { epoch: 0, top1: 26 },
  seconds: 90,
  runDirectory: "runs/a",
  classNames: ["a", "b"],
};

describe("cli/fit-reporter", () => {
  it("writes every event as JSON, with its tag, and nothing else", () => {
    const output = recordingOutput(true);
    const reporter = createFitReporter(output, { part: "teacher" });
    for (const event of [start, running, epoch, end]) reporter.handle(event);
    reporter.close();
    expect(output.events).to.deep.equal([start, running, epoch, end].map((event) => ({ ...event, part: "teacher" })));
    expect(output.lines).to.deep.equal([]);
  });

  it("reports on standard error what changed in a resumed run, and what could not be saved", () => {
    const output = recordingOutput(false);
    const reporter = createFitReporter(output);
    reporter.handle({
      type: "resumed",
      checkpoint: "runs/a/previous.safetensors",
      damaged: [{ path: "runs/a/last.safetensors", code: "FILE_CORRUPT", reason: "torn" }],
      changes: [{ key: "training.epochs", was: 1, now: 2 }, { key: "preset", now: "cifar100" }],
      environment: [{ key: "threads", was: 1, now: 2 }],
    });
    reporter.handle({ type: "resumed", checkpoint: null, damaged: [], changes: [], environment: [] });
    reporter.handle({ type: "resumed", checkpoint: "runs/a/last.safetensors", damaged: [], changes: [],
      environment: [] });
    const failure = { type: "checkpoint-failed", kinds: ["student", "last"], code: "FILE_ACCESS", reason: "no space",
      epoch: 3 } as const;
    reporter.handle({ ...failure, kinds: ["student", "last"], retrySeconds: null });
    reporter.handle({ ...failure, kinds: ["last"], retrySeconds: 3 });
    expect(output.notices).to.deep.equal([
      "cannot use runs/a/last.safetensors: torn",
      "resuming from runs/a/previous.safetensors, the previous checkpoint",
      'settings changed (recorded in config-history.jsonl): training.epochs: was 1, now 2; preset: was nothing, now "cifar100"',
      "results may differ bitwise from an uninterrupted run: threads: was 1, now 2",
      "the run has no checkpoint yet and starts from the beginning",
      "cannot save student, last: no space. Training continues in memory; the next checkpoint retries.",
      "cannot save last: no space. Retrying in 3.0s.",
    ]);
  });

  it("writes a row per epoch under a header of the same width, and a table at the end", () => {
    const output = recordingOutput(false);
    const reporter = createFitReporter(output);
    for (const event of [start, epoch, end]) reporter.handle(event);
    const [first, matched, head, row, table] = output.lines;
    expect(first).to.include("78,042 parameters").and.include("2 epochs");
    expect(matched).to.match(/^matched stages of student and teacher: \w+/);
    expect(head?.length).to.equal(row?.length);
    expect(row?.trim().split(/\s+/)).to.deep.equal([
      "1/2",
      "3.5000",
      "3.0000",
      "1.0000",
      "0.50",
      "12.5",
      "20.0",
      "60.0",
      "20.0*",
      "0.100",
      "800",
      "30s",
    ]);
    expect(table).to.include("25.0 %").and.include("26.0 % (epoch 1").and.include("1m30s").and.include("runs/a");
  });

  const term = (kind: "kd" | "review" | "multi-layer" | "dkd", loss: number, weight: number) => ({ kind, loss, weight,
    perStage: [] });
  const sumOf = (terms: ReturnType<typeof term>[]) => ({ ...losses, distillation: 0.5, distillationWeight: 1, terms });

  it("shows each term of a sum, weighted as it is added to the cross entropy", () => {
    const terms = [term("kd", 0.5, 0.5), term("multi-layer", 0.25, 1)];
    const output = recordingOutput(false);
    let clock = 0;
    const reporter = createFitReporter(output, {}, { now: () => clock });
    reporter.handle({ ...start, terms: ["kd", "multi-layer"] });
    clock = 20_000;
    reporter.handle({ ...running, losses: sumOf(terms) });
    reporter.handle({ ...epoch, train: { ...epoch.train, losses: sumOf(terms) } });
    const [, , head, progressLine, row] = output.lines;
    expect(head).to.match(/ ce +\+ kd +\+ multi-layer +train %/);
    expect(head?.length).to.equal(row?.length);
    expect(row?.trim().split(/\s+/).slice(1, 5)).to.deep.equal(["3.5000", "3.0000", "0.2500", "0.2500"]);
    expect(progressLine).to.include(
      "loss 3.5000 (ce 3.0000 + 0.50 × kd 0.5000 + 1.00 × multi-layer 0.2500)  800 images/s",
    );
  });

  it("shows a long sum as one figure, so that a row fits on a line", () => {
    const terms = [term("kd", 1, 0.125), term("dkd", 1, 0.125), term("review", 1, 0.125),
      term("multi-layer", 1, 0.125)];
    const output = recordingOutput(false);
    const reporter = createFitReporter(output);
    reporter.handle({ ...start, terms: terms.map(({ kind }) => kind) });
    reporter.handle({ ...epoch, train: { ...epoch.train, losses: sumOf(terms) } });
    expect(output.lines[2]).to.match(/ distill +weight /);
    expect(output.lines[3]?.trim().split(/\s+/).slice(2, 5)).to.deep.equal(["3.0000", "0.5000", "1.00"]);
  });

  it("reports unmatched stages", () => {
    const output = recordingOutput(false);
    const note = "resnet20 has 4 stages, vgg13 has 5: the deepest 4 are matched, layer1~block2";
    createFitReporter(output).handle({ ...start,
      matching: { stages: [{ student: "layer1", teacher: "block2" }], note } });
    expect(output.lines.slice(1)).to.deep.equal(["matched stages of student and teacher: layer1 ~ block2", note]);
  });

  const DETECTION = { name: "two-stage-detection", losses: [], trainingMetric: null, primaryMetric: "ap",
    metrics: [{ name: "ap", label: "AP", title: "average precision", unit: "", higherIsBetter: true }] };

  it("lists the levels that two detectors have in common", () => {
    const output = recordingOutput(false);
    const stages = ["p3", "p4"].map((name) => ({ student: name, teacher: name }));
    createFitReporter(output).handle({ ...start, taskInfo: DETECTION, matching: { stages, note: null } });
    expect(output.lines.slice(1)).to.deep.equal(["matched levels of student and teacher: p3, p4"]);
  });

  it("shows how good the teacher is before the first epoch, and what is wrong with it", () => {
    const output = recordingOutput(false);
    let clock = 0;
    const reporter = createFitReporter(output, {}, { now: () => clock });
    reporter.handle(start);
    reporter.handle({ type: "teacher-progress", samples: 10, testSamples: 40 });
    clock = 20_000;
    reporter.handle({ type: "teacher-progress", samples: 20, testSamples: 40 });
    const teacher = { type: "teacher", name: "resnet56", taskInfo: start.taskInfo, reason: null } as const;
    reporter.handle({ ...teacher, test: { ...epoch.test, top1: 72.3, samples: 40 } });
    reporter.handle({ ...teacher, taskInfo: DETECTION, test: { ap: 0, samples: 40 } as typeof epoch.test });
    reporter.handle({ type: "notice", topic: "teacher", message: "it finds nothing." });
    reporter.handle({ ...teacher, test: null, reason: "other classes" });
    reporter.handle(epoch);
    expect(output.notices).to.deep.equal(["evaluating the teacher: 20 of 40 test images, 20s left",
      "warning: it finds nothing."]);
    const [, , ...lines] = output.lines;
    expect(lines.slice(0, 3)).to.deep.equal([
      "teacher resnet56: top-1 accuracy 72.3 % on 40 test images",
      "teacher resnet56: average precision 0.0000 on 40 test images",
      "teacher resnet56: not evaluated on these data: other classes",
    ]);
    expect(lines[3]).to.match(/^ +epoch +loss/);
  });

  it("names the losses and metrics of another task, with its own best", () => {
    const output = recordingOutput(false);
    const reporter = createFitReporter(output);
    const ownLosses: object = { total: 1.25, squaredError: 1, penalty: 0.25, distillation: 0, distillationWeight: 0,
      perStage: [], terms: [] };
    const last: object = { meanError: 0.5, withinOne: 75, samples: 40 };
    const best: object = { epoch: 0, meanError: 0.4 };
    const train: object = { ...epoch.train, losses: ownLosses, meanError: 0.75 };
    reporter.handle({ ...start, task: "train", taskInfo: REGRESSION, trainingOnlyParameters: 0, terms: [],
      matching: null });
    reporter.handle({ ...epoch, train: train as typeof epoch.train, test: last as typeof epoch.test,
      best: best as typeof epoch.best });
    reporter.handle({ ...end, last: last as typeof end.last, best: best as typeof end.best });
    const [, head, row, table] = output.lines;
    expect(head?.trim().split(/ {2,}|(?<=mse) /)).to.include.members(["mse", "penalty", "train", "test", "within 1 %",
      "best"]);
    expect(head?.length).to.equal(row?.length);
    expect(row?.trim().split(/\s+/).slice(1, 8)).to.deep.equal(["1.2500", "1.0000", "0.2500", "0.7500", "0.5000",
      "75.0", "0.4000*"]);
    expect(table).to.include("test error, last epoch").and.include("within 1, last epoch").and.include("75.0 %").and
      .include("error, best epoch").and.include("0.4000 (epoch 1");
  });

  it("leaves the distillation terms out where there is no teacher", () => {
    const output = recordingOutput(false);
    const reporter = createFitReporter(output);
    reporter.handle({ ...start, task: "train", trainingOnlyParameters: 0, terms: [], matching: null });
    reporter.handle(epoch);
    expect(output.lines[0]).to.not.include("training only");
    expect(output.lines[1]).to.not.include("distill");
    expect(output.lines[2]?.trim().split(/\s+/)).to.have.length(9);
  });

  it("writes progress lines at most every ten seconds without a terminal", () => {
    let clock = 0;
    const output = recordingOutput(false);
    const reporter = createFitReporter(output, {}, { now: () => clock });
    reporter.handle(start);
    const before = output.lines.length;
    for (clock = 0; clock <= 30_000; clock += 500) reporter.handle(running);
    const written = output.lines.slice(before);
    // The header of the epochs' rows comes first.
    expect(written).to.have.length(4);
    expect(written[1]).to.equal(
      "epoch 1/2  step 5/10  loss 3.5000 (ce 3.0000 + 0.50 × distill 1.0000)  800 images/s  ETA 1m15s",
    );
  });

  it("reports the position of an interrupted run on standard error", () => {
    const output = recordingOutput(false);
    const reporter = createFitReporter(output);
    reporter.handle({ type: "interrupted", epoch: 2, step: 7, checkpoint: "runs/a/last.safetensors" });
    reporter.handle({ type: "interrupted", epoch: 2, step: 7, checkpoint: null });
    expect(output.notices[0]).to.equal("interrupted in epoch 3 after step 7; saved runs/a/last.safetensors");
    expect(output.notices[1]).to.include("nothing was saved");
  });
});
