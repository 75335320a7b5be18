// Runs on the disk: `run.json` with the plan, and a run directory of reviewkd for each training.
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { schemas, type EpochProgress, type RunConfigInput } from "reviewkd";
import { ReviewKdError } from "reviewkd/worker";
import { z } from "zod";
import { Plan, RunName, type Epoch, type Losses, type Part, type PartState, type Run } from "./shared/contract.js";

/** The content of `run.json`. */
const Stored = z.strictObject({ plan: Plan, teacherTop1: z.number().nullable() });
export type Stored = z.infer<typeof Stored>;

/** A run without the state that only the training process has. */
export type StoredRun = Omit<Run, "status" | "failure">;

/** The trainings of a plan, in order. */
export function partsOf({ teacherWeights, alone }: Plan): Part[] {
  return [...(teacherWeights === null ? ["teacher"] as const : []), ...(alone ? ["alone"] as const : []), "distilled"];
}

/** The configuration of `runExperiment` for one training of a plan; `directory` is that of the run. */
export function configOf(plan: Plan, part: Part, directory: string): RunConfigInput {
  const { data, epochs, batchSize, learningRate } = plan;
  const warmupEpochs = epochs < 10 ? 0 : 1;
  // The teacher's seed differs, or it would start with the student's random numbers. The student starts identically,
  // alone and distilled.
  const seed = part === "teacher" ? plan.seed + 1 : plan.seed;
  const training = { epochs, batchSize, seed, optimizer: { kind: "sgd", learningRate },
    schedule: { kind: "cosine", warmupEpochs } } as const;
  if (part !== "distilled")
    return { task: "train", model: { name: part === "teacher" ? plan.teacher : plan.student }, data, training };
  return {
    task: "distill",
    teacher: { name: plan.teacher, weights: plan.teacherWeights ?? join(directory, "teacher", "student.safetensors") },
    student: { name: plan.student },
    // The published warm-up of 20 epochs belongs to 240 of them. The kind is validated with the rest of the
    // configuration.
    method: { kind: plan.method as "review", weight: plan.weight, warmupEpochs: Math.min(20, Math.floor(epochs / 10)),
      warmupFrom: 1 },
    data,
    training,
  };
}

/** Losses of a step or an epoch, for drawing. */
export function drawnLosses({ total, crossEntropy, terms }: EpochProgress["losses"]): Losses {
  return { total, crossEntropy, terms: terms.map(({ kind, loss, weight }) => ({ kind, value: loss * weight })) };
}

/** The directory of all runs. */
export class RunStore {
  constructor(private readonly directory: string) {}

  path(name: string): string {
    return join(this.directory, RunName.parse(name));
  }

  /** Creates a directory named after the time. */
  async create(stored: Stored, now = new Date()): Promise<string> {
    const [date = "", time = ""] = new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
      .replaceAll(":", "-").split("T");
    await mkdir(this.directory, { recursive: true });
    for (let count = 1;; ++count) {
      const name = `${date}_${time}${count === 1 ? "" : `_${count}`}`;
      if (existsSync(this.path(name))) continue;
      await mkdir(this.path(name));
      await this.write(name, stored);
      return name;
    }
  }

  /** Replaces `run.json` atomically. */
  async write(name: string, stored: Stored): Promise<void> {
    const path = join(this.path(name), "run.json");
    await writeFile(`${path}.partial`, `${JSON.stringify(stored, null, 2)}\n`);
    await rename(`${path}.partial`, path);
  }

  /** @throws ReviewKdError `RUN_DIRECTORY` if the run is missing or cannot be read. */
  async readPlan(name: string): Promise<Stored> {
    const path = join(this.path(name), "run.json");
    const { data } = Stored.safeParse(parseJson(await readFile(path, "utf8").catch(() => "")));
    if (data === undefined)
      throw new ReviewKdError("RUN_DIRECTORY", `no readable run at ${path}. Choose another run, or restore the file.`);
    return data;
  }

  async read(name: string): Promise<StoredRun> {
    const { plan, teacherTop1 } = await this.readPlan(name);
    const parts = await Promise.all(partsOf(plan).map((part) => this.#readPart(name, plan, part)));
    return { name, plan, parts, teacherTop1 };
  }

  /** All runs, the newest first. Other directories and unreadable runs are left out. */
  async list(): Promise<StoredRun[]> {
    const names = existsSync(this.directory)
      ? (await readdir(this.directory)).filter((name) => RunName.safeParse(name).success).sort().reverse() : [];
    const runs = await Promise.all(names.map((name) => this.read(name).catch(() => undefined)));
    return runs.filter((run) => run !== undefined);
  }

  async #readPart(name: string, plan: Plan, part: Part): Promise<PartState> {
    const directory = join(this.path(name), part);
    const lines = (await readFile(join(directory, "metrics.jsonl"), "utf8").catch(() => "")).split("\n");
    const epochs: Epoch[] = [];
    for (const line of lines) {
      const record = schemas.EpochRecord.safeParse(parseJson(line));
      // An interruption leaves half a line; that epoch is trained again.
      if (!record.success) break;
      const { epoch, train, test } = record.data;
      epochs.push({ epoch: epoch + 1, losses: drawnLosses(train.losses), top1: test.top1, seconds: train.seconds });
    }
    const done = epochs.length >= plan.epochs && existsSync(join(directory, "student.safetensors"));
    return { part, network: part === "teacher" ? plan.teacher : plan.student, epochs, of: plan.epochs, done };
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
