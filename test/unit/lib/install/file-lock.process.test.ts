import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { withFileLock } from "../../../../lib/install/file-lock.js";
import { useTemporaryDirectory } from "./fake-libtorch.js";

describe("withFileLock", () => {
  const directory = useTemporaryDirectory();
  const lock = (): string => join(directory(), "deep/er/.lock");

  it("admits one holder at a time", async () => {
    let inside = 0;
    let most = 0;
    await Promise.all([1, 2, 3].map(() =>
      withFileLock(lock(), async () => {
        most = Math.max(most, ++inside);
        await delay(20);
        inside--;
      })
    ));
    expect(most).to.equal(1);
    expect(existsSync(lock())).to.equal(false);
  });

  it("releases the lock when the work fails", async () => {
    const outcome = await withFileLock(lock(), () => Promise.reject(new Error("broken"))).then(() => undefined, String);
    expect(outcome).to.equal("Error: broken");
    expect(await withFileLock(lock(), () => Promise.resolve("free"))).to.equal("free");
  });

  it("reports once that another process holds the lock, and waits for it", async () => {
    let waits = 0;
    let release = (): void => undefined;
    const held = withFileLock(lock(), () =>
      new Promise<void>((resolve) => {
        release = resolve;
      }));
    while (!existsSync(lock())) await delay(5);
    const waiting = withFileLock(lock(), () => Promise.resolve("mine"), () => {
      ++waits;
    });
    await delay(600);
    expect(waits).to.equal(1);
    release();
    await held;
    expect(await waiting).to.equal("mine");
    expect(waits).to.equal(1);
  });

  it("takes over the lock of a process that was killed", async () => {
    const module = pathToFileURL(join(import.meta.dirname, "../../../../lib/install/file-lock.js")).href;
    const program = `import { withFileLock } from ${JSON.stringify(module)};
      await withFileLock(${JSON.stringify(lock())}, () => { console.log("locked"); return new Promise(() => setInterval(() => undefined, 1000)); });`;
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program], {
      env: { ...process.env, NODE_OPTIONS: "" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(existsSync(lock())).to.equal(true);
    // As if its last refresh had been a minute ago.
    const longAgo = new Date(Date.now() - 60_000);
    utimesSync(lock(), longAgo, longAgo);
    expect(await withFileLock(lock(), () => Promise.resolve("mine"))).to.equal("mine");
  });
});
