// Training with this package's allocator compared with libtorch's own: resnet20 distilled from resnet56, in alternating
// processes.
// Prints the median images per second of each and the median ratio of neighbouring runs; exits 1 if ours is more than 2
// % slower. Linux, needs g++.
// Usage: npm run bench:allocator -- [--rounds N] [--json]
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createDistiller, createModel, createSession, loadDataset, systemInfo } from "../dist/index.js";

const FIXTURE = fileURLToPath(new URL("../test/fixtures/allocator/keep-default-allocator.cpp", import.meta.url));

const { values: flags } = parseArgs({
  options: { rounds: { type: "string", default: "7" }, json: { type: "boolean", default: false },
    train: { type: "boolean", default: false } },
});

async function train() {
  const data = await loadDataset({ kind: "synthetic", numClasses: 10, trainSamples: 1024, testSamples: 10 });
  const teacher = await createModel("resnet56", { numClasses: 10, seed: 1 });
  const student = await createModel("resnet20", { numClasses: 10, seed: 2 });
  const session = await createSession({ distiller: await createDistiller({ teacher, student }) });
  // The first epoch includes the cost of fresh pages.
  await session.trainEpoch(data, { epoch: 0, epochs: 2, batchSize: 64 });
  return (await session.trainEpoch(data, { epoch: 1, epochs: 2, batchSize: 64 })).imagesPerSecond;
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

if (flags.train) {
  process.stdout.write(String(await train()));
} else {
  const directory = mkdtempSync(join(tmpdir(), "reviewkd-bench-"));
  try {
    const library = join(directory, "default.so");
    execFileSync("g++", ["-shared", "-fPIC", "-o", library, FIXTURE]);
    const measure = (env) =>
      Number(
        execFileSync(process.execPath, [fileURLToPath(import.meta.url), "--train"], { env: { ...process.env, ...env },
          encoding: "utf8" }),
      );
    const rows = Array.from({ length: Number(flags.rounds) },
      () => ({ ours: measure({}), default: measure({ LD_PRELOAD: library }) }));
    const ratio = median(rows.map((row) => row.ours / row.default));
    const result = { ours: median(rows.map((row) => row.ours)), default: median(rows.map((row) => row.default)), ratio,
      rows };
    const { libtorch, cpu } = await systemInfo();
    console.log(flags.json ? JSON.stringify(result)
      : `images per second: ${result.ours.toFixed(1)} with ours, ${result.default.toFixed(1)} with libtorch's own, ratio ${ratio.toFixed(3)} over ${flags.rounds} rounds `
        + `(${rows.map((row) => (row.ours / row.default).toFixed(2)).join(" ")}); ${cpu.model}, ${cpus().length} cores, Node ${process.version}, libtorch ${libtorch.version}`);
    if (ratio < 0.98) process.exitCode = 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
