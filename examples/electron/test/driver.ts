// An application started for a test, and the updates that its window received.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { runApplication } from "../src/application.js";
import { askerFor, type Asker } from "../src/renderer/ask.js";
import { afterUpdate, START, withRun, type State } from "../src/renderer/state.js";
import type { Part, Plan, Run } from "../src/shared/contract.js";
import { buildApplication } from "../build.mjs";
import type { BridgeFront } from "./fronts.js";
import { StandInElectron, type Front } from "./stand-in.js";

/** A run of a second or two. */
export const SMALL_PLAN: Plan = {
  teacher: "resnet14",
  teacherWeights: null,
  student: "resnet8",
  method: "review",
  weight: 1,
  alone: true,
  data: { kind: "synthetic", numClasses: 4, trainSamples: 64, testSamples: 32 },
  epochs: 3,
  batchSize: 16,
  learningRate: 0.05,
  seed: 0,
};

/** A directory for an application and its data, which is removed with this object. */
export class Bench implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), "reviewkd-electron-example-"));
  readonly userData = join(this.directory, "user");
  readonly build = join(this.directory, "build");

  /** Starts the application on the substitute for Electron, with the given front in its window. */
  async start<Kind extends Front>(front: Kind): Promise<{ electron: StandInElectron; front: Kind }> {
    if (!existsSync(this.build)) await buildApplication(this.build);
    const electron = new StandInElectron(this.userData, () => front);
    await runApplication(electron.platform, { page: join(this.build, "index.html"),
      preload: join(this.build, "preload.cjs"), via: "process" });
    return { electron, front };
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A window without a page: the preload script's bridge with the page's own logic behind it. */
export class Listener {
  readonly asker: Asker;
  state: State = START;
  readonly #waiting = new Set<() => void>();

  constructor(front: BridgeFront) {
    if (front.trainer === undefined) throw new Error("the preload script did not expose a trainer");
    this.asker = askerFor(front.trainer);
    this.asker.onUpdate((update) => {
      this.state = afterUpdate(this.state, update);
      for (const check of this.#waiting) check();
    });
  }

  async start(plan: Plan): Promise<Run> {
    const run = await this.asker.ask("start", plan);
    this.state = withRun(this.state, run);
    return run;
  }

  async resume(name: string): Promise<void> {
    this.state = withRun(this.state, await this.asker.ask("resume", { run: name }));
  }

  run(name: string): Run {
    const run = this.state.runs.find((candidate) => candidate.name === name);
    if (run === undefined)
      throw new Error(
        `invalid run: expected one of ${this.state.runs.map((other) => other.name).join(", ") || "none"}, received ${name}.`,
      );
    return run;
  }

  /** Waits until a run is in a state; a run that fails instead fails the test with its message. */
  async until(name: string, is: (run: Run) => boolean): Promise<Run> {
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        const run = this.state.runs.find((candidate) => candidate.name === name);
        if (run === undefined) return;
        const met = is(run);
        if (!met && run.failure === null) return;
        this.#waiting.delete(check);
        if (met) resolve();
        else reject(new Error(`${run.failure?.code ?? ""}: ${run.failure?.message ?? ""}`));
      };
      this.#waiting.add(check);
      check();
    });
    return this.run(name);
  }
}

/** The number of known epochs of a part. */
export function epochsOf(run: Run, part: Part): number {
  return run.parts.find((state) => state.part === part)?.epochs.length ?? 0;
}

/** Waits until a process is gone. */
export async function untilGone(pid: number): Promise<void> {
  while (lives(pid)) await delay(20);
}

/** Whether a process exists. */
export function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
