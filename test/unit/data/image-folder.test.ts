import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { createModel, createSession, fit, loadDataset, readWeightsInfo, type Batch, type Dataset,
  type FitEvent } from "../../../lib/index.js";
import { listImageFolder } from "../../../lib/datasets/folder-listing.js";
import { openImageFolder } from "../../../lib/datasets/image-folder.js";
import { loadSharp } from "../../../lib/images/load-sharp.js";
import { addon } from "../../../lib/native.js";
import { ImageFolder } from "../../../lib/config/schemas/data.js";
import { failureOf } from "../../support/errors.js";
import { picture, writeFiles, writeImageFolder } from "../../support/image-files.js";
import { drain, ofType, scratchDirectory } from "../lib/small-run.js";
import { smallModel, weightsOf } from "../training/small-training.js";

const scratch = scratchDirectory();
const COUNTS = { ant: { train: 5, val: 2 }, bee: { train: 4, val: 2 }, cat: { train: 4, val: 1 } };
const TRAIN = 13;
const SIDE = 8;

beforeEach(() => writeImageFolder(scratch("data"), COUNTS));

const load = (options: object = {}): Promise<Dataset<Batch>> =>
  loadDataset({ kind: "image-folder", root: scratch("data"), imageSize: SIDE, ...options });

interface Read {
  readonly labels: number[];
  readonly values: number[];
}

async function read(data: Dataset<Batch>, options: Parameters<Dataset<Batch>["train"]["batches"]>[0] = {},
  split: "train" | "test" = "train"): Promise<Read> {
  const result: Read = { labels: [], values: [] };
  for await (const batch of data[split].batches({ batchSize: 4, ...options })) {
    result.labels.push(...Array.from(batch.labels.toTypedArray(), Number));
    result.values.push(...Array.from(batch.images.toTypedArray(), Number));
  }
  return result;
}

describe("image folder", () => {
  it("is a data set like any other", async () => {
    using data = await load();
    expect([data.kind, data.numClasses, data.classNames, data.train.size, data.test.size, data.train.imageShape])
      .to.deep.equal(["image-folder", 3, ["ant", "bee", "cat"], TRAIN, 5, [3, SIDE, SIDE]]);
    expect(data.normalization).to.deep.equal({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] });
    expect((await read(data, {}, "test")).labels).to.deep.equal([0, 0, 1, 1, 2]);
    expect((await read(data)).labels.sort()).to.deep.equal([0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
  });

  it("normalizes pixels channel by channel", async () => {
    await rm(scratch("data"), { recursive: true });
    const plain = await picture(16, 16).linear([0, 0, 0], [40, 90, 200]).png().toBuffer();
    await writeFiles(scratch("data"), { "train/a/1.png": plain, "train/b/1.png": plain, "val/a/1.png": plain,
      "val/b/1.png": plain });
    using data = await load({ normalization: { mean: [0.1, 0.2, 0.3], std: [0.5, 0.25, 0.2] } });
    const { values } = await read(data, { batchSize: 1 });
    const plane = SIDE * SIDE;
    const expected = [(40 / 255 - 0.1) / 0.5, (90 / 255 - 0.2) / 0.25, (200 / 255 - 0.3) / 0.2];
    values.forEach((value, at) => expect(value).to.equal(Math.fround(expected[Math.floor(at / plane) % 3]!)));
  });

  it("draws order and windows from only seed, epoch and position, whatever the number of workers", async () => {
    using one = await load({ numWorkers: 1 });
    using many = await load({ numWorkers: 7 });
    const first = await read(one, { seed: 3, epoch: 2 });
    expect(await read(many, { seed: 3, epoch: 2 })).to.deep.equal(first);
    expect(await read(many, { seed: 3, epoch: 2, batchSize: 13 })).to.deep.include({ labels: first.labels });
    for (const other of [{ seed: 3, epoch: 3 }, { seed: 4, epoch: 2 }])
      expect((await read(one, other)).values).to.not.deep.equal(first.values);
    // Without augmentation only the order differs.
    const sum = ({ values }: Read): number => Math.round(values.reduce((total, value) => total + value, 0));
    expect(sum(await read(one, { augment: false, epoch: 5 }))).to.equal(
      sum(await read(one, { augment: false, shuffle: false })),
    );
  });

  it("uses only the first images of each class in turn with limits", async () => {
    using data = await load({ limitTrain: 4, limitTest: 3 });
    expect([data.train.size, data.test.size]).to.deep.equal([4, 3]);
    expect((await read(data, { shuffle: false })).labels).to.deep.equal([0, 0, 1, 2]);
    expect((await read(data, {}, "test")).labels).to.deep.equal([0, 1, 2]);
  });

  it("resumes within an epoch, also from a checkpoint, to the weights of an uninterrupted epoch", async () => {
    using data = await load();
    using others = await load({ numWorkers: 3 });
    const epoch = { epoch: 1, epochs: 2, batchSize: 2, seed: 5 } as const;
    const straight = await smallModel({ numClasses: 3 });
    using whole = await createSession({ model: straight, threads: 1 });
    const expected = await whole.trainEpoch(data, epoch);
    expect([expected.step, expected.images]).to.deep.equal([6, 12]);

    // A broken image ends the first attempt at an exact position: index 7 is in the fourth batch.
    const order = await addon().dataOrder(TRAIN, epoch.seed, epoch.epoch, true);
    const { train } = await listImageFolder(scratch("data"));
    const path = join(train!.folder, train!.paths[order[7]!]!);
    const bytes = await readFile(path);
    await writeFile(path, "no image");
    using begun = await createSession({ model: await smallModel({ numClasses: 3 }), threads: 1 });
    await failureOf("FILE_CORRUPT", () => begun.trainEpoch(data, epoch));
    expect(await begun.position()).to.include({ step: 3, steps: 6 });
    await begun.saveCheckpoint(scratch("begun.safetensors"));
    await writeFile(path, bytes);

    const model = await smallModel({ numClasses: 3, seed: 9 });
    using resumed = await createSession({ model, threads: 1 });
    await resumed.loadCheckpoint(scratch("begun.safetensors"));
    const { losses, top1 } = await resumed.trainEpoch(others, epoch);
    expect({ losses, top1 }).to.deep.equal({ losses: expected.losses, top1: expected.top1 });
    expect(await weightsOf(model)).to.deep.equal(await weightsOf(straight));
  });

  it("explains how to install sharp if it is missing, before it reads the folders", async () => {
    const absent = Object.assign(new Error("Cannot find package 'sharp'"), { code: "ERR_MODULE_NOT_FOUND" });
    const source = ImageFolder.parse({ kind: "image-folder", root: scratch("nowhere") });
    const { message } = await failureOf("DEPENDENCY_MISSING",
      () => openImageFolder(source, {}, () => loadSharp(() => Promise.reject(absent))));
    expect(message).to.include("npm install sharp");
  });

  it("checks its options", async () => {
    expect((await failureOf("INVALID_ARGUMENT", () => load({ scale: [0.5, 0.1] }))).message).to.include(
      "invalid scale in data source: expected two numbers above 0 and up to 1, the smaller one first",
    );
    expect((await failureOf("INVALID_ARGUMENT", () => load({ ratio: [0, 1] }))).message).to.include("ratio[0]");
    expect((await failureOf("INVALID_ARGUMENT", () => load({ onDecodeError: "ignore" }))).message).to.include(
      'invalid onDecodeError in data source: expected "fail" or "skip", received "ignore"',
    );
    expect((await failureOf("INVALID_ARGUMENT", () => load({ imageSize: 0 }))).message).to.include("imageSize");
    expect((await failureOf("FILE_NOT_FOUND", () => load({ root: scratch("nowhere") }))).message).to.include(
      "train/CLASS/*.jpg",
    );
  });

  it("rejects images that are too small for the network", async () => {
    using data = await load({ imageSize: 4 });
    using session = await createSession({ model: await createModel("vgg8", { numClasses: 3 }) });
    expect((await failureOf("SHAPE_MISMATCH", () => session.trainEpoch(data, { epoch: 0, epochs: 1 }))).message).to
      .include("4×4");
  });
});

describe("a broken image", () => {
  const epoch = { epoch: 0, epochs: 1, batchSize: 4, seed: 1 } as const;
  const inTrain = (): string => scratch("data", "train", "bee", "2.jpg");
  const inVal = (): string => scratch("data", "val", "ant", "1.jpg");

  it("ends the epoch with its name by default; once fixed, the epoch resumes without a trace", async () => {
    const straight = await smallModel({ numClasses: 3 });
    using data = await load();
    using whole = await createSession({ model: straight, threads: 1 });
    await whole.trainEpoch(data, epoch);

    await writeFile(inTrain(), "no image");
    const model = await smallModel({ numClasses: 3 });
    using session = await createSession({ model, threads: 1 });
    const { message } = await failureOf("FILE_CORRUPT", () => session.trainEpoch(data, epoch));
    expect(message).to.include(inTrain()).and.include('onDecodeError: "skip"').and.include("--on-decode-error skip");
    expect(data.brokenImages).to.deep.equal([]);

    await rm(scratch("data"), { recursive: true });
    await writeImageFolder(scratch("data"), COUNTS);
    await session.trainEpoch(data, epoch);
    expect(await weightsOf(model)).to.deep.equal(await weightsOf(straight));
  });

  it("is named, counted and replaced in training, and left out in evaluation, when configured to skip", async () => {
    await writeFile(inTrain(), "no image");
    const whole = await picture(60, 60, 3).jpeg().toBuffer();
    await writeFile(inVal(), whole.subarray(0, whole.length / 2));
    const results = await Promise.all([1, 5].map(async (numWorkers) => {
      using data = await load({ onDecodeError: "skip", numWorkers });
      const model = await smallModel({ numClasses: 3 });
      using session = await createSession({ model, threads: 1 });
      const { step, images, brokenImages } = await session.trainEpoch(data, epoch);
      const { samples, perClass } = await session.evaluate(data.test, { perClass: true });
      expect({ step, images, brokenImages, samples }).to.deep.equal({ step: 3, images: 12, brokenImages: 1,
        samples: 4 });
      expect(perClass?.map((score) => score.samples)).to.deep.equal([1, 2, 1]);
      expect(data.brokenImages.map(({ split, path }) => ({ split, path }))).to.deep.equal([
        { split: "train", path: inTrain() },
        { split: "test", path: inVal() },
      ]);
      expect(data.brokenImages[0]?.reason).to.include("unsupported image format");
      // Known broken images are not reported again.
      await session.evaluate(data.test);
      expect(data.brokenImages).to.have.length(2);
      return await weightsOf(model);
    }));
    expect(results[0]).to.deep.equal(results[1]);
  });

  it("counts a file removed after listing as broken", async () => {
    using data = await load({ onDecodeError: "skip" });
    await rm(inTrain());
    expect((await read(data)).labels).to.have.length(TRAIN);
    expect(data.brokenImages).to.deep.equal([{ split: "train", path: inTrain(), reason: "the file no longer exists" }]);
  });

  it("cannot be replaced if all are broken", async () => {
    using data = await load({ onDecodeError: "skip", limitTrain: 2, limitTest: 1 });
    for (const path of ["train/ant/0.jpg", "train/bee/0.jpg", "val/ant/0.jpg"])
      await writeFile(scratch("data", path), "");
    using session = await createSession({ model: await smallModel({ numClasses: 3 }) });
    expect((await failureOf("FILE_CORRUPT", () => session.trainEpoch(data, epoch))).message).to.include(
      "cannot decode any of the 2 images",
    );
    expect((await failureOf("INVALID_ARGUMENT", () => session.evaluate(data.test))).message).to.include(
      "expected images to evaluate on",
    );
  });

  it("is an event of fit", async () => {
    await writeFile(inTrain(), "no image");
    await writeFile(inVal(), "no image");
    using data = await load({ onDecodeError: "skip" });
    const model = await smallModel({ numClasses: 3 });
    const { events } = await drain(fit({ model, data, epochs: 2, batchSize: 4, threads: 1 }));
    const reported = ofType(events, "broken-image");
    expect(reported.map(({ split, path, epoch: when }) => [split, path, when])).to.deep.equal([["train", inTrain(), 0],
      ["test", inVal(), 0]]);
    const epochs = ofType(events, "epoch");
    expect(epochs.map(({ train, test }) => [train.brokenImages, test.samples])).to.deep.equal([[1, 4], [1, 4]]);
  });
});

describe("class names", () => {
  it("travel into checkpoints, the trained network and the result", async () => {
    using data = await load();
    const model = await smallModel({ numClasses: 3 });
    const events: FitEvent[] = [];
    const { result } = await drain(
      fit({ model, data, epochs: 1, batchSize: 4, threads: 1, runDirectory: scratch("run") }),
      (event) => events.push(event),
    );
    const names = ["ant", "bee", "cat"];
    expect([result.classNames, ofType(events, "end")[0]?.classNames]).to.deep.equal([names, names]);
    for (const file of ["last", "best", "student"]) {
      expect((await readWeightsInfo(scratch("run", `${file}.safetensors`))).classNames, file).to.deep.equal(names);
    }
    await model.save(scratch("own.safetensors"));
    expect((await readWeightsInfo(scratch("own.safetensors"))).classNames).to.deep.equal(names);
    await (await smallModel({ numClasses: 3 })).save(scratch("plain.safetensors"));
    expect((await readWeightsInfo(scratch("plain.safetensors"))).classNames).to.equal(null);
  });
});
