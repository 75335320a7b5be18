import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { createSession, type StreamItem, type StreamIterable, type StreamPass } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";
import { smallModel, weightsOf } from "../training/small-training.js";
import { arrays, images, inPieces, interleaved, label, later, type Overrides, pixels, read, stream, TEST, TRAIN,
  VALUES } from "./streams.js";

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

  it("must be an iterable of items that can be read: if not, the error says what was expected, and to whom", async () => {
    const iterable = (iterator: unknown): unknown => ({ [Symbol.iterator]: () => iterator });
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    const model = await smallModel();
    for (const [items, says] of [
      [iterable({}), "invalid iterable of a stream: expected an iterator with a function next(), received an object."],
      [iterable(null), "invalid iterable of a stream: expected an iterator with a function next(), received null."],
      [{ [Symbol.iterator]: 5 }, "invalid iterable of a stream: expected a function as its"],
      [iterable({ next: () => 5 }),
        "invalid result of next() of a stream: expected an object with done and value, received 5."],
      [[revoked.proxy], "invalid item of a stream: expected values that can be read, received one that throws:"],
      [[Object.defineProperty({ label: 0 }, "image", { enumerable: true, get: () => {
        throw new Error("boom");
      } })], "invalid item at image 0 of a stream: expected values that can be read, received one that throws: boom."],
    ] as const) {
      using data = await stream({ test: () => items as StreamItem[] });
      const { message, stack } = await failureOf("INVALID_ARGUMENT", async function measureBadStream () {
        return await model.evaluate(data.test);
      });
      expect(message).to.include(says);
      expect(stack).to.include("measureBadStream");
    }
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
