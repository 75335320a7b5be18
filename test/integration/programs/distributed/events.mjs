// Trains in two parts and waits for the others at each event that all processes have: events.mjs RUN. Prints all events
// as JSON, and of the end the seconds that were recorded before it resumed.
import { setTimeout as delay } from "node:timers/promises";
import { createDistiller, createModel, fit, joinProcessGroup, loadDataset } from "reviewkd";
import { readFitProgress } from "../../../../dist/runs/run-state.js";

const COMMON = new Set(["start", "resumed", "teacher", "epoch", "interrupted", "end"]);
const [runDirectory] = process.argv.slice(2);
const report = (event) => process.stdout.write(`${JSON.stringify({ rank: group.rank, ...event })}\n`);

const group = await joinProcessGroup({ timeoutSeconds: 60 });
const data = await loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 64, testSamples: 8 });
const teacher = await createModel("resnet8", { numClasses: 4, seed: 2 });
await teacher.loadStateDict(await teacher.stateDict());

async function train(onEvent, signal) {
  const student = await createModel("resnet8", { numClasses: 4, seed: 1 });
  const distiller = await createDistiller({ teacher, student, method: { kind: "kd" }, seed: 3 });
  const run = fit({ distiller, data, epochs: 3, batchSize: 16, seed: 5, threads: 1, runDirectory, resume: "auto",
    signal, distributed: group });
  for await (const event of run) {
    if (COMMON.has(event.type)) await group.barrier();
    await onEvent(event);
  }
}

const controller = new AbortController();
await train(async (event) => {
  report(event);
  if (event.type !== "epoch" || event.epoch !== 1) return;
  // Longer than the second part.
  await delay(2000);
  if (group.rank === 1) controller.abort();
}, controller.signal).catch(({ code }) => report({ type: "stopped", code }));
const { elapsedSeconds } = await readFitProgress(runDirectory);
await train((event) => report(event.type === "end" ? { ...event, earlierSeconds: elapsedSeconds } : event));
await group.leave();
