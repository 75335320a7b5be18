// One of several processes of bench/processes.mjs: takes steps when it is asked to, and answers with their times.
import { createInterface } from "node:readline";
import { createDistiller, createModel, createSession, joinProcessGroup, loadDataset } from "../../dist/index.js";

const { teacher: teacherName, student: studentName, batch, steps } = JSON.parse(process.argv[2]);
const group = await joinProcessGroup({ timeoutSeconds: 900 });
const data = await loadDataset({ kind: "synthetic", limitTrain: batch * steps, limitTest: 1 });
const { numClasses } = data;
const student = await createModel(studentName, { numClasses, seed: 1 });
const teacher = teacherName === undefined ? undefined : await createModel(teacherName, { numClasses, seed: 2 });
const target = teacher === undefined ? { model: student }
  : { distiller: await createDistiller({ teacher, student, method: { kind: "review" } }) };
const session = await createSession({ ...target, threads: 1, teacherThreads: 0, distributed: group,
  optimizer: { kind: "sgd", learningRate: 0.001 } });
const batches = [];
const share = group.size === 1 ? {} : { share: group };
for await (const each of data.train.batches({ batchSize: batch, ...share })) batches.push(each);

/** Seconds of each step as a whole, and of its exchange. */
async function takeSteps() {
  const taken = [];
  for (const each of batches) {
    const began = performance.now();
    const { seconds } = await session.step(each);
    taken.push({ seconds: (performance.now() - began) / 1000, exchange: seconds.exchange, backward: seconds.backward });
  }
  return taken;
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line !== "go") break;
  const taken = await takeSteps();
  if (group.rank === 0) process.stdout.write(`${JSON.stringify(taken)}\n`);
}
await group.leave();
process.exit(0);
