// A training of several processes that are killed repeatedly ends like one that is left in peace.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { freePort } from "../../../lib/distributed/free-port.js";
import { pythonWithTorch } from "../../support/python-torch.js";
import { uniforms } from "../../support/uniforms.js";
import { outcomeOf, type Outcome } from "../fit-programs.js";
import { start, useDirectory, type Running } from "../helpers.js";
import { isAlive, reportsOf, textOf } from "./ranks.js";

const MAIN = fileURLToPath(new URL("../../../dist/cli/main.js", import.meta.url));
const SIZE = 2;
const ALL_KILLS = 20;
/** Of these, under torchrun, which takes longer to start. */
const TORCHRUN_KILLS = 6;

/** A run of several seconds that writes most of the time. */
const TRAIN = ["train", "--model", "resnet8", "--data", "synthetic:numClasses=4,trainSamples=96,testSamples=16",
  "--batch-size", "8", "--threads", "1", "--epochs", "30", "--checkpoint-minutes", "0.0001", "--process-timeout", "60",
  "--resume", "auto", "--json"] as const;

/** The processes that a process has started. */
async function childrenOf(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  return children.trim().split(" ").filter((text) => text !== "").map(Number);
}

describe("a training in several processes that are killed", function () {
  this.timeout(600_000);
  before(function () {
    if (process.platform !== "linux") this.skip();
  });
  const directory = useDirectory();
  let calm: Outcome;

  const launch = (run: string, restarts: number): Running =>
    start(["launch", "--processes", String(SIZE), "--max-restarts", String(restarts), "--", ...TRAIN, "--run", run], {
      env: { OMP_NUM_THREADS: "1" },
    });
  // Without the --, it would take --run for one of its own options.
  const torchrun = (python: string) => (run: string, restarts: number): Running =>
    start(["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", String(SIZE), "--max-restarts",
      String(restarts), "--no-python", "--", process.execPath, MAIN, ...TRAIN, "--run", run], { command: python,
      env: { OMP_NUM_THREADS: "1" } });

  before(async () => {
    const run = join(directory.path, "calm");
    const result = await launch(run, 0).finished;
    expect(result.code, textOf([result])).to.equal(0);
    calm = await outcomeOf(run);
  });

  /** Kills a random process at a random moment after each start, and compares the end. */
  async function keepKilling(name: string, kills: number, begin: typeof launch): Promise<void> {
    const run = join(directory.path, name);
    const running = begin(run, kills);
    let output = "";
    running.child.stdout.on("data", (text: string) => {
      output += text;
    });
    const seen = new Set<number>();
    const starts = (): number => output.match(/"type":"start"/g)?.length ?? 0;
    const isRunning = (): boolean => running.child.exitCode === null;
    const random = uniforms(kills, 2 * kills);
    let killed = 0;
    for (; killed < kills && isRunning(); ++killed) {
      while (starts() <= killed && isRunning()) await delay(10);
      await delay(random[2 * killed]! * 250);
      const pids = (await childrenOf(running.child.pid!)).filter((pid) => !seen.has(pid));
      for (const pid of pids) seen.add(pid);
      const pid = pids[Math.floor(random[2 * killed + 1]! * pids.length)];
      if (pid !== undefined) process.kill(pid, "SIGKILL");
    }
    const result = await running.finished;
    expect(result.code, textOf([result])).to.equal(0);
    expect(killed, "it ended before all kills").to.equal(kills);
    expect(starts(), textOf([result])).to.equal(kills + 1);
    expect(await outcomeOf(run)).to.deep.equal(calm);
    expect((await readdir(run)).sort()).to.deep.equal((await readdir(join(directory.path, "calm"))).sort());
    expect([...seen].filter(isAlive)).to.deep.equal([]);
  }

  it("resumes each time, and ends with the same bytes: `reviewkd launch --max-restarts`", async () => {
    const python = await pythonWithTorch();
    await keepKilling("launched", python === undefined ? ALL_KILLS : ALL_KILLS - TORCHRUN_KILLS, launch);
  });

  it("resumes each time, and ends with the same bytes: `torchrun --max-restarts`", async function () {
    const python = await pythonWithTorch();
    if (python === undefined) {
      this.test!.title += " (skipped: no Python with torch, set REVIEWKD_TEST_PYTHON)";
      this.skip();
    }
    await keepKilling("torchrun", TORCHRUN_KILLS, torchrun(python));
  });

  it("resumes after one of two agents of torchrun restarts its process, which the other one does not count",
    async function () {
      const python = await pythonWithTorch();
      if (python === undefined) {
        this.test!.title += " (skipped: no Python with torch, set REVIEWKD_TEST_PYTHON)";
        this.skip();
      }
      const run = join(directory.path, "agents");
      const port = await freePort();
      const words = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d",
        "--rdzv-endpoint", `127.0.0.1:${port}`, "--rdzv-id", "agents", "--max-restarts", "3", "--no-python", "--",
        process.execPath, MAIN, ...TRAIN, "--run", run];
      const agents = [0, 1].map(() => start(words, { command: python, env: { OMP_NUM_THREADS: "1" } }));
      await Promise.any(agents.map(async (agent) => agent.until(/"type":"epoch"/)));
      const [pid] = await childrenOf(agents[1]!.child.pid!);
      expect(pid).to.be.a("number");
      process.kill(pid!, "SIGKILL");
      const results = await Promise.all(agents.map(async ({ finished }) => finished));
      expect(results.map(({ code }) => code), textOf(results)).to.deep.equal([0, 0]);
      const resumed = reportsOf(...results).filter(({ type }) => type === "resumed");
      expect(resumed, textOf(results)).to.have.length.greaterThan(0);
      expect(await outcomeOf(run)).to.deep.equal(calm);
      expect(isAlive(pid)).to.equal(false);
    });
});
