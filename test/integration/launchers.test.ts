// The variables of real launchers: those of PyTorch, SLURM and OpenMPI, where they are installed.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";
import type { ProcessEnvironment } from "../../lib/index.js";
import { pythonWithTorch } from "../support/python-torch.js";
import { hasSlurm, Slurm } from "../support/slurm.js";

const run = promisify(execFile);
const program = fileURLToPath(new URL("programs/print-process-environment.mjs", import.meta.url));

type Printed = ProcessEnvironment | null;

function printed(stdout: string): Printed[] {
  return stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as Printed)
    .sort((a, b) => (a?.restarts ?? 0) - (b?.restarts ?? 0) || (a?.rank ?? 0) - (b?.rank ?? 0));
}

describe("the processes of torchrun", function () {
  this.timeout(120_000);
  let python: string;
  before(async function () {
    const found = await pythonWithTorch();
    if (found === undefined) return this.skip();
    python = found;
  });

  const torchrun = async (...words: readonly string[]): Promise<Printed[]> =>
    printed((await run(python, ["-m", "torch.distributed.run", ...words])).stdout);

  it("know their places; the agent runs the store", async () => {
    const found = await torchrun("--nproc-per-node", "3", "--no-python", process.execPath, program);
    expect(found.map((one) => [one?.rank, one?.localRank])).to.deep.equal([[0, 0], [1, 1], [2, 2]]);
    for (const one of found) {
      expect(one).to.deep.include({ launcher: "torchrun", size: 3, localSize: 3, storeIsHosted: true, restarts: 0,
        master: found[0]?.master, prefix: found[0]?.prefix });
    }
  });

  it("count a restart, with the same keys", async () => {
    const found = await torchrun("--nproc-per-node", "2", "--max-restarts", "1", "--no-python", process.execPath,
      program, "--fail-once");
    // The second process may be ended before it has printed.
    const again = found.filter((one) => one?.restarts === 1);
    expect(again.map((one) => one?.rank)).to.deep.equal([0, 1]);
    for (const one of again) expect(one?.prefix).to.equal(found[0]?.prefix);
  });

  it("need no others if there is one", async () => {
    expect(await torchrun("--nproc-per-node", "1", "--no-python", process.execPath, program)).to.deep.equal([null]);
  });
});

describe("the processes of SLURM", function () {
  this.timeout(120_000);
  let slurm: Slurm | undefined;
  before(async function () {
    if (!(await hasSlurm())) return this.skip();
    slurm = await Slurm.start();
  });
  after(() => slurm?.stop());

  const output = async (command: string, words: readonly string[]): Promise<Printed[]> =>
    printed((await slurm!.run(command, [...words, process.execPath, program])).stdout);

  it("know their places on two machines, the first of which is the master", async () => {
    const found = await output("srun", ["--nodes=2", "--ntasks=3"]);
    expect(found.map((one) => [one?.rank, one?.localRank, one?.localSize])).to.deep.equal([[0, 0, 2], [1, 1, 2], [2, 0,
      1]]);
    for (const one of found)
      expect(one).to.deep.include({ launcher: "slurm", size: 3, master: { ...found[0]?.master, host: "node1" } });
  });

  it("meet on their machine if it is one, at another port in each step", async () => {
    const steps = [await output("srun", ["--nodes=1", "--ntasks=2"]),
      await output("srun", ["--nodes=1", "--ntasks=2"])];
    expect(steps.flat().map((one) => one?.master.host)).to.deep.equal(Array(4).fill("127.0.0.1"));
    expect(steps[0]?.[0]?.master.port).to.equal(steps[0]?.[1]?.master.port).and.not.equal(
      steps[1]?.[0]?.master.port,
    );
  });

  it("are not the shell of a job, nor a step of one process", async () => {
    expect(await output("salloc", ["--quiet", "--ntasks=2"])).to.deep.equal([null]);
    expect(await output("srun", ["--ntasks=1"])).to.deep.equal([null]);
  });
});

describe("the processes of OpenMPI", function () {
  this.timeout(120_000);

  it("know their places, and need no address on one machine", async function () {
    if (!(await run("mpirun", ["--version"]).then(() => true, () => false))) return this.skip();
    const { stdout } = await run("mpirun", ["--allow-run-as-root", "--oversubscribe", "-n", "2", process.execPath,
      program]);
    const found = printed(stdout);
    expect(found.map((one) => one?.rank)).to.deep.equal([0, 1]);
    for (const one of found)
      expect(one).to.deep.include({ launcher: "openmpi", size: 2, localSize: 2, master: found[0]?.master });
    expect(found[0]?.master.host).to.equal("127.0.0.1");
  });
});
