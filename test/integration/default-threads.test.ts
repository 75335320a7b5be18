import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const PROGRAM = fileURLToPath(new URL("programs/print-threads.mjs", import.meta.url));

interface Printed {
  readonly threads: number;
  readonly threadsFrom: string;
  readonly processors: number;
}

/** Runs the program by these words before Node's own, without variables that this process has for its own threads. */
function printed(before: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Printed {
  const own = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(?:OMP|MKL)_NUM_THREADS$|^NODE_OPTIONS$/.test(name)),
  );
  const all = [...before, process.execPath, PROGRAM];
  const { status, stdout, stderr } = spawnSync(all[0] ?? "", all.slice(1), { env: { ...own, ...env },
    encoding: "utf8" });
  expect(status, stderr).to.equal(0);
  return JSON.parse(stdout) as Printed;
}

/** An empty control group with a quota of one processor, or undefined if the system does not allow it. */
function groupWithQuota(): string | undefined {
  const isV2 = existsSync("/sys/fs/cgroup/cgroup.controllers");
  const directory = `/sys/fs/cgroup/${isV2 ? "" : "cpu/"}reviewkd-test-${process.pid}`;
  try {
    mkdirSync(directory);
    if (isV2) writeFileSync(`${directory}/cpu.max`, "100000 100000");
    else writeFileSync(`${directory}/cpu.cfs_quota_us`, "100000");
    return directory;
  } catch {
    if (existsSync(directory)) rmdirSync(directory);
    return undefined;
  }
}

describe("the default number of threads", () => {
  before(function () {
    if (process.platform !== "linux") this.skip();
  });

  it("is that of the cores, at most as many as processors", () => {
    const { threads, processors } = printed();
    expect(threads).to.be.within(1, processors);
  });

  it("is OMP_NUM_THREADS, of a list its first number", () => {
    for (const [value, threads] of [["3", 3], ["4,2", 4]] as const)
      expect(printed([], { OMP_NUM_THREADS: value })).to.include({ threads, threadsFrom: "OMP_NUM_THREADS" });
  });

  it("is as without a variable that holds no number", () => {
    const without = printed();
    for (const name of ["OMP_NUM_THREADS", "MKL_NUM_THREADS"]) {
      for (const value of ["many", "0", "-1", "1.5"])
        expect(printed([], { [name]: value }), `${name}=${value}`).to.deep.equal(without);
    }
  });

  it("is OMP_NUM_THREADS where MKL_NUM_THREADS holds no number", () => {
    expect(printed([], { OMP_NUM_THREADS: "3", MKL_NUM_THREADS: "many" })).to.include({ threads: 3,
      threadsFrom: "OMP_NUM_THREADS" });
  });

  it("is bounded by the processors that the system runs the process on", function () {
    if (availableParallelism() < 2 || spawnSync("taskset", ["--version"]).status !== 0) this.skip();
    expect(printed(["taskset", "-c", "0"])).to.deep.equal({ threads: 1, threadsFrom: "affinity", processors: 1 });
  });

  it("is bounded by the quota of a control group, but not OMP_NUM_THREADS", function () {
    const group = availableParallelism() < 2 ? undefined : groupWithQuota();
    if (group === undefined) return this.skip();
    const join = ["sh", "-c", `echo $$ > ${group}/cgroup.procs && exec "$@"`, "sh"];
    try {
      expect(printed(join)).to.deep.equal({ threads: 1, threadsFrom: "quota", processors: 1 });
      expect(printed(join, { OMP_NUM_THREADS: "2" })).to.deep.equal({ threads: 2, threadsFrom: "OMP_NUM_THREADS",
        processors: 1 });
    } finally {
      rmdirSync(group);
    }
  });
});
