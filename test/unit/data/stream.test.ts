import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { createModel, createSession, loadDataset, type Dataset, type Session, type StreamItem, type StreamItems,
  type StreamIterable, type StreamPass } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";
import { CLASSES, SIDE, smallModel, weightsOf } from "../training/small-training.js";
import { uniforms } from "../../support/uniforms.js";

const VALUES = 3 * SIDE * SIDE;
const TRAIN = 30;
const TEST = 10;

const label = (index: number): number => index % CLASSES;

/** Bytes of one image; each index differs. */
function pixels(index: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(uniforms(index + 1, VALUES),
    (value, position) => Math.floor(180 * value) + ((label(index) >> (position % 2)) & 1) * 70);
}

function* images(first: number, count: number): Generator<StreamItem> {
  for (let index = first; index < count; ++index) yield { image: pixels(index), label: label(index) };
}

interface Overrides {
  readonly train?: StreamItems;
  readonly test?: StreamItems;
  readonly trainSamples?: number;
  readonly rest?: object;
}

function stream(options: Overrides = {}): Promise<Dataset> {
  const { train = (pass: StreamPass) => images(pass.firstImage, TRAIN), test = () => images(0, TEST),
    trainSamples = TRAIN, rest = {} } = options;
  return loadDataset({
    kind: "stream",
    numClasses: CLASSES,
    height: SIDE,
    width: SIDE,
    train: { samples: trainSamples, items: train },
    test: { samples: TEST, items: test },
    ...rest,
  });
}

/** The same images in native memory. */
function arrays(): Promise<Dataset> {
  const split = (count: number): { images: Uint8Array<ArrayBuffer>; labels: number[] } => {
    const indices = Array.from({ length: count }, (_, index) => index);
    return { images: Uint8Array.from(indices.flatMap((index) => [...pixels(index)])), labels: indices.map(label) };
  };
  return loadDataset({
    kind: "arrays",
    numClasses: CLASSES,
    height: SIDE,
    width: SIDE,
    train: split(TRAIN),
    test: split(TEST),
    normalization: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  });
}

interface Read {
  readonly labels: number[][];
  readonly values: number[];
}

async function read(data: Dataset, batchSize: number, options: { dropLast?: boolean } = {}): Promise<Read> {
  const result: Read = { labels: [], values: [] };
  for await (const batch of data.train.batches({ batchSize, shuffle: false, augment: false, ...options })) {
    result.labels.push(Array.from(batch.labels.toTypedArray(), Number));
    result.values.push(...Array.from(batch.images.toTypedArray(), Number));
  }
  return result;
}

async function* later(items: Iterable<StreamItem>): AsyncGenerator<StreamItem> {
  for (const item of items) {
    await setTimeout(0);
    yield item;
  }
}

/** Images in pieces of these sizes, repeatedly. */
function* inPieces(sizes: readonly number[],
  make: (index: number) => Uint8Array | Float32Array = pixels): Generator<StreamItem> {
  for (let first = 0, turn = 0; first < TRAIN; ++turn) {
    const indices = Array.from({ length: Math.min(sizes[turn % sizes.length]!, TRAIN - first) }, (_, offset) =>
      first + offset);
    const parts = indices.map(make);
    const all = parts[0] instanceof Float32Array ? new Float32Array(indices.length * VALUES)
      : new Uint8Array(indices.length * VALUES);
    parts.forEach((part, index) => {
      all.set(part, index * VALUES);
    });
    yield { images: all, labels: indices.map(label) };
    first += indices.length;
  }
}

/** Converts planes to interleaved values. */
const interleaved = (planes: Uint8Array): Uint8Array =>
  Uint8Array.from({ length: VALUES }, (_, at) => planes[(at % 3) * SIDE * SIDE + Math.floor(at / 3)]!);

describe("stream", () => {
  it("gives the batches of the same images in memory, whatever the form of the items", async () => {
    using memory = await arrays();
    const expected = await read(memory, 8);
    const floats = Float32Array.from(expected.values);
    const streams: Record<string, Overrides> = {
      "images of a function": {},
      "images of an async generator": { train: () => later(images(0, TRAIN)) },
      "an array of images": { train: [...images(0, TRAIN)] },
      "pieces smaller and larger than a batch": { train: () => inPieces([3, 17, 1]) },
      "clamped bytes": {
        train: () =>
          [...images(0, TRAIN)].map((item) => ({ ...item, image: new Uint8ClampedArray(pixels(0)).fill(0) })),
      },
      "interleaved bytes": {
        train: () =>
          Array.from({ length: TRAIN },
            (_, index) => ({ image: interleaved(pixels(index)), label: BigInt(label(index)) })),
        rest: { layout: "hwc" },
      },
      "floats": { train: () => inPieces([5], (index) => floats.subarray(index * VALUES, (index + 1) * VALUES)) },
    };
    for (const [name, options] of Object.entries(streams)) {
      using data = await stream(options);
      const { labels, values } = await read(data, 8);
      expect(labels, name).to.deep.equal(expected.labels);
      if (name === "clamped bytes") expect(new Set(values).size, name).to.equal(3);
      else expect(values, name).to.deep.equal(expected.values);
    }
  });

  it("drops a partial last batch on request", async () => {
    using data = await stream();
    expect((await read(data, 8)).labels.map(({ length }) => length)).to.deep.equal([8, 8, 8, 6]);
    expect((await read(data, 8, { dropLast: true })).labels.map(({ length }) => length)).to.deep.equal([8, 8, 8]);
  });

  it("passes the pass's parameters to the function", async () => {
    const passes: StreamPass[] = [];
    const remember = (pass: StreamPass): StreamIterable => {
      passes.push(pass);
      return images(pass.firstImage, pass.split === "train" ? TRAIN : TEST);
    };
    using data = await stream({ train: remember, test: remember });
    using session = await createSession({ model: await smallModel(), threads: 1 });
    await session.trainEpoch(data, { epoch: 3, epochs: 4, seed: 9, batchSize: 8, augment: false });
    await session.evaluate(data.test, { batchSize: 4 });
    const seen = passes.map(({ signal, ...rest }) => ({ ...rest, over: signal.aborted }));
    const from = { firstBatch: 0, firstImage: 0, over: true };
    expect(seen).to.deep.equal([
      { split: "train", epoch: 3, seed: 9, batchSize: 8, shuffle: true, augment: false, ...from },
      { split: "test", epoch: 0, seed: 0, batchSize: 4, shuffle: false, augment: false, ...from },
    ]);
  });

  it("trains and evaluates bit-identically to the same images in memory", async () => {
    // In image order: a native data set would shuffle, so both are read as batches.
    const trained = await Promise.all([stream(), arrays()].map(async (loading) => {
      using data = await loading;
      const model = await smallModel();
      using session = await createSession({ model, threads: 1 });
      for await (const batch of data.train.batches({ batchSize: 8, shuffle: false, augment: false }))
        await session.step(batch);
      return { weights: await weightsOf(model), session: await session.evaluate(data.test),
        model: await model.evaluate(data.test) };
    }));
    expect(trained[0]).to.deep.equal(trained[1]);
    expect(trained[0]!.session).to.deep.equal(trained[0]!.model);
  });

  it("counts by class", async () => {
    using data = await stream({ rest: { classNames: ["a", "b", "c", "d"] } });
    const model = await smallModel();
    const { perClass, top1, samples } = await model.evaluate(data.test, { perClass: true });
    expect(perClass?.map(({ name, samples: count }) => [name, count])).to.deep.equal([["a", 3], ["b", 3], ["c", 2], [
      "d",
      2,
    ]]);
    const correct = perClass?.reduce((sum, score) => sum + score.correct, 0) ?? 0;
    expect(top1).to.equal((100 * correct) / samples);
  });
});

describe("the producer of a stream", () => {
  it("is never more than three batches ahead, however slow the trainer is", async () => {
    const BATCH = 2;
    let [made, taken, furthest] = [0, 0, 0];
    using data = await stream({
      trainSamples: 40,
      train: function* () {
        for (const item of images(0, 40)) {
          ++made;
          // One more batch may have been taken without being reported yet.
          furthest = Math.max(furthest, made - BATCH * (taken + 1));
          yield item;
        }
      },
    });
    const rests: number[] = [];
    for await (const { labels } of data.train.batches({ batchSize: BATCH })) {
      expect(labels.shape).to.deep.equal([BATCH]);
      ++taken;
      if (taken > 4) continue;
      // The trainer pauses until the producer does.
      for (let before = -1; before !== made;) {
        before = made;
        await setTimeout(10);
      }
      rests.push(made - BATCH * taken);
    }
    expect(rests).to.deep.equal([6, 6, 6, 6]);
    expect(furthest).to.be.at.most(6);
    expect([made, taken]).to.deep.equal([40, 20]);
  });

  it("yields nothing until the trainer starts", async () => {
    let made = 0;
    using data = await stream({ train: function* () {
      for (const item of images(0, TRAIN)) {
        ++made;
        yield item;
      }
    } });
    using session = await createSession({ model: await smallModel(), threads: 1 });
    const steps = Array.from({ length: 3 }, () => session.evaluate(data.test));
    const epoch = session.trainEpoch(data, { epoch: 0, epochs: 1, batchSize: 8 });
    expect(made).to.equal(0);
    await Promise.all([...steps, epoch]);
    expect(made).to.equal(TRAIN);
  });

  it("is asked to return when the consumer has had enough", async () => {
    let returned = false;
    const train = async function* (): AsyncGenerator<StreamItem> {
      try {
        yield* later(images(0, TRAIN));
      } finally {
        await setTimeout(1);
        returned = true;
      }
    };
    using data = await stream({ train });
    for await (const { labels } of data.train.batches({ batchSize: 4 })) {
      expect(labels.shape).to.deep.equal([4]);
      // The producer pauses, because there is room for no more.
      await setTimeout(60);
      break;
    }
    expect(returned).to.equal(true);
  });

  it("may use other parts of the package meanwhile", async () => {
    const model = await smallModel();
    const train = async function* (): AsyncGenerator<StreamItem> {
      for (const item of images(0, TRAIN)) {
        await model.stateDict();
        yield item;
      }
    };
    using data = await stream({ train, test: () => train(), rest: { limitTest: 4 } });
    expect((await read(data, 8)).labels.flat()).to.have.length(TRAIN);
    expect((await model.evaluate(data.test)).samples).to.equal(4);
  });
});

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
      /image 2 of a stream: expected a Uint8Array or Float32Array, received a Float64Array/],
    ["floats after bytes", { image: new Float32Array(VALUES), label: 0 }, "DTYPE_MISMATCH",
      /as at the start of the batch/],
    ["a label that is no whole number", { image: pixels(0), label: 0.5 }, "LABEL_OUT_OF_RANGE",
      /label of image 2 of a stream: expected an integer, received 0\.5/],
    ["a label without its class", { image: pixels(0), label: 4 }, "LABEL_OUT_OF_RANGE",
      /invalid label: expected 0 to 3, received 4/],
    ["a negative label", { image: pixels(0), label: -1n }, "LABEL_OUT_OF_RANGE", /received -1/],
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

describe("a stream's source", () => {
  it("is checked when it is loaded", async () => {
    expect((await failureOf("INVALID_ARGUMENT", () => stream({ train: 5 as never }))).message)
      .to.include(
        "invalid train.items in data source: expected an iterable of images, or a function that returns one, received 5.",
      );
    expect((await failureOf("INVALID_ARGUMENT", () => stream({ trainSamples: 0 }))).message).to.include(
      "train.samples",
    );
    expect((await failureOf("INVALID_ARGUMENT", () => stream({ rest: { classNames: ["a"] } }))).message)
      .to.equal("invalid classNames: expected 4 names, received 1. Pass one name per class.");
  });

  it("cannot be used after disposal, except for work in progress", async () => {
    const data = await stream();
    const batches = data.train.batches({ batchSize: 8 });
    expect((await batches.next()).done).to.equal(false);
    data.dispose();
    let rest = 0;
    for await (const { labels } of batches) rest += labels.shape[0]!;
    expect(rest).to.equal(TRAIN - 8);
    await failureOf("DISPOSED", () => data.train.batches().next());
    const model = await smallModel();
    await failureOf("DISPOSED", () => model.evaluate(data.test));
  });
});
