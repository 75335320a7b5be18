import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { createModel, createSession, type Session, type StreamItem, type StreamIterable,
  type StreamPass } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";
import { CLASSES, smallModel, weightsOf } from "../training/small-training.js";
import { images, label, later, pixels, stream, TRAIN, VALUES } from "./streams.js";

describe("an epoch over a stream", () => {
  const options = { epoch: 0, epochs: 1, batchSize: 4 } as const;
  let session: Session;

  beforeEach(async () => {
    session = await createSession({ model: await smallModel(), threads: 1 });
  });
  afterEach(() => {
    session.dispose();
  });

  it("ends with the error of its producer, and resumes from there to the same weights", async () => {
    let broken = true;
    using data = await stream({
      train: function* (pass) {
        for (let index = pass.firstImage; index < TRAIN; ++index) {
          if (broken && index === 17) throw new RangeError("no image 17");
          yield { image: pixels(index), label: label(index) };
        }
      },
    });
    let thrown: unknown;
    await session.trainEpoch(data, options).catch((error: unknown) => {
      thrown = error;
    });
    expect(thrown).to.be.instanceOf(RangeError).and.have.property("message", "no image 17");
    // The whole batches before it were trained on.
    expect(await session.position()).to.include({ step: 4, steps: 8 });
    broken = false;
    const { step, images: count } = await session.trainEpoch(data, options);
    expect([step, count]).to.deep.equal([8, TRAIN]);
    expect(await weightsOf(session.model)).to.deep.equal(await straightWeights());
  });

  /** Weights after an uninterrupted epoch. */
  async function straightWeights(): Promise<Record<string, Float64Array>> {
    const model = await smallModel();
    using data = await stream();
    using straight = await createSession({ model, threads: 1 });
    await straight.trainEpoch(data, options);
    return await weightsOf(model);
  }

  it("stops within a step, notifies its producer, and resumes to the same weights, also if items start over", async () => {
    const signals: AbortSignal[] = [];
    let stop = new AbortController();
    // The producer itself stops the first epoch: a progress callback might receive a step only when all are done.
    const stopping = async function* (first: number): AsyncGenerator<StreamItem> {
      let index = first;
      for await (const item of later(images(first, TRAIN))) {
        if (index++ === 17) stop.abort();
        yield item;
      }
    };
    const resumable = (pass: StreamPass): StreamIterable => {
      signals.push(pass.signal);
      return stopping(pass.firstImage);
    };
    const restarting = { [Symbol.asyncIterator]: () => stopping(0) };
    for (const train of [resumable, restarting]) {
      using data = await stream({ train });
      using stopped = await createSession({ model: await smallModel(), threads: 1 });
      stop = new AbortController();
      await failureOf("ABORTED", () => stopped.trainEpoch(data, { ...options, signal: stop.signal }));
      // Of the four whole batches before, those that had become a step by then.
      expect((await stopped.position()).step).to.be.at.most(4);
      await stopped.trainEpoch(data, options);
      expect(await weightsOf(stopped.model)).to.deep.equal(await straightWeights());
    }
    expect(signals.map(({ aborted }) => aborted)).to.deep.equal([true, true]);
  });

  it("stops while it waits for a producer that never continues", async () => {
    let returns = 0;
    const stuck: AsyncIterable<StreamItem> = {
      [Symbol.asyncIterator]: () => {
        const first = images(0, 6);
        return {
          next: () => {
            const next = first.next();
            return next.done === true ? new Promise<never>(() => undefined)
              : Promise.resolve(next as IteratorResult<StreamItem>);
          },
          return: () => {
            ++returns;
            return Promise.resolve({ done: true, value: undefined });
          },
        };
      },
    };
    using data = await stream({ train: stuck });
    const stop = new AbortController();
    // One batch of four can be built from six images; then nothing more arrives.
    const onProgress = (): void => {
      void setTimeout(5).then(() => {
        stop.abort();
      });
    };
    const { message } = await failureOf("ABORTED",
      () => session.trainEpoch(data, { ...options, signal: stop.signal, onProgress }));
    expect(message).to.equal("the epoch was stopped after step 1.");
    expect(returns).to.equal(1);
    expect((await session.position()).step).to.equal(1);
  });

  it("stops on an error of its own progress callback, also while it waits", async () => {
    using data = await stream({
      train: async function* () {
        yield* images(0, 6);
        await new Promise(() => undefined);
      },
    });
    let thrown: unknown;
    const onProgress = (): void => {
      throw new RangeError("enough");
    };
    await session.trainEpoch(data, { ...options, onProgress }).catch((error: unknown) => {
      thrown = error;
    });
    expect(thrown).to.be.instanceOf(RangeError);
  });

  it("reports how long the trainer waited for its producer", async () => {
    using data = await stream({ train: ({ firstImage }) => later(images(firstImage, TRAIN)) });
    const { seconds, dataWaitSeconds, dataWaitFraction, brokenImages } = await session.trainEpoch(data, options);
    expect(dataWaitSeconds).to.be.within(0, seconds);
    expect(dataWaitFraction).to.equal(dataWaitSeconds / seconds);
    expect(brokenImages).to.equal(0);
  });

  it("rejects a producer that ends early or does not end, before the last step", async () => {
    using short = await stream({ train: () => images(0, 20) });
    const early = await failureOf("INVALID_ARGUMENT", () => session.trainEpoch(short, options));
    expect(early.message).to.equal(
      "invalid train stream: expected 30 images for epoch 0, received 20. Set `samples` to the number of images, or yield that many.",
    );

    using long = await stream({ train: function* () {
      for (let index = 0;; ++index) yield { image: pixels(index % 7), label: 0 };
    } });
    const late = await failureOf("INVALID_ARGUMENT",
      () => session.trainEpoch(long, { ...options, epoch: 1, epochs: 2 }));
    expect(late.message).to.include("expected 30 images").and.include("received more");
    expect(await session.position()).to.include({ epoch: 1, step: 7, steps: 8 });
    using limited = await stream({ train: function* () {
      for (let index = 0;; ++index) yield { image: pixels(index % 7), label: 0 };
    }, rest: { limitTrain: 9 } });
    expect(await session.trainEpoch(limited, { ...options, epoch: 2, epochs: 3 })).to.include({ images: 8, step: 2 });
  });

  it("explains how to pass a generator that was already consumed", async () => {
    using data = await stream({ train: images(0, TRAIN) });
    await session.trainEpoch(data, options);
    const { message } = await failureOf("INVALID_ARGUMENT",
      () => session.trainEpoch(data, { ...options, epoch: 1, epochs: 2 }));
    expect(message).to.include(
      "received 0. Pass a function that returns a new iterable for each pass, because a generator can be iterated only once.",
    );
  });

  const wrong: readonly [what: string, item: unknown, code: Parameters<typeof failureOf>[0], message: RegExp][] = [
    ["nothing", undefined, "INVALID_ARGUMENT",
      /item at image 2 of a stream: expected \{ image, label \} or \{ images, labels \}, received nothing/],
    ["an image without label", { image: pixels(0) }, "INVALID_ARGUMENT",
      /item at image 2 of a stream: .*, received an object/],
    ["an image of another size", { image: new Uint8Array(5), label: 0 }, "SHAPE_MISMATCH",
      /image 2 of a stream: expected 192 values .* received 5/],
    ["a piece without images", { images: new Uint8Array(0), labels: [] }, "SHAPE_MISMATCH", /image 2 .*\(0 labels/],
    ["numbers of another type", { image: new Float64Array(VALUES), label: 0 }, "DTYPE_MISMATCH",
      /image 2 of a stream: expected a Uint8Array, Uint8ClampedArray or Float32Array, received a Float64Array/],
    ["floats after bytes", { image: new Float32Array(VALUES), label: 0 }, "DTYPE_MISMATCH",
      /as at the start of the batch/],
    ["a label that is no whole number", { image: pixels(0), label: 0.5 }, "INVALID_ARGUMENT",
      /^invalid label of image 2 of a stream: label is 0\.5: expected an integer from 0 to 3\./],
    ["labels one of which is a string", { images: new Uint8Array(2 * VALUES), labels: [0, "1"] }, "INVALID_ARGUMENT",
      /labels\[1\] is "1": expected an integer from 0 to 3\./],
    ["a label without its class", { image: pixels(0), label: 4 }, "LABEL_OUT_OF_RANGE",
      /label is 4: expected an integer from 0 to 3/],
    ["a negative label", { image: pixels(0), label: -1n }, "LABEL_OUT_OF_RANGE", /label is -1n: expected an integer/],
  ];
  for (const [what, item, code, message] of wrong) {
    it(`rejects ${what}, and asks the producer to return`, async () => {
      let returned = false;
      using data = await stream({
        train: function* () {
          try {
            yield* images(0, 2);
            yield item as StreamItem;
            yield* images(3, TRAIN);
          } finally {
            returned = true;
          }
        },
      });
      const failure = await failureOf(code, () => session.trainEpoch(data, options));
      expect(failure.message).to.match(message);
      expect(returned).to.equal(true);
      expect((await session.position()).step).to.equal(0);
    });
  }

  it("rejects data with more classes than the network, images too small for it, and a function that produces nothing", async () => {
    using many = await stream({ rest: { numClasses: 9 } });
    expect((await failureOf("SHAPE_MISMATCH", () => session.trainEpoch(many, options))).message).to.include(
      "invalid network for the data set stream: expected 9 classes or more",
    );
    using nothing = await stream({ train: (() => 5) as never });
    expect((await failureOf("INVALID_ARGUMENT", () => session.trainEpoch(nothing, options))).message)
      .to.equal("invalid result of a stream's items function: expected an iterable, received 5.");
    using vgg = await createSession({ model: await createModel("vgg8", { numClasses: CLASSES }) });
    const tiny = { image: new Uint8Array(3 * 4 * 4), label: 0 };
    using data = await stream({ train: Array.from({ length: TRAIN }, () => tiny), rest: { height: 4, width: 4 } });
    expect((await failureOf("SHAPE_MISMATCH", () => vgg.trainEpoch(data, options))).message).to.include(
      "expected at least 8×8",
    ).and.include("4×4");
  });
});
