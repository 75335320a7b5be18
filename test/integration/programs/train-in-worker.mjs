// A worker thread that trains: one step ("step"), or a long epoch ("epoch").
import { parentPort, workerData } from "node:worker_threads";
import { startLongEpoch, longData, smallBatch, smallSession } from "./small-session.mjs";

const session = await smallSession();
if (workerData === "step") {
  const { losses, step } = await session.step(smallBatch());
  parentPort.postMessage({ losses, step });
} else {
  await startLongEpoch(session, await longData(), () => parentPort.postMessage("training"));
}
