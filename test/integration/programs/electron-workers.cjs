// Distills in this process and in a worker of each kind, and prints the result of each as JSON: on the last line, and
// in a process that runs as Electron's main process or on a substitute for it.
"use strict";
const { createHash } = require("node:crypto");
const { mkdtempSync, readFileSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const here = require("reviewkd");
const { startWorker } = require("reviewkd/worker");
const { app } = require("electron");

async function distill(rk) {
  const teacher = await rk.createModel("resnet14", { numClasses: 4, seed: 1 });
  const student = await rk.createModel("resnet8", { numClasses: 4, seed: 2 });
  const data = await rk.loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 48, testSamples: 16 });
  const distiller = await rk.createDistiller({ teacher, student });
  const types = [];
  const losses = [];
  for await (const event of rk.fit({ distiller, data, epochs: 1, batchSize: 16, threads: 1 })) {
    if (!/progress$|^notice$/.test(event.type)) types.push(event.type);
    if (event.type === "epoch") losses.push(event.train.losses, event.test.top1);
  }
  const path = join(mkdtempSync(join(tmpdir(), "reviewkd-weights-")), "student.safetensors");
  await student.save(path);
  const weights = createHash("sha256").update(readFileSync(path)).digest("hex");
  const values = [...await (await rk.Tensor.from([1, 2], [2])).toTypedArray()];
  return { types, losses, weights, values };
}

async function main() {
  await app?.whenReady();
  const results = { here: await distill(here) };
  const ends = {};
  for (const via of ["process", "worker", "utilityProcess"]) {
    const rk = await startWorker({ via });
    results[via] = await distill(rk);
    const closed = await rk.close();
    const another = await startWorker({ via });
    another.kill();
    const { signal: killed } = await another.exited;
    // Not called before: a thread may answer while it is being ended.
    const code = await another.listModels().catch((error) => error.code);
    ends[via] = { isApart: rk.pid !== process.pid, closed, code, killed };
  }
  return { results, ends, reasons: { SIGKILL: await endedBy("SIGKILL"), SIGTERM: await endedBy("SIGTERM") } };
}

/** The message about a utility process that another program has ended. */
async function endedBy(signal) {
  const rk = await startWorker({ via: "utilityProcess" });
  process.kill(rk.pid, signal);
  await rk.exited;
  return rk.listModels().catch(({ message }) => message);
}

main().then((output) => {
  process.stdout.write(`\n${JSON.stringify(output)}\n`, () => {
    app?.exit(0);
  });
}, (error) => {
  console.error(error);
  if (app === undefined) process.exitCode = 1;
  else app.exit(1);
});
