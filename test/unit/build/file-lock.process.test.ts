import { spawnSync } from "node:child_process";
import { existsSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { withFileLock } from "../../../scripts/support/file-lock.mjs";
import { useTemporaryDirectory } from "./fake-libtorch.js";

describe("withFileLock", () => {
  const directory = useTemporaryDirectory();
  const lock = (): string => join(directory(), "deep/er/.lock");

  it("lets one holder in at a time", async () => {
    let inside = 0;
    let most = 0;
    await Promise.all([1, 2, 3].map(() => withFileLock(lock(), async () => {
      most = Math.max(most, ++inside);
      await delay(20);
      inside--;
    })));
    expect(most).to.equal(1);
    expect(existsSync(lock())).to.equal(false);
  });

  it("gives the lock back when the work fails", async () => {
    const outcome = await withFileLock(lock(), () => Promise.reject(new Error("broken"))).then(() => undefined, String);
    expect(outcome).to.equal("Error: broken");
    expect(await withFileLock(lock(), () => Promise.resolve("free"))).to.equal("free");
  });

  it("takes over at once the lock of a process that died here", async () => {
    const { pid } = spawnSync(process.execPath, ["--version"]);
    writeFileSync(join(directory(), ".lock"), `${pid} ${hostname()}\n`);
    expect(await withFileLock(join(directory(), ".lock"), () => Promise.resolve("mine"))).to.equal("mine");
  });

  it("takes over a lock from elsewhere that nobody refreshes", async () => {
    writeFileSync(join(directory(), ".lock"), `${process.pid} elsewhere.invalid\n`);
    const longAgo = new Date(Date.now() - 60_000);
    utimesSync(join(directory(), ".lock"), longAgo, longAgo);
    expect(await withFileLock(join(directory(), ".lock"), () => Promise.resolve("mine"))).to.equal("mine");
  });
});
