import { expect } from "chai";
import { createSession, Tensor, type Session } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";
import { CLASSES, SIDE, smallBatch, smallData, smallDistiller, smallModel } from "./small-training.js";

const images = (...shape: number[]): Tensor =>
  Tensor.from(new Float32Array(shape.reduce((product, length) => product * length, 1)), shape);
const labels = (...values: number[]): Tensor => Tensor.from(values, [values.length], { dtype: "int64" });

describe("a batch that cannot be trained on", () => {
  let session: Session;

  before(async () => {
    session = await createSession({ model: await smallModel(), threads: 1 });
  });
  afterEach(async () => {
    // A rejected batch is not counted, and the session still works.
    const { totalSteps } = await session.position();
    expect((await session.step(smallBatch(2, 1))).step).to.equal(totalSteps + 1);
  });

  const two = images(2, 3, SIDE, SIDE);
  const cases = [
    { what: "a label of the number of classes", code: "LABEL_OUT_OF_RANGE", images: two, labels: labels(0, CLASSES),
      says: `invalid labels: labels[1] is ${CLASSES}: expected an integer from 0 to ${CLASSES - 1}.` },
    { what: "a label below 0", code: "LABEL_OUT_OF_RANGE", images: two, labels: labels(-1, 0),
      says: "labels[0] is -1:" },
    { what: "images of three dimensions", code: "SHAPE_MISMATCH", images: images(3, SIDE, SIDE), labels: labels(0),
      says: "[3, 8, 8]" },
    { what: "images of one channel", code: "SHAPE_MISMATCH", images: images(2, 1, SIDE, SIDE), labels: labels(0, 1),
      says: "[N, 3, H, W]" },
    { what: "no images", code: "SHAPE_MISMATCH", images: images(0, 3, SIDE, SIDE), labels: labels(),
      says: "expected at least one, [N, 3, H, W] with N ≥ 1, received [0, 3, 8, 8]" },
    { what: "fewer labels than images", code: "SHAPE_MISMATCH", images: two, labels: labels(1),
      says: "invalid labels: expected [2], received [1]." },
    { what: "labels of two dimensions", code: "SHAPE_MISMATCH", images: two,
      labels: Tensor.from([0, 1], [2, 1], { dtype: "int64" }), says: "[2, 1]" },
    { what: "labels that are no integers", code: "DTYPE_MISMATCH", images: two, labels: Tensor.from([0, 1], [2]),
      says: "int64" },
    { what: "pixels that are bytes", code: "DTYPE_MISMATCH",
      images: Tensor.from(new Uint8Array(2 * 3 * 64), [2, 3, SIDE, SIDE]), labels: labels(0, 1),
      says: "floating-point" },
  ] as const;
  for (const { what, code, says, ...batch } of cases) {
    it(`is one with ${what}`, async () => {
      const error = await failureOf(code, () => session.step(batch));
      expect(error.message).to.include(says);
    });
  }

  it("is one with a part of another class, which is named", async () => {
    const numbers = new Float32Array(two.shape.reduce((product, length) => product * length, 1));
    for (const [batch, says] of [
      [{ images: two }, "invalid labels: expected a Tensor, received nothing."],
      [{ images: two, labels: [0, 1] }, "invalid labels: expected a Tensor, received an array of 2 elements."],
      [{ images: numbers, labels: labels(0, 1) },
        "invalid images: expected a Tensor, received a Float32Array of 384 elements."],
      [[{ images: two, labels: labels(0, 1) }, { images: two, labels: 5 }],
        "invalid labels of batches[1]: expected a Tensor, received 5."],
      [[, { images: two, labels: labels(0, 1) }], "invalid batches[0]: expected an object with images"],
    ] as const) {
      const { message } = await failureOf("INVALID_ARGUMENT", () => session.step(batch as never));
      expect(message).to.include(says);
    }
  });

  it("is one image under a distiller, which pools it to a single value", async () => {
    const distilling = await createSession({ distiller: await smallDistiller(), threads: 1 });
    const error = await failureOf("BATCH_TOO_SMALL", () => distilling.step(smallBatch(1, 1)));
    expect(error.message).to.include("at least 2 images").and.to.include("larger batch");
  });

  it("is one that is split into single images under a distiller", async () => {
    const distilling = await createSession({ distiller: await smallDistiller(), threads: 1, microBatches: 4 });
    await failureOf("BATCH_TOO_SMALL", () => distilling.step(smallBatch(4, 1)));
  });
});

describe("an epoch whose batches do not come out even", () => {
  const options = { epoch: 0, epochs: 1 } as const;

  it("leaves out a last batch of one image", async () => {
    const session = await createSession({ distiller: await smallDistiller(), threads: 1 });
    using data = await smallData({ train: 9 });
    const { step, steps, images: count } = await session.trainEpoch(data, { ...options, batchSize: 4 });
    expect([step, steps, count]).to.deep.equal([2, 2, 8]);
  });

  it("keeps a last batch of two", async () => {
    const session = await createSession({ distiller: await smallDistiller(), threads: 1 });
    using data = await smallData({ train: 10 });
    const { step, steps, images: count } = await session.trainEpoch(data, { ...options, batchSize: 4 });
    expect([step, steps, count]).to.deep.equal([3, 3, 10]);
  });

  it("refuses a last batch of too few images for the micro-batches before the first step", async () => {
    const session = await createSession({ distiller: await smallDistiller(), threads: 1, microBatches: 2 });
    using data = await smallData({ train: 11 });
    const { message } = await failureOf("BATCH_TOO_SMALL",
      () => session.trainEpoch(data, { ...options, batchSize: 4 }));
    expect(message).to.include(
      "at least 4 images in the last batch of an epoch, 2 for each of 2 micro-batches, received 3 of 11",
    );
    expect(await session.position()).to.include({ totalSteps: 0 });
    using enough = await smallData({ train: 12 });
    expect(await session.trainEpoch(enough, { ...options, batchSize: 4 })).to.include({ step: 3, images: 12 });
  });

  it("refuses a single training image", async () => {
    const session = await createSession({ model: await smallModel(), threads: 1 });
    using data = await smallData({ train: 1 });
    await failureOf("BATCH_TOO_SMALL", () => session.trainEpoch(data, { ...options, batchSize: 4 }));
  });

  it("refuses batches of one under a distiller", async () => {
    const session = await createSession({ distiller: await smallDistiller(), threads: 1 });
    using data = await smallData();
    await failureOf("BATCH_TOO_SMALL", () => session.trainEpoch(data, { ...options, batchSize: 1 }));
  });

  it("takes batches of one image for a network by itself", async () => {
    const session = await createSession({ model: await smallModel(), threads: 1 });
    using data = await smallData({ train: 3 });
    expect((await session.trainEpoch(data, { ...options, batchSize: 1 })).images).to.equal(3);
  });

  it("refuses data with more classes than the network", async () => {
    const session = await createSession({ model: await smallModel(), threads: 1 });
    using data = await smallData({ classes: CLASSES + 1 });
    for (const work of [() => session.trainEpoch(data, { ...options, batchSize: 4 }),
      () => session.evaluate(data.test)]) {
      const error = await failureOf("SHAPE_MISMATCH", work);
      expect(error.message).to.include(`${CLASSES + 1} classes`);
    }
  });

  it("checks its options", async () => {
    const session = await createSession({ model: await smallModel(), threads: 1 });
    using data = await smallData();
    for (const wrong of [{ batchSize: 0 }, { epoch: -1 }, { epochs: 0 }, { seed: 1.5 }, { batchsize: 4 }]) {
      const error = await failureOf("INVALID_ARGUMENT", () => session.trainEpoch(data, { ...options, ...wrong }));
      expect(error.message).to.include(Object.keys(wrong)[0]!);
    }
  });
});
