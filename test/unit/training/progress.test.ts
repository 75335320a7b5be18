import { expect } from "chai";
import { createSession, type Batch, type Dataset, type Session } from "../../../lib/index.js";
import type { EpochProgress } from "../../../lib/config/schemas/epoch.js";
import { CLASSES, numbersIn, smallData, smallModel } from "./small-training.js";

const options = { epoch: 0, epochs: 1, batchSize: 4 } as const;

/** The reason, of any type, that `work` rejects with. */
async function rejectionOf(work: Promise<unknown>): Promise<unknown> {
  const nothing = Symbol("nothing");
  const reason: unknown = await work.then(() => nothing, (error: unknown) => error);
  expect(reason, "a rejection").to.not.equal(nothing);
  return reason;
}

describe("progress of an epoch", () => {
  let data: Dataset<Batch>;
  let session: Session;

  before(async () => {
    data = await smallData({ train: 64 });
  });
  after(() => {
    data.dispose();
  });
  beforeEach(async () => {
    session = await createSession({ model: await smallModel(), threads: 1 });
  });

  it("grows from report to report and ends with the last step", async () => {
    const reports: EpochProgress[] = [];
    const { seconds, ...summary } = await session.trainEpoch(data, { ...options,
      onProgress: (report) => reports.push(report) });
    expect(reports).to.not.be.empty;
    reports.forEach((report, index) => {
      expect(report.step).to.be.greaterThan(reports[index - 1]?.step ?? 0);
      expect(report.images).to.equal(4 * report.step);
      expect(report).to.deep.include({ epoch: 0, steps: 16 });
      expect(report.top1).to.be.within(0, 100);
    });
    expect(reports.at(-1)).to.deep.equal(summary);
    expect(summary.step).to.equal(16);
    expect(seconds).to.be.greaterThan(0);
    expect(summary.imagesPerSecond * seconds).to.be.closeTo(64, 1e-9);
  });

  it("reports how long the trainer waited for batches", async () => {
    const { seconds, dataWaitSeconds, dataWaitFraction, brokenImages } = await session.trainEpoch(data, options);
    expect(dataWaitSeconds).to.be.greaterThan(0).and.lessThan(seconds);
    expect(dataWaitFraction).to.equal(dataWaitSeconds / seconds);
    expect(brokenImages).to.equal(0);
  });

  it("is over when the epoch is: no report comes later", async () => {
    let reports = 0;
    await session.trainEpoch(data, { ...options, onProgress: () => ++reports });
    const atTheEnd = reports;
    await session.trainEpoch(data, { ...options, epoch: 1 });
    expect(reports).to.equal(atTheEnd);
  });

  it("gives means over the images and the accuracy on them", async () => {
    // One step whose learning rate moves nothing: the session's numbers are those of the network on the whole split.
    const frozen = await createSession({
      model: await smallModel({ dtype: "float64" }),
      threads: 1,
      optimizer: { kind: "sgd", learningRate: 1e-30, momentum: 0, nesterov: false, weightDecay: 0 },
    });
    const summary = await frozen.trainEpoch(data, { ...options, batchSize: 64, augment: false });
    let [correct, loss] = [0, 0];
    for await (const { images, labels } of data.train.batches({ batchSize: 64, shuffle: false, augment: false })) {
      const values = numbersIn((await frozen.model.forward(images, { mode: "train" })).logits);
      numbersIn(labels).forEach((label, image) => {
        const row = values.slice(image * CLASSES, (image + 1) * CLASSES);
        correct += row[label] === Math.max(...row) ? 1 : 0;
        loss += Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0)) - row[label]!;
      });
    }
    expect(summary.top1).to.equal((100 * correct) / 64);
    // The images come in another order, so float64 sums round differently.
    expect(summary.losses.crossEntropy).to.be.closeTo(loss / 64, 1e-9);
    expect(summary.losses).to.deep.include({ total: summary.losses.crossEntropy, distillation: 0, distillationWeight: 0,
      perStage: [] });
  });

  it("rejects with the very error that a callback throws", async () => {
    const error = new RangeError("the callback's own");
    const reason = await rejectionOf(session.trainEpoch(data, { ...options, onProgress: () => {
      throw error;
    } }));
    expect(reason).to.equal(error);
    // The session resumes where it stopped.
    expect((await session.trainEpoch(data, options)).images).to.equal(64);
  });

  it("rejects with the callback's error even where it comes with the last step", async () => {
    const error = new RangeError("the callback's own");
    const reason = await rejectionOf(session.trainEpoch(data, { ...options, batchSize: 64, onProgress: () => {
      throw error;
    } }));
    expect(reason).to.equal(error);
  });

  it("calls a callback that threw no more", async () => {
    let calls = 0;
    const onProgress = (): void => {
      ++calls;
      throw new Error("once is enough");
    };
    await rejectionOf(session.trainEpoch(data, { ...options, onProgress }));
    expect(calls).to.equal(1);
  });

  it("comes of an evaluation, too", async () => {
    const done: number[] = [];
    await session.evaluate(data.train, { batchSize: 10, onProgress: (images) => done.push(images) });
    expect(done.at(-1)).to.equal(64);
    expect(done).to.deep.equal([...new Set(done)].sort((a, b) => a - b));
    const error = new RangeError("the callback's own");
    expect(await rejectionOf(session.evaluate(data.train, { batchSize: 10, onProgress: () => {
      throw error;
    } }))).to.equal(error);
  });
});
