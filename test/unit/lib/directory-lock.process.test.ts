import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { expect } from "chai";
import { DirectoryLock, LOCK_FILE } from "../../../lib/runs/directory-lock.js";
import { failureOf, scratchDirectory } from "./small-run.js";

describe("a directory lock", () => {
  const scratch = scratchDirectory();
  const taken: DirectoryLock[] = [];
  afterEach(() => {
    for (const lock of taken.splice(0)) lock.release();
  });

  const take = async (options?: { forceUnlock?: boolean }): Promise<DirectoryLock> => {
    const lock = await DirectoryLock.take(scratch(), options);
    taken.push(lock);
    return lock;
  };
  const record = async (): Promise<Record<string, unknown>> =>
    JSON.parse(await readFile(scratch(LOCK_FILE), "utf8")) as Record<string, unknown>;
  const write = (holder: object): Promise<void> => writeFile(scratch(LOCK_FILE), JSON.stringify(holder));

  it("names its owner, and disappears when it is released", async () => {
    const lock = await take();
    expect(await record()).to.include({ pid: process.pid, host: hostname() });
    expect(lock.intact()).to.equal(true);
    lock.release();
    expect(await readdir(scratch())).to.deep.equal([]);
  });

  it("is denied to a second run of the same process, with the owner's name", async () => {
    await take();
    for (const options of [{}, { forceUnlock: true }]) {
      const error = await failureOf(take(options));
      expect(error.code).to.equal("RUN_LOCKED");
      expect(error.message).to.include(
        `process ${process.pid} on ${hostname()} (since ${String((await record())["since"])})`,
      ).and.to.include(scratch());
    }
    expect(await record()).to.include({ pid: process.pid });
  });

  it("is taken over from a process that died here", async () => {
    const lock = await take();
    const own = await record();
    lock.release();
    await write({ ...own, pid: spawnSync(process.execPath, ["--version"]).pid });
    await take();
    expect(await record()).to.include({ pid: process.pid });
  });

  it("is taken over if another process has the id of the dead one", async () => {
    (await take()).release();
    // This very process runs and has the id, but holds no kernel lock.
    await write({ pid: process.pid, startTicks: 1, host: hostname(),
      bootId: (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim(), since: "2020-01-01T00:00:00.000Z" });
    await take();
  });

  it("is taken over if this machine was rebooted since then", async () => {
    await write({ pid: 1, startTicks: 1, host: hostname(), bootId: "another", since: "2020-01-01T00:00:00.000Z" });
    await take();
  });

  it("is denied if another machine holds it, unless forced", async () => {
    await write({ pid: 7, startTicks: 1, host: "elsewhere.invalid", bootId: "another",
      since: "2020-01-01T00:00:00.000Z" });
    const error = await failureOf(take());
    expect(error.code).to.equal("RUN_LOCKED");
    expect(error.message).to.include("process 7 on elsewhere.invalid (since 2020-01-01").and.to.include(
      "--force-unlock",
    ).and.to.include(scratch(LOCK_FILE));
    expect(await record()).to.include({ pid: 7 });
    await take({ forceUnlock: true });
    expect(await record()).to.include({ pid: process.pid });
  });

  it("is acquired if its file has no valid content", async () => {
    for (const text of ["", "{", "[]", '{"pid":"x"}']) {
      await writeFile(scratch(LOCK_FILE), text);
      (await take()).release();
    }
  });

  it("notices that its file is missing or belongs to another owner, and does not remove the latter", async () => {
    const lock = await take();
    await rm(scratch(LOCK_FILE));
    expect(lock.intact()).to.equal(false);
    await take();
    expect(lock.intact()).to.equal(false);
    lock.release();
    expect(await readdir(scratch())).to.deep.equal([LOCK_FILE]);
  });

  it("reports why it cannot be written", async () => {
    await mkdir(scratch(LOCK_FILE));
    const error = await failureOf(take());
    expect(error.code).to.equal("RUN_DIRECTORY");
    expect(error.message).to.include(scratch(LOCK_FILE));
  });
});
