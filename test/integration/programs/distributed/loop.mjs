// Uses of a group by programs of their own: loop.mjs MODE [TIMEOUT [FILE]]. Prints the results as JSON.
import { Worker } from "node:worker_threads";
import { addon } from "../../../../dist/native.js";
import { createDistiller, createModel, createSession, isCommonError, joinProcessGroup, loadDataset, ReviewKdError,
  Session, Tensor } from "reviewkd";

const [mode, timeout = "60"] = process.argv.slice(2);
const report = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

async function small() {
  const data = await loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 21, testSamples: 8 });
  const model = await createModel("resnet8", { numClasses: 4, dtype: "float64", seed: 1 });
  return { data, model };
}

/** Settles like a promise, as JSON. */
const outcome = (promise) => promise.then((value) => ({ value }), ({ code, message }) => ({ code, message }));

const MODES = {
  /** Texts, results of the first one, comparisons, and their errors. */
  async texts(group) {
    const texts = await group.exchange(`from ${group.rank}, ü${"x".repeat(1000 * group.rank)}`);
    await group.barrier();
    let calls = 0;
    const first = await group.fromFirst(async () => ({ calls: ++calls, by: group.rank }));
    const failed = await outcome(group.fromFirst(async () => {
      throw Object.assign(new Error("no luck"), {});
    }));
    const same = await outcome(group.assertSame({ a: 1, b: [2, { c: null }] }, "settings"));
    const differing = await outcome(group.assertSame({ a: 1, b: [2, group.rank] }, "settings"));
    const again = await group.exchange(String(group.rank));
    return { rank: group.rank, texts: texts.map((text) => [text.slice(0, 9), text.length]), calls, first, failed, same,
      differing, again, members: group.members.map(({ rank, processId }) => [rank, processId]), pid: process.pid,
      launcher: group.launcher };
  },
  /** Steps of the program's own loop over its part of each batch. */
  async steps(group) {
    const { data, model } = await small();
    const session = await createSession({ model, threads: 1, distributed: group });
    const losses = [];
    const images = [];
    for (const epoch of [0, 1])
      for await (const batch of data.train.batches({ batchSize: 8, seed: 3, epoch, share: group })) {
        images.push(batch.images.shape[0]);
        losses.push((await session.step(batch)).losses.total);
      }
    await session.checkSame();
    const { top1, loss } = await session.evaluate(data.test, { batchSize: 3 });
    const state = await model.stateDict();
    return { losses, images, top1, loss, weights: [...state["fc.weight"].toTypedArray()],
      position: await session.position() };
  },
  /** The first one saves within an epoch of all; another group of them loads it. */
  async within(group) {
    const { data, model } = await small();
    const session = await createSession({ model, threads: 1, distributed: group });
    const path = process.argv[4];
    let saved;
    const first = new AbortController();
    const progress = () => {
      if (group.rank === 0) saved ??= session.saveWithinEpoch(path, { note: "within" });
    };
    const epoch = { epoch: 0, epochs: 1, batchSize: 2, seed: 3, augment: false };
    const whole = await session.trainEpoch(data, { ...epoch, signal: first.signal, onProgress: progress });
    const isSaved = await group.fromFirst(async () => await saved);
    const end = await model.stateDict();
    const again = await createModel("resnet8", { numClasses: 4, dtype: "float64", seed: 9 });
    const other = await createSession({ model: again, threads: 1, distributed: group });
    if (group.rank === 0) await other.loadCheckpoint(path);
    await other.share();
    const begun = await other.position();
    const rest = await other.trainEpoch(data, epoch);
    const restored = await again.stateDict();
    return { isSaved, begun, losses: [whole.losses.total, rest.losses.total], steps: [whole.step, rest.step],
      same: Object.keys(end).every((name) =>
        end[name].toTypedArray().join() === restored[name].toTypedArray().join()
      ) };
  },
  /** A loss of the last process alone is not finite. */
  async nan(group) {
    const { model } = await small();
    const session = await createSession({ model, threads: 1, distributed: group });
    const values = new Float64Array(2 * 3 * 8 * 8).fill(group.rank === group.size - 1 ? Number.NaN : 0.5);
    const batch = { images: Tensor.from(values, [2, 3, 8, 8], { dtype: "float64" }),
      labels: Tensor.from([0, 1], [2], { dtype: "int64" }) };
    const before = await model.stateDict();
    const failed = await outcome(session.step(batch));
    const after = await model.stateDict();
    const kept = [...before["fc.weight"].toTypedArray()].join() === [...after["fc.weight"].toTypedArray()].join();
    return { failed, kept, texts: await group.exchange(String(group.rank)) };
  },
  /** Batches that are not divided evenly: of whole batches, and in parts. */
  async uneven(group) {
    const { model } = await small();
    const count = group.rank === 0 ? 5 : 2;
    const batch = {
      images: Tensor.from(new Float64Array(count * 192).fill(0.5), [count, 3, 8, 8], { dtype: "float64" }),
      labels: Tensor.from(Array(count).fill(1), [count], { dtype: "int64" }),
    };
    const whole = await createSession({ model, threads: 1, distributed: group });
    const { step } = await whole.step(batch);
    await whole.checkSame();
    const parts = await createSession({ model, threads: 1, microBatches: 2, distributed: group });
    return { step, failed: await outcome(parts.step(batch)) };
  },
  /** A learning rate that one process alone is given. */
  async rate(group) {
    const { model } = await small();
    const session = await createSession({ model, threads: 1, distributed: group });
    if (group.rank === 1) await session.setLearningRate(0.5);
    return { failed: await outcome(session.checkSame()) };
  },
  /** A session with a teacher resumes from a checkpoint of steps outside an epoch. */
  async resumed(group) {
    const path = process.argv[4];
    const open = async (seed) => {
      const { data, model } = await small();
      const teacher = await createModel("resnet8", { numClasses: 4, dtype: "float64", seed: 2 });
      await teacher.loadStateDict(await teacher.stateDict());
      const student = seed === 1 ? model : await createModel("resnet8", { numClasses: 4, dtype: "float64", seed });
      const distiller = await createDistiller({ teacher, student, method: { kind: "kd" } });
      return { data, student, session: await createSession({ distiller, threads: 1, distributed: group }) };
    };
    const first = await open(1);
    for await (const batch of first.data.train.batches({ batchSize: 10, seed: 3, share: group }))
      await first.session.step(batch);
    await group.fromFirst(async () => {
      await first.session.saveCheckpoint(path);
      return null;
    });
    const second = await open(4);
    if (group.rank === 0) await second.session.loadCheckpoint(path);
    await second.session.share();
    const position = await second.session.position();
    const { losses } = await second.session.trainEpoch(second.data, { epoch: 0, epochs: 1, batchSize: 10, seed: 3 });
    await second.session.checkSame();
    return { position, total: losses.total };
  },
  /** Errors of all processes, and of one alone; `ABORTED` is either. */
  async common(group) {
    const { data, model } = await small();
    const session = await createSession({ model, threads: 1, distributed: group });
    const isCommon = (promise) => promise.then(() => "none", (error) => [error.code, isCommonError(error)]);
    const isLast = group.rank === group.size - 1;
    const signal = isLast ? AbortSignal.abort() : undefined;
    const epoch = { epoch: 0, epochs: 1, batchSize: 2, seed: 3, augment: false };
    return { epoch: await isCommon(session.trainEpoch(data, { ...epoch, signal })),
      evaluation: await isCommon(session.evaluate(data.test, { batchSize: 1, signal })),
      differing: await isCommon(group.assertSame(group.rank, "settings")),
      alone: await isCommon(model.evaluate(data.test, { signal: AbortSignal.abort() })),
      callback: await isCommon(session.trainEpoch(data, { ...epoch, onProgress: () => {
        if (isLast) throw Object.assign(new Error("mine"), { name: "ReviewKdError", code: "ABORTED" });
      } })), other: isCommonError(new Error("other")) || isCommonError(undefined) };
  },
  /** Teachers that differ, which a session finds when it begins: it is disposed. */
  async teachers(group) {
    const [teacher, student] = await Promise.all(
      [1 + group.rank, 9].map((seed) => createModel("resnet8", { numClasses: 4, seed })),
    );
    await teacher.loadStateDict(await teacher.stateDict());
    const distiller = await createDistiller({ teacher, student, method: { kind: "kd" } });
    let disposed = 0;
    const { dispose } = Session.prototype;
    Session.prototype.dispose = function () {
      disposed += 1;
      dispose.call(this);
    };
    return { failed: await outcome(createSession({ distiller, threads: 1, distributed: group })), disposed };
  },
  /** Leaves by the end of a block; the others wait for it. */
  async using(group) {
    await group.barrier();
    if (group.rank > 0) await new Promise((resolve) => setTimeout(resolve, 500));
    const texts = await outcome(group.exchange(String(group.rank)));
    await group[Symbol.asyncDispose]();
    await group[Symbol.asyncDispose]();
    await group.leave();
    return { texts, disposed: await outcome(group.barrier()) };
  },
  /** Other batches in one process: an error of this one alone, of which the others learn. */
  async wrong(group) {
    const { model } = await small();
    const session = await createSession({ model, threads: 1, distributed: group });
    const label = group.rank === 1 ? 7 : 1;
    const batch = { images: Tensor.from(new Float64Array(2 * 3 * 8 * 8).fill(0.5), [2, 3, 8, 8], { dtype: "float64" }),
      labels: Tensor.from([0, label], [2], { dtype: "int64" }) };
    const failed = await outcome(session.step(batch));
    return { failed, next: await outcome(session.step(batch)) };
  },
  /** Ends while it waits for the others, who never come. */
  async exit(group) {
    if (group.rank === 0) {
      setTimeout(() => process.exit(7), 300);
      await group.barrier();
    }
    return outcome(group.barrier());
  },
  /** The first one ends with an error of its own while the others are still at work. */
  async busy(group) {
    if (group.rank > 0) {
      await new Promise((resolve) => setTimeout(resolve, 7000));
      return outcome(group.barrier());
    }
    await group.fail(Object.assign(new Error("no disk"), { code: "FILE_NOT_WRITABLE" }));
    return {};
  },
  /** Steps with pauses: the second process takes long between two of them. */
  async slow(group) {
    const { data, model } = await small();
    const session = await createSession({ model, threads: 1, distributed: group });
    for await (const batch of data.train.batches({ batchSize: 6, seed: 3, share: group, dropLast: true })) {
      const failed = await outcome(session.step(batch));
      if (failed.code !== undefined) return { failed };
      report({ type: "step" });
      await new Promise((resolve) => setTimeout(resolve, group.rank === 1 ? 8000 : 50));
    }
    return {};
  },
  /** Creates a session, of which the second process is not capable. */
  async incapable(group) {
    const { model } = await small();
    const device = group.rank === 1 ? "cuda" : "cpu";
    return { failed: await outcome(createSession({ model, threads: 1, device, distributed: group })) };
  },
  /** Creates a session, to which the second process does not connect. */
  async absent(group) {
    const { model } = await small();
    const connect = addon().createSession;
    addon().createSession = (...options) => {
      report({ type: "connecting" });
      if (process.argv[4] === "exit") setTimeout(() => process.exit(7), 500);
      if (process.argv[4] === "stop") setTimeout(() => group.fail(new ReviewKdError("ABORTED", "stopped")), 500);
      return group.rank === 1 ? new Promise((resolve) => setTimeout(resolve, 100_000)) : connect(...options);
    };
    return { failed: await outcome(createSession({ model, threads: 1, distributed: group })) };
  },
  /** Sessions that are closed at once, and what follows. */
  async dispose(group) {
    const { model } = await small();
    for (let count = 0; count < 3; ++count) {
      const session = await createSession({ model, threads: 1, distributed: group });
      session.dispose();
    }
    return { texts: await group.exchange(String(group.rank)) };
  },
  /** Groups one after the other, each left at once. */
  async again(group) {
    const ranks = [];
    for (let count = 0; count < 4; ++count) {
      const next = await joinProcessGroup({ timeoutSeconds: 30 });
      ranks.push((await next.exchange(String(next.rank))).join());
      await next.leave();
    }
    return { own: await group.exchange("still here"), ranks };
  },
  /** Returns from the program without leaving. */
  async forget(group) {
    await group.barrier();
    group.leave = async () => undefined;
    return {};
  },
};

/** The group is joined in a thread that is terminated while it waits. */
async function terminate() {
  const worker = new Worker(`
    import("reviewkd").then(async ({ joinProcessGroup }) => {
      const group = await joinProcessGroup({ timeoutSeconds: 100 });
      require("node:worker_threads").parentPort.postMessage("joined");
      if (group.rank === 0) await group.barrier();
      else setTimeout(() => 0, 1e6);
    });`, { eval: true });
  const failed = new Promise((_, reject) => worker.once("error", reject));
  await Promise.race([new Promise((resolve) => worker.once("message", resolve)), failed]);
  await new Promise((resolve) => setTimeout(resolve, 300));
  report({ terminated: await worker.terminate() });
}

if (mode === "terminate") {
  await terminate();
} else {
  const group = await joinProcessGroup({ timeoutSeconds: Number(timeout) });
  report(await MODES[mode](group));
  await group.leave();
}
