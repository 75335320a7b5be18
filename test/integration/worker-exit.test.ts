import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { startWorker, type TrainingWorker, type WorkerExit } from "../../lib/worker/index.js";
import { createModel, fit, isReviewKdError, loadDataset } from "../../lib/index.js";
import { failureOf } from "../support/errors.js";
import { runProgram } from "./child-program.js";

/** `npm run test:kills` sets a hundred. */
// @env REVIEWKD_KILLS tests: How many workers are killed. Default: 6; `npm run test:kills` kills a hundred.
const KILLS = Number(process.env["REVIEWKD_KILLS"] ?? 6);
const RUN_FILES = ["best.safetensors", "config.json", "last.safetensors", "metrics.jsonl", "previous.safetensors",
  "student.safetensors"];

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);

async function untilGone(pid: number): Promise<void> {
  while (isAlive(pid)) await delay(20);
}

/** Number of descriptors that this process has open, and those that Node opens while counting. */
const openFiles = (): number => readdirSync("/proc/self/fd").length;

describe("the exit of a worker", function () {
  this.timeout(600_000);
  this.slow(60_000);

  let directory: string;
  before(function () {
    if (process.platform !== "linux") this.skip();
  });
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "reviewkd-exit-"));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  async function training(rk: TrainingWorker,
    options: { runDirectory: string; resume: boolean; signal?: AbortSignal }) {
    const model = await rk.createModel("resnet8", { numClasses: 4 });
    const data = await rk.loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 64, testSamples: 16 });
    return rk.fit({ model, data, epochs: 100_000, batchSize: 16, threads: 1, ...options });
  }

  it(`at ${KILLS} random moments leaves the caller running, able to resume each time, and nothing behind`, async () => {
    const runDirectory = join(directory, "run");
    const last = join(runDirectory, "last.safetensors");
    // The first worker opens what stays open: the files of the loader and of the event loop.
    await (await startWorker()).close();
    const before = openFiles();
    const workers: number[] = [];
    let furthest = 0;
    // The first is killed with its first checkpoint; others live up to twice as long.
    let longestLifeMs: number | undefined;
    for (let kill = 0; kill < KILLS; ++kill) {
      const resume = existsSync(last);
      if (!resume) rmSync(runDirectory, { recursive: true, force: true });
      const rk = await startWorker();
      workers.push(rk.pid);
      const born = performance.now();
      const life = longestLifeMs === undefined ? undefined : delay(Math.random() * longestLifeMs).then(() =>
        process.kill(rk.pid, "SIGKILL")
      );
      const error = await failureOf("WORKER_EXITED", async () => {
        for await (const event of await training(rk, { runDirectory, resume })) {
          if (event.type === "start") {
            // Nothing that was reported as saved is lost.
            expect(event.startEpoch).to.be.at.least(furthest);
            furthest = event.startEpoch;
          }
          if (event.type === "checkpoint" && event.kind === "last") {
            furthest = event.epoch + 1;
            if (longestLifeMs !== undefined) continue;
            longestLifeMs = 2 * (performance.now() - born);
            process.kill(rk.pid, "SIGKILL");
          }
        }
      });
      await life;
      const end = await rk.exited;
      expect(end).to.deep.include({ signal: "SIGKILL", exitCode: null, closed: false });
      expect(error.cause).to.deep.equal(end);
      // If the kill came before the training began, the worker has no run.
      if (end.checkpoint !== null)
        expect(error.message).to.include("SIGKILL").and.include(`Its last checkpoint is ${last}`);
      else expect(error.message).to.include("It had saved no checkpoint");
      await failureOf("WORKER_EXITED", () => rk.listModels());
    }
    expect(furthest).to.be.above(0);

    const rk = await startWorker();
    workers.push(rk.pid);
    const controller = new AbortController();
    const stopped = failureOf("ABORTED", async () => {
      for await (const event of await training(rk, { runDirectory, resume: true, signal: controller.signal }))
        if (event.type === "epoch") controller.abort();
    });
    await stopped;
    await rk.close();
    expect(readdirSync(runDirectory).sort()).to.deep.equal(RUN_FILES);
    const epochs = readFileSync(join(runDirectory, "metrics.jsonl"), "utf8").trimEnd().split("\n").map((line) =>
      (JSON.parse(line) as { epoch: number }).epoch
    );
    expect(epochs).to.deep.equal(epochs.map((_, index) => index));
    expect(epochs.length).to.be.above(furthest);
    expect(workers.filter(isAlive)).to.deep.equal([]);
    // Sockets are closed a turn of the event loop later.
    for (let turn = 0; turn < 50 && openFiles() > before; ++turn) await delay(20);
    expect(openFiles()).to.be.at.most(before);
  });

  it("rejects every waiting call, with signal and checkpoint", async () => {
    const rk = await startWorker();
    const model = await rk.createModel("resnet56", { numClasses: 4 });
    const session = await rk.createSession({ model, threads: 1 });
    const path = join(directory, "own.safetensors");
    await session.saveCheckpoint(path);
    const images = rk.Tensor.from(new Float32Array(64 * 3 * 32 * 32), [64, 3, 32, 32]);
    const labels = rk.Tensor.from(Array.from({ length: 64 }, () => 0), [64], { dtype: "int64" });
    const { test } = await rk.loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 4, testSamples: 4 });
    const waiting = Promise.allSettled([session.step({ images, labels }), session.position(), session.evaluate(test)]);
    process.kill(rk.pid, "SIGSEGV");
    const expected: WorkerExit = { signal: "SIGSEGV", exitCode: null, checkpoint: path, closed: false };
    for (const call of await waiting) {
      const error: unknown = call.status === "rejected" ? call.reason : undefined;
      expect(isReviewKdError(error) && error.code).to.equal("WORKER_EXITED");
      expect((error as Error).message).to.match(
        /^the worker exited during (step|position|evaluate): it was ended by SIGSEGV\. Its last checkpoint is .*own\.safetensors/,
      );
      expect((error as Error).cause).to.deep.equal(expected);
    }
    expect(await rk.exited).to.deep.equal(expected);
  });

  it("is reported for a thread, too", async () => {
    const rk = await startWorker({ via: "worker" });
    const data = await rk.loadDataset({ kind: "synthetic", numClasses: 4 });
    const session = await rk.createSession({ model: await rk.createModel("resnet8", { numClasses: 4 }) });
    const epoch = session.trainEpoch(data, { epoch: 0, epochs: 1, batchSize: 16, onProgress: () => {
      rk.kill();
    } });
    expect((await failureOf("WORKER_EXITED", () => epoch)).message).to.include("exit code 1");
  });
});

describe("the exit of a caller", function () {
  this.timeout(120_000);
  let directory: string;
  before(function () {
    if (process.platform !== "linux") this.skip();
  });
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "reviewkd-caller-"));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    it(`by ${signal} makes the worker save and exit`, async () => {
      const program = fileURLToPath(new URL("programs/worker-caller.mjs", import.meta.url));
      const runDirectory = join(directory, "run");
      const caller = spawn(process.execPath, [program, runDirectory], { stdio: ["ignore", "pipe", "inherit"] });
      let output = "";
      caller.stdout.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
      while (!/progress\n/.test(output)) await once(caller.stdout, "data");
      const worker = Number(/^worker (\d+)$/m.exec(output)?.[1]);
      expect(isAlive(worker)).to.equal(true);
      caller.kill(signal);
      await once(caller, "exit");
      await untilGone(worker);
      // Saved at the current step, and not only at the end of an epoch.
      const model = await createModel("resnet8", { numClasses: 4 });
      const data = await loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 640, testSamples: 32 });
      for await (const event of fit({ model, data, epochs: 1000, batchSize: 16, threads: 1, runDirectory,
        resume: true })) {
        if (event.type === "start") expect(event.startEpoch * 40 + event.startStep).to.be.above(0);
        if (event.type === "progress") break;
      }
      expect(readdirSync(runDirectory).filter((name) => name.includes("tmp"))).to.deep.equal([]);
    });
  }

  for (const [signal, how, variable] of [["SIGHUP", "saves and exits", "/usr/bin/node"], ["SIGHUP",
    "continues under nohup", "/usr/bin/nohup"], ["SIGUSR1", "saves and exits", "/usr/bin/node"]] as const) {
    it(`by ${signal}: ${how}`, async () => {
      const program = fileURLToPath(new URL("programs/worker-caller.mjs", import.meta.url));
      const runDirectory = join(directory, "run");
      const caller = spawn(process.execPath, [program, runDirectory], { stdio: ["ignore", "pipe", "ignore"],
        env: { ...process.env, _: variable } });
      let output = "";
      caller.stdout.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
      while (!/progress\n/.test(output)) await once(caller.stdout, "data");
      const worker = Number(/^worker (\d+)$/m.exec(output)?.[1]);
      process.kill(worker, signal);
      if (variable.endsWith("nohup")) {
        const before = output.length;
        while (!/progress\n/.test(output.slice(before))) await once(caller.stdout, "data");
        expect(isAlive(worker)).to.equal(true);
        caller.kill("SIGKILL");
      }
      await untilGone(worker);
      expect(readdirSync(runDirectory)).to.include("last.safetensors");
    });
  }

  it("needs no close: a process whose calls are all answered exits by itself", async () => {
    const { stdout, ...end } = await runProgram("end-with-idle-worker.mjs");
    expect(end).to.deep.equal({ code: 0, signal: null, stderr: "" });
    const [pid, samples] = stdout.split(" ").map(Number);
    expect(samples).to.equal(32);
    await untilGone(pid!);
  });
});
