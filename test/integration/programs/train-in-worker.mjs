// A worker thread that trains: one step ("step"), or an epoch that nobody waits for ("epoch").
import { parentPort, workerData } from "node:worker_threads";
import { beginLongEpoch, longData, smallBatch, smallSession } from "./small-session.mjs";

const session = await smallSession();
if (workerData === "step") {
  const { losses, step } = await session.step(smallBatch());
  parentPort.postMessage({ losses, step });
} else {
  await beginLongEpoch(session, await longData(), () => parentPort.postMessage("training"));
}
