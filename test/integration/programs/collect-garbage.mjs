// Repeatedly creates every kind of object without disposing any, and collects garbage during work.
import process from "node:process";
import { createModel, Tensor } from "reviewkd";
import { setImmediate } from "node:timers/promises";
import { longData, smallBatch, smallSession } from "./small-session.mjs";

const { gc } = globalThis;
const values = new Uint8Array(16 * 2 ** 20);
const rounds = 12;

async function round() {
  const session = await smallSession();
  // The session is dropped while its step runs; only the promise is kept.
  const step = session.step(smallBatch());
  Tensor.from(values, [values.length]);
  gc();
  await step;
  await session.position();
}

async function collect() {
  for (let i = 0; i < 5; ++i) {
    gc();
    await setImmediate();
  }
}

await round();
await collect();
const before = process.memoryUsage.rss();
for (let i = 0; i < rounds; ++i) {
  await round();
  await setImmediate();
}
await (await createModel("resnet8", { numClasses: 4 })).stateDict();
for await (const batch of (await longData()).train.batches({ batchSize: 1000 })) {
  if (batch.labels.shape[0] === 1000) break;
}
await collect();
console.log(JSON.stringify({ total: rounds * values.length, grown: process.memoryUsage.rss() - before }));
