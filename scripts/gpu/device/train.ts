#!/usr/bin/env node
// Trains the teacher or the student of a CIFAR-100 pair within a time limit:
// node --import tsx train.ts teacher|student --data DIRECTORY --teacher FILE --out DIRECTORY …. As many epochs as fit,
// at most --epochs, with the schedule shortened accordingly. Weights are saved even if the time runs out.
import { appendFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import type * as ReviewKd from "../../../lib/index.js";

const { createDistiller, createModel, createSession, findPreset, fit, loadDataset } = await import(
  pathToFileURL(join(process.cwd(), "dist/index.js")).href
) as typeof ReviewKd;

const { values, positionals: [role] } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: "string", default: "data" },
    teacher: { type: "string", default: "teacher.safetensors" },
    out: { type: "string", default: "." },
    pair: { type: "string", default: "resnet56-resnet20" },
    epochs: { type: "string", default: "240" },
    seconds: { type: "string", default: "540" },
    device: { type: "string", default: "cuda" },
    precision: { type: "string", default: "bfloat16" },
    seed: { type: "string", default: "0" },
  },
});
interface LastEpoch {
  top1: number;
  ms: number;
}

const CLASSES = 100;
const BATCH = 128;
/** The epochs of the official schedule, whose milestones are scaled with the number of epochs. */
const OFFICIAL_EPOCHS = 240;
/** Reserved for the last evaluation and for saving. */
const RESERVE_SECONDS = 5;
const LOGGED_EVERY = 10;
/** Epochs that measure the speed; fewer if one takes more than this share of the remaining time. */
const TRIAL_EPOCHS = 3;
const TRIAL_SHARE = 0.05;

const device = values.device as "cuda" | "cpu";
const precision = values.precision as "bfloat16" | "float32";
const seed = Number(values.seed);
const [teacherName = "", studentName = ""] = values.pair.split("-");
const preset = findPreset(values.pair);
const begin = performance.now();
const secondsLeft = (): number => Number(values.seconds) - (performance.now() - begin) / 1000;

function log(event: { type: string } & Record<string, unknown>): void {
  const line = JSON.stringify({ role, ...event });
  appendFileSync(join(values.out, "train.jsonl"), `${line}\n`);
  if (event.type !== "epoch" || Number(event["epoch"]) % LOGGED_EVERY === 0) console.log(line);
}

const data = await loadDataset({ kind: "cifar100", root: values.data });
log({ type: "data", train: data.train.size, test: data.test.size, seconds: (performance.now() - begin) / 1000 });
if (role === "teacher") await trainTeacher();
else if (role === "student") await trainStudent();
else throw new Error(`invalid role: expected teacher or student, received ${role ?? "none"}. Name what to train.`);

async function trainTeacher(): Promise<void> {
  const optimizer = { kind: "sgd", learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 5e-4 } as const;
  const epochs = await epochsThatFit(async () =>
    createSession({ model: await createModel(teacherName, { numClasses: CLASSES, seed: 1 }), device, precision,
      optimizer })
  );
  const model = await createModel(teacherName, { numClasses: CLASSES, seed: 100 + seed });
  const last = await follow(fit({
    model,
    data,
    device,
    precision,
    seed,
    epochs,
    batchSize: BATCH,
    optimizer,
    schedule: { kind: "cosine", warmupEpochs: Math.min(2, Math.floor(epochs / 10)) },
    signal: timeout(),
  }));
  await model.save(values.teacher);
  summarize(teacherName, epochs, last);
}

async function trainStudent(): Promise<void> {
  if (!existsSync(values.teacher))
    throw new Error(
      `invalid teacher: expected trained weights, received no ${values.teacher}. Train the teacher first, or pack it with --teacher of gpu:kit.`,
    );
  const teacher = await createModel(teacherName, { numClasses: CLASSES, weights: values.teacher });
  const { top1 } = await teacher.evaluate(data.test);
  log({ type: "teacher", top1 });
  const distillerOf = async (initialization: number) =>
    createDistiller({
      teacher,
      student: await createModel(studentName, { numClasses: CLASSES, seed: initialization }),
      method: preset.method,
      seed: initialization,
    });
  const epochs = await epochsThatFit(async () =>
    createSession({ distiller: await distillerOf(1), device, precision, optimizer: { kind: "sgd", learningRate: 0.1 } })
  );
  const distiller = await distillerOf(seed);
  const schedule = preset.training.schedule;
  const milestones = schedule.kind === "multi-step"
    ? schedule.milestones.map((epoch) => Math.round(((epoch + 1) * epochs) / OFFICIAL_EPOCHS) - 1) : undefined;
  const isShortened = epochs !== OFFICIAL_EPOCHS && milestones !== undefined;
  const last = await follow(fit({
    distiller,
    data,
    preset: values.pair as ReviewKd.PresetName,
    device,
    precision,
    seed,
    epochs,
    signal: timeout(),
    ...(isShortened
      ? {
        schedule: { kind: "multi-step", milestones: [...new Set(milestones.filter((epoch) => epoch >= 1))],
          factor: 0.1 },
      } : {}),
  }));
  await distiller.student.save(join(values.out, "student.safetensors"));
  summarize(`${studentName} under ${teacherName} (${top1.toFixed(2)} %)`, epochs, last);
}

/** Measures an epoch with its evaluation on temporary networks. The first epochs warm up and record. */
async function epochsThatFit(createTrial: () => Promise<ReviewKd.Session>): Promise<number> {
  const session = await createTrial();
  let seconds = 0;
  let graph;
  for (let epoch = 0; epoch < TRIAL_EPOCHS && seconds < TRIAL_SHARE * secondsLeft(); ++epoch) {
    const start = performance.now();
    ({ graph } = await session.trainEpoch(data, { epoch, epochs: TRIAL_EPOCHS, batchSize: BATCH }));
    await session.evaluate(data.test);
    seconds = (performance.now() - start) / 1000;
  }
  session.dispose();
  log({ type: "pace", seconds, graph });
  const epochs = Math.max(1, Math.min(Number(values.epochs), Math.floor((secondsLeft() - RESERVE_SECONDS) / seconds)));
  log({ type: "plan", epochs, secondsLeft: secondsLeft() });
  return epochs;
}

function timeout(): AbortSignal {
  return AbortSignal.timeout(Math.max(1000, Math.floor(1000 * (secondsLeft() - RESERVE_SECONDS))));
}

/** Returns the last epoch, also of a stopped training. */
async function follow(events: AsyncIterable<ReviewKd.FitEvent>): Promise<LastEpoch | undefined> {
  let last: LastEpoch | undefined;
  try {
    for await (const event of events) {
      if (event.type !== "epoch") continue;
      const { train, test, epoch } = event;
      last = { top1: test.top1, ms: (1000 * train.seconds) / train.steps };
      log({ type: "epoch", epoch, loss: train.losses.total, trainTop1: train.top1, top5: test.top5,
        replayed: train.graph?.replayed, ...last });
    }
  } catch (error) {
    // Out of time: the result so far counts. Anything else is a failure of the step.
    if ((error as Error).name !== "AbortError" && (error as { code?: string }).code !== "ABORTED") throw error;
    log({ type: "stopped", reason: (error as Error).message });
  }
  log({ type: "end", ...last });
  return last;
}

function summarize(what: string, epochs: number, last: LastEpoch | undefined): void {
  console.log(
    `${what}: ${last?.top1.toFixed(2) ?? "?"} % after ${epochs} epochs, ${last?.ms.toFixed(2) ?? "?"} ms per step, ${((performance.now() - begin) / 60_000).toFixed(1)} min`,
  );
}
