import { expect } from "chai";
import { createDetector, createSession, type Dataset, detectionFrom, type DetectionBatch, loadDataset,
  type Tensor } from "../../../../lib/index.js";
import { failureOf } from "../../../support/errors.js";
import { valuesOf } from "../../../support/numeric.js";

/** Images of several sizes, whose pixels are the bytes of the image's index + 1. */
const SIZES = [[20, 30], [24, 16], [40, 40], [16, 48]] as const;
const CATEGORIES = [{ id: 3, name: "cup" }, { id: 8, name: "fork" }];

interface Objects {
  readonly boxes: number[][];
  readonly labels: number[];
  readonly polygons?: number[][][];
  readonly crowd?: number[];
}

/** Two objects each; the second one's box leaves the image. */
const usual = (withOutlines: boolean): Objects => ({ boxes: [[2, 3, 9, 11], [4, 5, 200, 12]], labels: [3, 8],
  ...(withOutlines && { polygons: [[[2, 3, 9, 3, 9, 11, 2, 11]], [[4, 5, 12, 5, 12, 12, 4, 12]]] }) });

async function boxesOf(objects: (index: number) => Objects): Promise<Dataset<DetectionBatch>> {
  const annotations = await detectionFrom({ categories: CATEGORIES,
    images: SIZES.map(([height, width], id) => ({ id, width, height, ...objects(id) })) });
  const images = (index: number) => {
    const [height, width] = SIZES[index] as readonly [number, number];
    return { pixels: new Uint8Array(3 * height * width).fill(index + 1), height, width };
  };
  return loadDataset({ kind: "boxes", train: { annotations, images }, test: { annotations, images } });
}

async function collect(batches: AsyncIterable<DetectionBatch>): Promise<DetectionBatch[]> {
  const all: DetectionBatch[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

/** The index of a picture by its pixels. */
const indexOf = (image: Tensor): number => Math.round(255 * (valuesOf(image)[0] as number)) - 1;

describe("data of the kind boxes", () => {
  it("names what is passed instead of annotations", async () => {
    const images = () => new Uint8Array();
    for (const wrong of [{ imageCount: 4 }, { images: [], annotations: [] }, {}]) {
      const split = { annotations: wrong, images };
      const { message } = await failureOf("INVALID_ARGUMENT", () =>
        loadDataset({ kind: "boxes", train: split, test: split }));
      expect(message).to.include("annotations of train").and.include("detectionFrom");
    }
  });
});

describe("images that a function provides", () => {
  const load = (image: unknown, onDecodeError: "fail" | "skip" = "fail"): Promise<Dataset<DetectionBatch>> => {
    const annotations = detectionFrom({ categories: CATEGORIES,
      images: [{ id: 0, width: 30, height: 20, boxes: [[2, 3, 9, 11]], labels: [3] }, { id: 1, width: 30, height: 20,
        boxes: [[2, 3, 9, 11]], labels: [3] }] });
    const good = { pixels: new Uint8Array(3 * 20 * 30), height: 20, width: 30 };
    return annotations.then((truths) => {
      const split = { annotations: truths, images: (index: number) => (index === 1 ? image : good) as never };
      return loadDataset({ kind: "boxes", train: split, test: split, onDecodeError });
    });
  };

  for (const wrong of [undefined, null, "1.png", { pixels: [1, 2], height: 20, width: 30 }]) {
    it(`are named if one of them is ${JSON.stringify(wrong)}`, async () => {
      using data = await load(wrong);
      const { message } = await failureOf("INVALID_ARGUMENT", () => collect(data.test.batches()));
      expect(message).to.include("invalid image 1: expected an encoded image or { pixels, height, width }");
    });
  }

  it("are named if they cannot be decoded, or left out and reported", async () => {
    using strict = await load(Buffer.from("no image"));
    const { message } = await failureOf("FILE_CORRUPT", () => collect(strict.test.batches()));
    expect(message).to.include("cannot decode the image image 1");
    using lenient = await load(Buffer.from("no image"), "skip");
    const batches = await collect(lenient.test.batches());
    expect(batches.flatMap(({ images }) => images)).to.have.length(1);
    expect(lenient.brokenImages.map(({ path }) => path)).to.deep.equal(["image 1"]);
  });
});

describe("batches of images with boxes", () => {
  it("have the images in their own size, from 0 to 1, with the objects of each", async () => {
    using data = await boxesOf(() => usual(false));
    const batches = await collect(data.test.batches({ batchSize: 3 }));
    expect(batches.map(({ images }) => images.length)).to.deep.equal([3, 1]);
    const [images, targets] = [batches.flatMap((batch) => batch.images), batches.flatMap((batch) => batch.targets)];
    expect(images.map(({ shape }) => shape)).to.deep.equal(SIZES.map((size) => [3, ...size]));
    for (const [index, image] of images.entries()) {
      expect(image.dtype).to.equal("float32");
      expect(new Set(valuesOf(image))).to.deep.equal(new Set([Math.fround((index + 1) / 255)]));
      const { boxes, labels, masks } = targets[index]!;
      expect(valuesOf(boxes)).to.deep.equal([2, 3, 9, 11, 4, 5, SIZES[index]![1], 12]);
      expect([boxes.shape, boxes.dtype, labels.dtype, masks]).to.deep.equal([[2, 4], "float32", "int64", undefined]);
      expect(valuesOf(labels)).to.deep.equal([1, 2]);
    }
  });

  it("have each image once, in an order and mirrored as seed and epoch say, and begin at any batch", async () => {
    using data = await boxesOf(() => usual(true));
    const plan = { batchSize: 2, seed: 4, epoch: 1 };
    const all = await collect(data.train.batches(plan));
    expect(all.flatMap(({ images }) => images.map(indexOf)).sort()).to.deep.equal([0, 1, 2, 3]);
    const contents = (batches: readonly DetectionBatch[]): unknown =>
      batches.map(({ images, targets }) => [images.map(indexOf), targets.map(({ boxes }) => valuesOf(boxes))]);
    expect(contents(await collect(data.train.batches(plan)))).to.deep.equal(contents(all));
    expect(contents(await collect(data.train.batches({ ...plan, firstBatch: 1 })))).to.deep.equal(
      contents(all.slice(1)),
    );
    for (const { images, targets } of all) {
      for (const [at, { boxes }] of targets.entries()) {
        const width = images[at]!.shape[2]!;
        const left = valuesOf(boxes)[0];
        expect([2, width - 9], "as annotated, or mirrored").to.include(left);
      }
    }
    const mirrored = all.flatMap(({ targets }) => targets).filter(({ boxes }) => valuesOf(boxes)[0] !== 2);
    expect(mirrored.length, "some of them").to.be.within(1, 3);
    const plain = await collect(data.train.batches({ ...plan, augment: false }));
    for (const { boxes } of plain.flatMap(({ targets }) => targets)) expect(valuesOf(boxes)[0]).to.equal(2);
  });

  it("mirror masks with their boxes", async () => {
    using data = await boxesOf(() => usual(true));
    for (const { images, targets } of await collect(data.train.batches({ batchSize: 4, seed: 4, epoch: 1 }))) {
      for (const [at, { boxes, masks }] of targets.entries()) {
        const [height, width] = [images[at]!.shape[1]!, images[at]!.shape[2]!];
        expect([masks!.shape, masks!.dtype]).to.deep.equal([[2, height, width], "uint8"]);
        const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = valuesOf(boxes);
        const pixels = valuesOf(masks!).slice(0, height * width);
        const expected = pixels.map((_, pixel) => {
          const [x, y] = [pixel % width, Math.floor(pixel / width)];
          return Number(x >= x1 && x < x2 && y >= y1 && y < y2);
        });
        expect(pixels).to.deep.equal(expected);
      }
    }
  });

  it("have masks only if they are annotated, unless options say otherwise", async () => {
    using outlined = await boxesOf((id) => ({ ...usual(id === 0) }));
    using plain = await boxesOf(() => usual(false));
    const masksOf = async (data: Dataset<DetectionBatch>, masks?: boolean): Promise<boolean[]> =>
      (await collect(data.test.batches({ batchSize: 4, ...(masks !== undefined && { masks }) })))
        .flatMap(({ targets }) => targets.map((target) => "masks" in target));
    expect(await masksOf(outlined)).to.deep.equal([true, true, true, true]);
    expect(await masksOf(outlined, false)).to.deep.equal([false, false, false, false]);
    expect(await masksOf(plain)).to.deep.equal([false, false, false, false]);
    const [batch] = await collect(plain.test.batches({ batchSize: 1, masks: true }));
    const area = valuesOf(batch!.targets[0]!.masks!).reduce((sum, value) => sum + value, 0);
    expect(area, "the boxes of an image of 20 × 30").to.equal(7 * 8 + 26 * 7);
  });

  it("count labels as each kind of detector does, or have the categories' ids", async () => {
    using data = await boxesOf(() => usual(false));
    const labels = async (options: object): Promise<number[]> =>
      valuesOf((await collect(data.test.batches({ batchSize: 1, ...options })))[0]!.targets[0]!.labels);
    expect(await labels({ labels: "from-0" })).to.deep.equal([0, 1]);
    expect(await labels({ labels: "from-1" })).to.deep.equal([1, 2]);
    expect(await labels({ labels: "category-ids" })).to.deep.equal([3, 8]);
  });

  it("leave out crowds, and keep images without objects", async () => {
    using data = await boxesOf((id) => id === 0 ? { boxes: [], labels: [] } : { ...usual(false), crowd: [1, 0] });
    const targets = (await collect(data.test.batches())).flatMap((batch) => batch.targets);
    expect(targets.map(({ boxes }) => boxes.shape)).to.deep.equal([[0, 4], [1, 4], [1, 4], [1, 4]]);
    expect(targets.map(({ labels }) => valuesOf(labels))).to.deep.equal([[], [2], [2], [2]]);
  });

  it("drop an incomplete last batch if they should", async () => {
    using data = await boxesOf(() => usual(false));
    const batches = await collect(data.test.batches({ batchSize: 3, dropLast: true }));
    expect(batches.map(({ images }) => images.length)).to.deep.equal([3]);
  });

  it("are what a step takes: with the images of an epoch, the losses of that epoch", async () => {
    using data = await loadDataset({ kind: "scenes", numClasses: 2, trainSamples: 4, testSamples: 1, imageSize: 64 });
    const losses = async (own: boolean): Promise<number> => {
      using detector = await createDetector("retinanet-resnet18-fpn", { data, seed: 1 });
      using session = await createSession({ model: detector, threads: 1,
        optimizer: { kind: "sgd", learningRate: 1e-3 } });
      const plan = { batchSize: 4, seed: 5, epoch: 0 };
      if (!own) return (await session.trainEpoch(data, { ...plan, epochs: 1 })).losses.total;
      const [batch] = await collect(data.train.batches({ ...plan, labels: "from-0" }));
      return (await session.step(batch!)).losses.total;
    };
    const whole = await losses(false);
    // float32: the same images, padded alike.
    expect(await losses(true)).to.be.closeTo(whole, 1e-5 * whole);
  });

  it("have the errors of their images, and end with the loop", async () => {
    const annotations = await detectionFrom({ categories: CATEGORIES,
      images: [0, 1, 2, 3].map((id) => ({ id, width: 8, height: 8, boxes: [[0, 0, 4, 4]], labels: [3] })) });
    let provided = 0;
    const images = (index: number) => {
      ++provided;
      if (index === 3) throw new RangeError("no such image");
      return { pixels: new Uint8Array(3 * 64), height: 8, width: 8 };
    };
    const split = { annotations, images };
    using data = await loadDataset({ kind: "boxes", train: split, test: split, numWorkers: 1 });
    let error: unknown;
    try {
      await collect(data.test.batches({ batchSize: 1 }));
    } catch (caught) {
      error = caught;
    }
    expect(error).to.be.instanceOf(RangeError).with.property("message", "no such image");
    provided = 0;
    for await (const { images: first } of data.test.batches({ batchSize: 1 })) {
      expect(first).to.have.length(1);
      break;
    }
    expect(provided).to.be.below(5);
  });

  it("refuse options of other data, and a data set that was disposed", async () => {
    using data = await boxesOf(() => usual(false));
    for (const options of [{ labels: "from-2" }, { batchSize: 0 }, { sizes: [3] }]) {
      const { message } = await failureOf("INVALID_ARGUMENT", () => data.test.batches(options as object).next());
      expect(message).to.match(/^invalid .*batch options: expected/);
    }
    using labelled = await loadDataset({ kind: "synthetic", trainSamples: 8, testSamples: 4 });
    await failureOf("INVALID_ARGUMENT", () => labelled.test.batches({ labels: "from-0" } as object).next());
    data.dispose();
    await failureOf("DISPOSED", () => data.test.batches().next());
  });
});
