import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { createDistiller, createModel, createSession, loadDataset, type Dataset,
  type Session } from "../../lib/index.js";

/** The number of timer ticks until `work` is done. */
async function ticksDuring(work: Promise<unknown>): Promise<number> {
  let ticks = 0;
  const timer = setInterval(() => ++ticks, 1);
  await work;
  clearInterval(timer);
  return ticks;
}

describe("the event loop", () => {
  let data: Dataset;
  let session: Session;

  before(async () => {
    data = await loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 64, testSamples: 64 });
    const [teacher, student] = [await createModel("resnet8", { numClasses: 4 }),
      await createModel("resnet8", { numClasses: 4, seed: 1 })];
    session = await createSession({ distiller: await createDistiller({ teacher, student }), threads: 1 });
  });
  after(() => {
    session.dispose();
    data.dispose();
  });

  it("runs timers while an epoch trains", async () => {
    // Four steps of many milliseconds each.
    expect(await ticksDuring(session.trainEpoch(data, { epoch: 0, epochs: 1, batchSize: 16 }))).to.be.at.least(3);
  });

  it("runs timers while a data set is generated and a network evaluated", async () => {
    expect(await ticksDuring(loadDataset({ kind: "synthetic", trainSamples: 500, testSamples: 1 }))).to.be.at.least(3);
    expect(await ticksDuring(session.evaluate(data.test))).to.be.at.least(1);
  });

  it("serves other calls while an epoch trains", async () => {
    let trained = false;
    const epoch = session.trainEpoch(data, { epoch: 1, epochs: 2, batchSize: 8 }).then((summary) => {
      trained = true;
      return summary;
    });
    const other = await createModel("resnet8", { numClasses: 4 });
    await other.stateDict();
    await delay(1);
    expect(trained).to.equal(false);
    expect((await epoch).images).to.equal(64);
  });

  it("receives progress before the end of an epoch", async () => {
    const steps: number[] = [];
    await session.trainEpoch(data, { epoch: 2, epochs: 3, batchSize: 4, onProgress: ({ step }) => steps.push(step) });
    expect(steps[0]).to.be.below(16);
    expect(steps.at(-1)).to.equal(16);
  });
});
