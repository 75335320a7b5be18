// Run directories under write failures: on a file layer with injected faults, and on a full file system.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect } from "chai";
import { readFitProgress } from "../../lib/runs/run-state.js";
import type { FitEvent } from "../../lib/config/schemas/fit-event.js";
import { FaultyFiles, outcomeOf, startFit, tensorHash, untilEvent, type Ended, type Fault,
  type Outcome } from "./fit-programs.js";

const OPTIONS = { epochs: 6 };

type Failure = Extract<FitEvent, { type: "checkpoint-failed" }>;
const failures = (ended: Ended): Failure[] =>
  ended.events.filter((event): event is Failure => event.type === "checkpoint-failed");

describe("a training that cannot write", () => {
  let scratch: string;
  let files: FaultyFiles;
  let expected: Outcome;
  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), "reviewkd-write-"));
    files = new FaultyFiles();
    const calm = await startFit(join(scratch, "calm"), { options: OPTIONS }).ended;
    expect(calm.code, calm.stderr).to.equal(0);
    expected = await outcomeOf(join(scratch, "calm"));
  });
  after(async () => {
    files.remove();
    await rm(scratch, { recursive: true, force: true });
  });

  /** Runs a training under these faults. */
  const faulty = (name: string, ...rules: Fault[]): Promise<Ended> => {
    const directory = join(scratch, name);
    return startFit(directory, { options: OPTIONS, env: files.environment(directory, rules),
      rescue: join(scratch, `${name}.safetensors`) }).ended;
  };

  /** Expects that the run resumes without faults, to the result of an uninterrupted run. */
  async function expectResumable(name: string): Promise<void> {
    const resumed = await startFit(join(scratch, name), { options: OPTIONS }).ended;
    expect(resumed.error).to.equal(undefined);
    expect(await outcomeOf(join(scratch, name))).to.deep.equal(expected);
  }

  for (const [name, rule, kind] of [
    // About half of the second checkpoint.
    ["no-space", "write last.safetensors 1100000 ENOSPC", "last"],
    ["no-flush", "fsync last.safetensors.tmp 1 EIO", "last"],
    ["no-rename", "rename last.safetensors$ 1 EROFS", "last"],
    ["read-only", "open last.safetensors 1 EROFS", "last"],
    ["no-metrics", "write metrics.jsonl 1500 ENOSPC", "metrics"],
    ["no-directory-flush", "fsync no-directory-flush$ 6 EIO", "last"],
  ] as const) {
    it(`keeps the previous checkpoint and the network in memory, reports it and retries: ${rule}`, async () => {
      const ended = await faulty(name, rule);
      expect(ended.code).to.equal(1);
      expect(ended.error?.code).to.equal("SAVE_FAILED");
      expect(ended.error?.message).to.include(join(scratch, name)).and.to.include("still in memory");
      const reported = failures(ended);
      expect(reported.some(({ kinds }) => kinds.includes(kind))).to.equal(true);
      expect(reported.at(-1)).to.deep.include({ retrySeconds: 0.05 });
      expect(ended.events.filter(({ type }) => type === "epoch"), "all epochs were trained").to.have.lengthOf(6);
      expect(await tensorHash(join(scratch, `${name}.safetensors`)), "saved elsewhere").to.equal(expected.student);
      expect((await readdir(join(scratch, name))).filter((file) => file.includes(".tmp-") || file === "run.lock")).to
        .deep.equal([]);
      // A failed directory flush does not undo earlier writes.
      if (name !== "no-directory-flush") expect((await readFitProgress(join(scratch, name)))?.epochsDone).to.equal(1);
      await expectResumable(name);
    });
  }

  it("writes complete files despite short writes", async () => {
    const ended = await faulty("short", "write * 0 short");
    expect(ended.error).to.equal(undefined);
    expect(failures(ended)).to.deep.equal([]);
    expect(await outcomeOf(join(scratch, "short"))).to.deep.equal(expected);
  });

  it("works on a file system without links and directory flushes", async () => {
    const ended = await faulty("plain", "link * 0 EACCES", "fsync plain$ 0 EINVAL");
    expect(failures(ended)).to.deep.equal([]);
    expect(await outcomeOf(join(scratch, "plain"))).to.deep.equal(expected);
    expect(await readdir(join(scratch, "plain"))).to.include("previous.safetensors");
  });

  for (const [problem, rule] of [["be locked", "open run.lock 0 EROFS"], ["be written",
    "write config.json 0 ENOSPC"]] as const) {
    it(`does not start in a directory that cannot ${problem}`, async () => {
      const ended = await faulty(basename(rule.replaceAll(" ", "-")), rule);
      expect(ended.error?.code).to.equal("RUN_DIRECTORY");
      expect(ended.events.map(({ type }) => type)).to.deep.equal([]);
    });
  }

  it("saves everything once there is space again", async () => {
    const directory = join(scratch, "room");
    files.set("write room/ 1000000 ENOSPC");
    const training = startFit(directory, { options: { ...OPTIONS, retryDelaysMs: Array<number>(200).fill(100) },
      env: files.environment(directory) });
    await untilEvent(training, "checkpoint-failed");
    files.set();
    const ended = await training.ended;
    expect(ended.error).to.equal(undefined);
    expect(failures(ended).length).to.be.above(0);
    // A best checkpoint that could not be saved in its epoch cannot be written later.
    expect({ ...(await outcomeOf(directory)), best: null }).to.deep.equal({ ...expected, best: null });
  });

  it("recreates a vanished directory with all its lines", async () => {
    const directory = join(scratch, "vanished");
    const training = startFit(directory, { options: { ...OPTIONS, wait: true } });
    await untilEvent(training, "ready");
    training.child.stdin.write("go\n");
    await untilEvent(training, "checkpoint");
    await rm(directory, { recursive: true });
    const ended = await training.ended;
    expect(ended.error).to.equal(undefined);
    expect({ ...(await outcomeOf(directory)), best: null }).to.deep.equal({ ...expected, best: null });
    expect(existsSync(join(directory, "config.json"))).to.equal(true);
    expect((await startFit(directory, { options: OPTIONS }).ended).error).to.equal(undefined);
  });

  it("survives a full file system", async function () {
    const directory = join(scratch, "full");
    await mkdir(directory);
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m", "none", directory]);
    // Requires root and a permissive kernel; the tests above cover the same without.
    if (mounted.status !== 0) this.skip();
    try {
      const options = { ...OPTIONS, checkpointEvery: 1 };
      const ended = await startFit(directory, { options, rescue: join(scratch, "full.safetensors") }).ended;
      expect(ended.error?.code).to.equal("SAVE_FAILED");
      expect(failures(ended)[0]?.reason).to.include("No space left on device");
      expect(await tensorHash(join(scratch, "full.safetensors"))).to.equal(expected.student);
      expect(spawnSync("mount", ["-o", "remount,size=64m", directory]).status).to.equal(0);
      const resumed = await startFit(directory, { options }).ended;
      expect(resumed.error).to.equal(undefined);
      expect({ ...(await outcomeOf(directory)), best: null }).to.deep.equal({ ...expected, best: null });
    } finally {
      spawnSync("umount", [directory]);
    }
  });
});
