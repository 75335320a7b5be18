import { expect } from "chai";
import { createSession, type Batch, type Dataset, type DatasetSplit, type Model } from "../../../lib/index.js";
import type { Evaluation } from "../../../lib/config/schemas/epoch.js";
import { failureOf } from "../../support/errors.js";
import { CLASSES, numbersIn, smallData, smallModel, weightsOf } from "./small-training.js";

/** Top-1, top-5 and mean cross entropy, image by image from the logits of `Model.forward`. */
async function reference(model: Model, split: DatasetSplit<Batch>): Promise<Evaluation> {
  let [first, five, loss, samples] = [0, 0, 0, 0];
  for await (const { images, labels } of split.batches({ batchSize: 8, shuffle: false, augment: false })) {
    const logits = numbersIn((await model.forward(images)).logits);
    numbersIn(labels).forEach((label, image) => {
      const row = logits.slice(image * model.numClasses, (image + 1) * model.numClasses);
      const better = row.filter((value) => value > row[label]!).length;
      first += better < 1 ? 1 : 0;
      five += better < 5 ? 1 : 0;
      loss += Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0)) - row[label]!;
      ++samples;
    });
  }
  return { top1: (100 * first) / samples, top5: (100 * five) / samples, loss: loss / samples, samples };
}

describe("evaluation", () => {
  let data: Dataset<Batch>;
  let model: Model;

  before(async () => {
    data = await smallData({ train: 8, test: 45, classes: 9 });
    model = await smallModel({ numClasses: 9, dtype: "float64" });
  });
  after(() => {
    data.dispose();
  });

  function expectSame(actual: Evaluation, expected: Evaluation): void {
    expect([actual.top1, actual.top5, actual.samples]).to.deep.equal([expected.top1, expected.top5, expected.samples]);
    // Sums of 45 float64 values in another order.
    expect(actual.loss).to.be.closeTo(expected.loss, 1e-12);
  }

  it("agrees with accuracy and cross entropy taken from the logits", async () => {
    const expected = await reference(model, data.test);
    expectSame(await model.evaluate(data.test), expected);
    // The comparison says something: neither number is at its bounds.
    expect(expected.top1).to.be.within(1, 99);
    expect(expected.top5).to.be.within(expected.top1 + 1, 99);
  });

  it("does not depend on the batch size, nor on a last batch that is not full", async () => {
    const expected = await model.evaluate(data.test);
    for (const batchSize of [1, 7, 45]) expectSame(await model.evaluate(data.test, { batchSize }), expected);
  });

  it("is the same through a session", async () => {
    const session = await createSession({ model, threads: 1 });
    expectSame(await session.evaluate(data.test), await model.evaluate(data.test));
  });

  it("counts a class among fewer than five as within the top five", async () => {
    using few = await smallData({ test: 12 });
    expect((await (await smallModel()).evaluate(few.test)).top5).to.equal(100);
  });

  it("takes a network with more classes than the data", async () => {
    using few = await smallData({ test: 12, classes: CLASSES });
    expectSame(await model.evaluate(few.test), await reference(model, few.test));
  });

  it("evaluates training images as they are, without augmentation", async () => {
    expectSame(await model.evaluate(data.train), await reference(model, data.train));
  });

  it("changes nothing of the network", async () => {
    const before = await weightsOf(model);
    await model.evaluate(data.test);
    expect(await weightsOf(model)).to.deep.equal(before);
  });

  it("leaves a session training as if it had not been", async () => {
    const weights = [];
    for (const evaluates of [false, true]) {
      const session = await createSession({ model: await smallModel({ numClasses: 9 }), threads: 1 });
      for (const epoch of [0, 1]) {
        await session.trainEpoch(data, { epoch, epochs: 2, batchSize: 4 });
        if (evaluates) await session.evaluate(data.test);
      }
      weights.push(await weightsOf(session.model));
    }
    expect(weights[1]).to.deep.equal(weights[0]);
  });

  it("stops after the batch during which its signal is given", async () => {
    const session = await createSession({ model, threads: 1 });
    const controller = new AbortController();
    const done: number[] = [];
    // Waits for an epoch, so that the signal is there before the first batch ends.
    const earlier = session.trainEpoch(data, { epoch: 0, epochs: 1, batchSize: 2 });
    const failure = failureOf("ABORTED",
      () =>
        session.evaluate(data.test, { batchSize: 5, signal: controller.signal, onProgress: (images) =>
          done.push(images) }));
    controller.abort();
    await earlier;
    await failure;
    expect(done).to.deep.equal([5]);
  });

  it("checks its options", async () => {
    for (const wrong of [{ batchSize: 0 }, { precision: "float16" }, { batchsize: 3 }]) {
      const error = await failureOf("INVALID_ARGUMENT", () => model.evaluate(data.test, wrong as never));
      expect(error.message).to.include(Object.keys(wrong)[0]!);
    }
  });
});
