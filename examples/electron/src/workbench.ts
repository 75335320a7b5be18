// The work of the application: it trains in a worker, keeps runs and exports them. Nothing is known here about
// Electron.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { listMethods, parseRunConfig, type FitEvent } from "reviewkd";
import { isReviewKdError, ReviewKdError, startWorker, type TrainingWorker,
  type WorkerOptionsInput } from "reviewkd/worker";
import { configOf, drawnLosses, partsOf, RunStore, type StoredRun } from "./runs.js";
import type { Description, Failure, Part, Plan, RequestOf, ResponseOf, Run, Update } from "./shared/contract.js";

export interface WorkbenchOptions {
  /** The directory of all runs. */
  readonly directory: string;
  readonly via: NonNullable<WorkerOptionsInput["via"]>;
  readonly onUpdate: (update: Update) => void;
}

/** The active run. */
interface Current {
  readonly name: string;
  readonly controller: AbortController;
  readonly ended: Promise<void>;
}

/** One worker, and the runs that it trains, one at a time. */
export class Workbench {
  readonly #store: RunStore;
  readonly #options: WorkbenchOptions;
  /** Paths that the user chose in a dialog: a compromised window cannot name others. */
  readonly #chosen = new Set<string>();
  readonly #failures = new Map<string, Failure>();
  #worker: Promise<TrainingWorker> | undefined;
  #current: Current | undefined;
  #closing = false;

  constructor(options: WorkbenchOptions) {
    this.#options = options;
    this.#store = new RunStore(options.directory);
  }

  async describe(): Promise<Description> {
    const rk = await this.#rk();
    const [models, system] = await Promise.all([rk.listModels(), rk.systemInfo()]);
    const { available, devices, reason } = system.cuda;
    return {
      networks: models.map(({ name, parameters, imageSize: [imageSize] }) => ({ name, parameters, imageSize })),
      methods: listMethods().filter(({ kind }) => kind !== "sum").map(({ kind, summary }) => ({ kind, summary })),
      version: system.version,
      libtorch: system.libtorch.version,
      threads: system.threads,
      pid: rk.pid,
      device: available ? devices.join(", ") : system.cpu.model,
      noGpu: available ? null : reason ?? "no reason is known",
    };
  }

  async runs(): Promise<Run[]> {
    return (await this.#store.list()).map((run) => this.#complete(run));
  }

  async open(name: string): Promise<Run> {
    return this.#complete(await this.#store.read(name));
  }

  /** Registers a file or directory that was chosen in a dialog. */
  choose(path: string): void {
    this.#chosen.add(path);
  }

  /** Identifies the network of a chosen file. */
  async inspectWeights(path: string): Promise<NonNullable<ResponseOf<"chooseWeights">>> {
    const { fit } = await (await this.#rk()).inspectWeights(path);
    this.choose(path);
    return { path, network: fit?.name ?? null, numClasses: fit?.numClasses ?? null };
  }

  async start(plan: Plan): Promise<Run> {
    this.#refuseSecond();
    for (const path of [plan.teacherWeights, "root" in plan.data ? plan.data.root : null]) {
      if (path !== null && !this.#chosen.has(path))
        throw new ReviewKdError("INVALID_ARGUMENT",
          `invalid path: expected a path that was chosen in a dialog, received "${path}". Choose it in the form.`);
    }
    parseRunConfig(configOf(plan, "distilled", this.#options.directory));
    await this.#refuseUnknown(plan);
    this.#refuseSecond();
    const name = await this.#store.create({ plan, teacherTop1: null });
    this.#begin(name, plan);
    return this.open(name);
  }

  /** Resumes a run. */
  async resume(name: string): Promise<Run> {
    const { plan } = await this.#store.readPlan(name);
    this.#refuseSecond();
    this.#begin(name, plan);
    return this.open(name);
  }

  /** Finishes the step and saves; the run's update reports when. */
  stop(): void {
    const current = this.#current;
    if (current === undefined) return;
    current.controller.abort();
    this.#sendRun(current.name);
  }

  /** Writes the distilled student alone, in the format of the path's extension. */
  async exportStudent({ run, checkpoint }: Pick<RequestOf<"exportStudent">, "run" | "checkpoint">,
    path: string): Promise<string> {
    return (await this.#rk()).exportStudent(join(this.#store.path(run), "distilled"), path, { checkpoint,
      overwrite: true });
  }

  /** Saves what is being trained and ends the worker. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#current?.controller.abort();
    await this.#current?.ended;
    const worker = await this.#worker?.catch(() => undefined);
    await worker?.close();
  }

  /** Starts a worker if none runs. */
  #rk(): Promise<TrainingWorker> {
    if (this.#closing) throw new ReviewKdError("DISPOSED", "the application is closing. Open it again to train.");
    this.#worker ??= this.#startWorker();
    return this.#worker;
  }

  async #startWorker(): Promise<TrainingWorker> {
    try {
      const worker = await startWorker({ via: this.#options.via });
      void worker.exited.then(() => {
        this.#worker = undefined;
      });
      return worker;
    } catch (error) {
      this.#worker = undefined;
      throw error;
    }
  }

  #refuseSecond(): void {
    if (this.#current !== undefined)
      throw new ReviewKdError("RUN_LOCKED", `the run ${this.#current.name} is active. Stop it first.`);
  }

  /** Rejects unknown networks before a teacher is trained for hours. */
  async #refuseUnknown({ teacher, student }: Plan): Promise<void> {
    const names = (await (await this.#rk()).listModels()).map(({ name }) => name);
    for (const name of [teacher, student]) {
      if (!names.includes(name))
        throw new ReviewKdError("UNKNOWN_NAME",
          `invalid network: expected the name of a network, received "${name}". Choose one of the listed names.`, {
          valid: names,
        });
    }
  }

  #begin(name: string, plan: Plan): void {
    const controller = new AbortController();
    this.#failures.delete(name);
    const ended = this.#train(name, plan, controller.signal)
      .catch((error: unknown) => {
        if (!isAbort(error)) this.#failures.set(name, failureOf(error));
      })
      .finally(() => {
        this.#current = undefined;
        this.#sendRun(name);
      });
    this.#current = { name, controller, ended };
  }

  async #train(name: string, plan: Plan, signal: AbortSignal): Promise<void> {
    const rk = await this.#rk();
    const directory = this.#store.path(name);
    const { teacherTop1 } = await this.#store.readPlan(name);
    if (plan.teacherWeights !== null && teacherTop1 === null)
      await this.#store.write(name, { plan, teacherTop1: await judgeTeacher(rk, plan, signal) });
    for (const part of partsOf(plan)) {
      signal.throwIfAborted();
      const run = await this.#store.read(name);
      if (run.parts.find((state) => state.part === part)?.done === true) continue;
      this.#options.onUpdate({ type: "run", run: this.#complete(run) });
      const runDirectory = join(directory, part);
      const resume = existsSync(join(runDirectory, "config.json"));
      // How good a teacher is was measured once for all parts.
      const options = { runDirectory, resume, signal, evaluateTeacher: false };
      for await (const event of rk.runExperiment(configOf(plan, part, directory), options))
        this.#pass(event, name, part);
    }
  }

  #pass(event: FitEvent, run: string, part: Part): void {
    const { onUpdate } = this.#options;
    switch (event.type) {
      case "progress": {
        const { epoch, epochs, step, steps, losses, imagesPerSecond, etaSeconds } = event;
        onUpdate({ type: "progress", run,
          progress: { part, epoch: epoch + 1, of: epochs, step, steps, losses: drawnLosses(losses), imagesPerSecond,
            etaSeconds } });
        break;
      }
      case "epoch":
        onUpdate({ type: "epoch", run, part,
          epoch: { epoch: event.epoch + 1, losses: drawnLosses(event.train.losses), top1: event.test.top1,
            seconds: event.train.seconds } });
        break;
      case "checkpoint-failed":
        onUpdate({ type: "warning", run, message: `Not saved yet (${event.code}): ${event.reason}` });
        break;
      case "notice":
        onUpdate({ type: "warning", run, message: event.message });
        break;
      case "broken-image":
        onUpdate({ type: "warning", run, message: `Skipped ${event.path}: ${event.reason}` });
        break;
      case "resumed":
        for (const { path, reason } of event.damaged)
          onUpdate({ type: "warning", run, message: `Skipped ${path}: ${reason}` });
        break;
      case "loading":
      case "start":
      case "teacher-progress":
      case "teacher":
      case "checkpoint":
      case "interrupted":
      case "end":
        break;
    }
  }

  #sendRun(name: string): void {
    this.open(name).then((run) => {
      this.#options.onUpdate({ type: "run", run });
    }, (error: unknown) => {
      console.error(error);
    });
  }

  #complete(run: StoredRun): Run {
    const failure = this.#failures.get(run.name) ?? null;
    return { ...run, failure, status: this.#statusOf(run, failure) };
  }

  #statusOf({ name, parts }: StoredRun, failure: Failure | null): Run["status"] {
    if (this.#current?.name === name) return this.#current.controller.signal.aborted ? "stopping" : "running";
    if (parts.every(({ done }) => done)) return "finished";
    return failure === null ? "stopped" : "failed";
  }
}

/** How good a teacher from a file is on these data. */
async function judgeTeacher(rk: TrainingWorker, { teacher, teacherWeights, data: source }: Plan,
  signal: AbortSignal): Promise<number> {
  using data = await rk.loadDataset(source);
  using model = await rk.createModel(teacher, { numClasses: data.numClasses,
    ...(teacherWeights === null ? {} : { weights: teacherWeights }) });
  return (await model.evaluate(data.test, { signal })).top1;
}

function isAbort(error: unknown): boolean {
  return (isReviewKdError(error) && error.code === "ABORTED") ||
    (error instanceof Error && error.name === "AbortError");
}

/** The failure that is sent to the window. */
export function failureOf(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  return isReviewKdError(error) ? { code: error.code, message, valid: [...error.valid] }
    : { code: "INTERNAL", message, valid: [] };
}
