import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect } from "chai";
import type { StepResult } from "../../lib/config/schemas/losses.js";
import { runProgram } from "./child-program.js";

const TRAIN_IN_WORKER = new URL("./programs/train-in-worker.mjs", import.meta.url);

describe("worker threads", () => {
  it("train a step in each of three at once, to the same bits", async () => {
    // Without this process's loader, because the workers run the built package.
    const workers = [1, 2, 3].map(() => new Worker(TRAIN_IN_WORKER, { workerData: "step", execArgv: [] }));
    const ends = workers.map((worker) => once(worker, "exit"));
    const results = await Promise.all(workers.map(async (worker) => {
      const [message] = (await once(worker, "message")) as [Pick<StepResult, "losses" | "step">];
      return message;
    }));
    for (const { losses, step } of results) {
      expect(step).to.equal(1);
      expect(losses.crossEntropy).to.be.greaterThan(0);
      expect(losses).to.deep.equal(results[0]!.losses);
    }
    expect((await Promise.all(ends)).flat()).to.deep.equal([0, 0, 0]);
  });

  it("end cleanly when terminated during an epoch, while others continue training", async () => {
    const { code, signal, stdout, stderr } = await runProgram("terminate-worker.mjs");
    expect({ code, signal, stderr }).to.deep.equal({ code: 0, signal: null, stderr: "" });
    expect(stdout).to.equal("terminated 1 1\nterminated 1 1\nstepped 1\n");
  });

  it("do not keep a process from exiting with its code", async () => {
    const { code, signal, stdout, stderr } = await runProgram("exit-with-workers.mjs", { words: ["5"] });
    expect({ code, signal, stderr, stdout }).to.deep.equal({ code: 5, signal: null, stderr: "", stdout: "training\n" });
  });
});
