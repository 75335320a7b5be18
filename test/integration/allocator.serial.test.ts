import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { freemem, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { runProgram } from "./child-program.js";

const FIXTURES = fileURLToPath(new URL("../fixtures/allocator", import.meta.url));

const GIB = 2 ** 30;

describe("under a host's allocator that aborts on requests of 256 MiB", function () {
  this.timeout(600_000);
  this.slow(60_000);

  let directory: string;
  let trap: string;
  let defaultAllocator: string;

  before(function () {
    if (process.platform !== "linux") this.skip();
    directory = mkdtempSync(join(tmpdir(), "reviewkd-allocator-"));
    trap = preloaded("abort-on-big-requests");
    defaultAllocator = preloaded("keep-default-allocator");
  });
  after(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  function preloaded(name: string): string {
    const library = join(directory, `${name}.so`);
    execFileSync("g++", ["-O1", "-shared", "-fPIC", "-o", library, join(FIXTURES, `${name}.cpp`), "-ldl"]);
    return library;
  }

  const train = (...libraries: string[]) =>
    runProgram("train-big-batch.mjs", { words: [join(directory, "checkpoint.safetensors")],
      env: { LD_PRELOAD: libraries.join(":") } });

  it("a process aborts, so that the following tests can fail", () => {
    const allocate = (bytes: string) =>
      spawnSync(process.execPath, ["-e", `new ArrayBuffer(${bytes})`], { env: { LD_PRELOAD: trap }, encoding: "utf8" });
    expect(allocate("100 * 2 ** 20").status).to.equal(0);
    const big = allocate("300 * 2 ** 20");
    expect({ signal: big.signal, stderr: big.stderr }).to.deep.equal({ signal: "SIGABRT",
      stderr: "a big request came to calloc\n" });
  });

  it("a network is trained on feature maps of 260 MiB, saved and loaded", async () => {
    const { code, signal, stdout, stderr } = await train(trap);
    expect({ code, signal, stderr }).to.deep.equal({ code: 0, signal: null, stderr: "" });
    expect(JSON.parse(stdout)).to.deep.equal({ images: 1040, finite: true });
  });

  /** For programs that briefly use 5 GiB. */
  function skipWithLittleMemory(test: Mocha.Context): void {
    if (freemem() >= 7 * GIB) return;
    console.log(
      `    skipped: this test requires 7 GiB of free memory, only ${(freemem() / GIB).toFixed(1)} are available`,
    );
    test.skip();
  }

  it("freed memory is kept for reuse, within a bound", async function () {
    skipWithLittleMemory(this);
    const { code, stdout, stderr } = await runProgram("free-big-tensors.mjs");
    expect(code, stderr).to.equal(0);
    const { before, held, after } = JSON.parse(stdout) as Record<"before" | "held" | "after", number>;
    expect(held - before).to.be.above(3.9 * GIB);
    // The bound is 3 GiB, and four of the six blocks fit below it.
    expect(after - before).to.be.within(2 * GIB, 3.1 * GIB);
  });

  it("recently freed memory is kept in preference to older blocks", async function () {
    skipWithLittleMemory(this);
    const { code, stdout, stderr } = await runProgram("reuse-after-other-sizes.mjs");
    expect(code, stderr).to.equal(0);
    const { first, second } = JSON.parse(stdout) as Record<"first" | "second", number>;
    expect(second).to.be.below(first / 4);
  });

  it("libtorch's own allocator would abort", async () => {
    const { signal, stderr } = await train(trap, defaultAllocator);
    expect(signal).to.equal("SIGABRT");
    expect(stderr).to.match(/^a big request came to (posix_memalign|memalign|malloc)$/m);
  });
});
