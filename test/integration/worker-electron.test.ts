// Workers of Electron's main process: in a real Electron, and in plain Node on a substitute for its utility processes
// (electron-package.ts), which runs the package unchanged where the Electron is too old for that (node-16.ts).
import { spawn, type ChildProcess } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import type { Electron } from "../../scripts/electron/install.js";
import { fit, createModel, loadDataset } from "../../lib/index.js";
import { run } from "../../lib/install/process.js";
import { Display } from "../support/electron/display.js";
import { ELECTRON_OPTIONS, findElectron } from "../support/electron/find.js";
import { isTooOld, lowerPackage } from "../support/electron/node-16.js";
import { installElectron } from "./electron-package.js";
import { install, installPlatform } from "./installed.js";

const VIAS = ["process", "worker", "utilityProcess"] as const;

interface Distilled {
  readonly types: readonly string[];
  readonly losses: readonly unknown[];
  readonly weights: string;
  readonly values: readonly number[];
}

/** The output of programs/electron-workers.cjs. */
interface Output {
  readonly results: Readonly<Record<"here" | (typeof VIAS)[number], Distilled>>;
  readonly ends: Readonly<
    Record<(typeof VIAS)[number], { isApart: boolean; closed: object; code: string; killed: string | null }>
  >;
  readonly reasons: Readonly<Record<"SIGKILL" | "SIGTERM", string>>;
}

function outputOf({ status, stdout, output }: { status: number | null; stdout: string; output: string }): Output {
  expect(status, output).to.equal(0);
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as Output;
}

/** In place of a reason that Electron does not know. */
const UNKNOWN = "exit code 0 (which Electron also reports of a process that was killed)";

function expectWorkers({ results, ends, reasons }: Output): void {
  const { here } = results;
  expect(here.types).to.deep.equal(["start", "teacher", "epoch", "end"]);
  expect(here.values).to.deep.equal([1, 2]);
  for (const via of VIAS) {
    expect(results[via], via).to.deep.equal(here);
    const { isApart, closed, code, killed } = ends[via];
    expect(isApart, via).to.equal(via !== "worker");
    expect(closed, via).to.deep.equal({ signal: null, exitCode: 0, checkpoint: null, closed: true });
    expect(code, via).to.equal("WORKER_EXITED");
    expect(killed, via).to.equal(via === "worker" ? null : "SIGKILL");
  }
  expect(reasons.SIGTERM).to.include(UNKNOWN);
}

function makeProject(): { project: string; main: string } {
  const project = mkdtempSync(join(tmpdir(), "reviewkd-electron-"));
  const main = install(project);
  installPlatform(main);
  for (const name of ["electron-workers.cjs", "electron-caller.cjs"])
    copyFileSync(join(import.meta.dirname, "programs", name), join(project, name));
  return { project, main };
}

const environment = (more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv => ({ ...process.env,
  NODE_OPTIONS: "", REVIEWKD_LIBTORCH: "", ...more });

/** The results in plain Node, with which Electron's are compared. */
async function runInNode(): Promise<Output> {
  const { project } = makeProject();
  try {
    installElectron(project);
    return outputOf(await run(process.execPath, ["electron-workers.cjs"], { cwd: project, env: environment() }));
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
}

describe("workers of Electron's main process", function () {
  this.timeout(120_000);
  this.slow(30_000);
  let inNode: Output;
  before(async () => {
    inNode = await runInNode();
  });

  it("train alike on a substitute for Electron", () => {
    expectWorkers(inNode);
    expect(inNode.reasons.SIGKILL).to.include("ended by SIGKILL");
  });

  describe("in a real Electron", () => {
    let electron: Electron;
    let display: Display | undefined;
    let project: string | undefined;

    before(async function () {
      const found = await findElectron();
      if ("missing" in found) {
        console.log(`    skipped: ${found.missing.replace(/\.$/, "")}.`);
        this.skip();
      }
      electron = found;
      display = await Display.start();
      const made = makeProject();
      project = made.project;
      if (isTooOld(electron)) await lowerPackage(made.main);
    });
    after(async () => {
      await display?.stop();
      if (project !== undefined) rmSync(project, { recursive: true, force: true });
    });

    const optionsFor = (
      name: string,
    ): string[] => [...ELECTRON_OPTIONS, `--user-data-dir=${join(project!, "user")}`, join(project!, name)];

    it("train there, and bring the bits that Node brings", async () => {
      const output = outputOf(
        await run(electron.program, optionsFor("electron-workers.cjs"), { cwd: project,
          env: environment(display!.env) }),
      );
      expectWorkers(output);
      expect(output.results).to.deep.equal(inNode.results);
      expect(["ended by SIGKILL", UNKNOWN].filter((reason) => output.reasons.SIGKILL.includes(reason))).to.have
        .lengthOf(1);
    });

    /** Kills an Electron after its worker's first checkpoint, and waits for the worker's end. */
    async function killDuring(via: string, runDirectory: string): Promise<void> {
      const child: ChildProcess = spawn(electron.program, [...optionsFor("electron-caller.cjs"), via, runDirectory], {
        cwd: project,
        env: environment(display!.env),
        stdio: ["ignore", "pipe", "inherit"],
      });
      let text = "";
      for await (const chunk of child.stdout!) {
        text += String(chunk);
        if (/^worker \d+\n/m.test(text)) break;
      }
      const pid = Number(/^worker (\d+)\n/m.exec(text)?.[1]);
      expect(pid, text).to.be.above(0);
      child.kill("SIGKILL");
      while (existsSync(`/proc/${pid}`)) await delay(20);
    }

    for (const via of ["process", "utilityProcess"] as const) {
      it(`end with it, via ${via}, if it is killed, and another process can resume`, async function () {
        if (process.platform !== "linux") this.skip();
        const runDirectory = join(project!, `run-${via}`);
        await killDuring(via, runDirectory);
        // Only a process of its own sees that its caller is gone, and saves.
        expect(existsSync(join(runDirectory, "run.lock"))).to.equal(via === "utilityProcess");
        const model = await createModel("resnet8", { numClasses: 4 });
        const data = await loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 64, testSamples: 16 });
        const types: string[] = [];
        for await (const { type } of fit({ model, data, epochs: 100_000, batchSize: 16, threads: 1, runDirectory,
          resume: true })) {
          types.push(type);
          if (type === "epoch") break;
        }
        expect(types).to.include("resumed").and.include("epoch");
      });
    }
  });
});
