import { expect } from "chai";
import { startWorker, type TrainingWorker } from "../../lib/worker/index.js";
import { createDetector, createSession, type DetectionBatch, evaluateDetections, fit, type FitEvent, loadDataset,
  type LoadProgress, masks, Tensor } from "../../lib/index.js";
import { writeFile } from "node:fs/promises";
import { failureOf } from "../support/errors.js";
import { scratchDirectory } from "../unit/lib/small-run.js";

const NAME = "faster-rcnn-resnet18-fpn";
const OPTIONS = { numClasses: 3, seed: 1, detection: { minSize: 64, maxSize: 64, boxScoreThresh: 0.01 } } as const;
const SCENES = { kind: "scenes", numClasses: 2, trainSamples: 4, testSamples: 2, imageSize: 64 } as const;
const TRAINING = { epochs: 1, batchSize: 2, evaluationBatchSize: 2, threads: 1,
  optimizer: { kind: "sgd", learningRate: 0.01 } } as const;
const PIXELS = Float32Array.from({ length: 3 * 64 * 64 }, (_, index) => 0.5 + 0.5 * Math.sin(index));

/** The part of an event that does not depend on the clock. */
function lasting(event: FitEvent): unknown {
  return event.type === "epoch" ? { epoch: event.epoch, losses: event.train.losses, test: event.test } : event.type;
}

/** The union of one result and a list does not narrow by the argument in a worker. */
type RemoteDetections = Extract<Awaited<ReturnType<Awaited<ReturnType<TrainingWorker["createDetector"]>>["detect"]>>,
  readonly unknown[]>[number];

describe("a worker with a detector", function () {
  this.timeout(120_000);
  const scratch = scratchDirectory();
  let rk: TrainingWorker;

  before(async () => {
    rk = await startWorker({ via: "process" });
  });
  after(() => rk.close());

  it("finds the same objects and takes the same steps as this process", async () => {
    const [there, here] = [await rk.createDetector(NAME, OPTIONS), await createDetector(NAME, OPTIONS)];
    expect([there.name, there.numClasses, there.parameterCount()]).to.deep.equal([here.name, 3, here.parameterCount()]);
    const [image, own] = [rk.Tensor.from(PIXELS, [3, 64, 64]), Tensor.from(PIXELS, [3, 64, 64])];
    const [wanted] = await here.detect([own]);
    const [found] = (await there.detect([image])) as readonly RemoteDetections[];
    expect(wanted!.scores.shape[0]).to.be.above(0);
    for (const part of ["boxes", "scores", "labels"] as const)
      expect(await found![part].toTypedArray()).to.deep.equal(wanted![part].toTypedArray());

    const [session, mine] = [await rk.createSession({ model: there, threads: 1 }),
      await createSession({ model: here, threads: 1 })];
    const box = Float32Array.of(5, 6, 40, 50);
    const { losses } = await session.step({ images: [image],
      targets: [{ boxes: rk.Tensor.from(box, [1, 4]), labels: rk.Tensor.from([2], [1], { dtype: "int64" }) }] });
    expect(losses).to.deep.equal(
      (await mine.step({ images: [own],
        targets: [{ boxes: Tensor.from(box, [1, 4]), labels: Tensor.from([2], [1], { dtype: "int64" }) }] })).losses,
    );
  });

  it("runs fit on scenes to the same losses and metrics", async () => {
    const collect = async (events: AsyncIterable<FitEvent>): Promise<unknown[]> => {
      const all: unknown[] = [];
      for await (const event of events) if (event.type !== "progress") all.push(lasting(event));
      return all;
    };
    const there = await collect(
      rk.fit({ ...TRAINING, model: await rk.createDetector(NAME, OPTIONS), data: await rk.loadDataset(SCENES) }),
    );
    const here = await collect(
      fit({ ...TRAINING, model: await createDetector(NAME, OPTIONS), data: await loadDataset(SCENES) }),
    );
    expect(there).to.deep.equal(here);
  });

  it("takes the classes and the image size of its data, and counts the trained parameters", async () => {
    const [data, own] = [await rk.loadDataset(SCENES), await loadDataset(SCENES)];
    const [there, here] = [await rk.createDetector(NAME, { data, detection: { trainableLayers: 3 } }),
      await createDetector(NAME, { data: own, detection: { trainableLayers: 3 } })];
    expect([there.numClasses, there.detection.minSize]).to.deep.equal([3, null]);
    for (const options of [{}, { trainable: true }, { trainable: false }])
      expect(there.parameterCount(options)).to.equal(here.parameterCount(options));
    expect(there.parameterCount({ trainable: true })).to.be.below(there.parameterCount());
  });

  it("gives the batches of this process, which stay in the worker for a step", async () => {
    const options = { batchSize: 3, seed: 2, epoch: 1, masks: true } as const;
    const own: DetectionBatch[] = [];
    for await (const batch of (await loadDataset(SCENES)).train.batches(options)) own.push(batch);
    const detector = await rk.createDetector(NAME, OPTIONS);
    const session = await rk.createSession({ model: detector, threads: 1 });
    const data = await rk.loadDataset(SCENES);
    let index = 0;
    for await (const { images, targets } of data.train.batches(options)) {
      const { images: wantedImages, targets: wantedTargets } = own[index++]!;
      for (const [at, image] of images.entries())
        expect(await image.toTypedArray()).to.deep.equal(wantedImages[at]!.toTypedArray());
      for (const [at, target] of targets.entries()) {
        for (const part of ["boxes", "labels", "masks"] as const)
          expect(await target[part]!.toTypedArray()).to.deep.equal(wantedTargets[at]![part]!.toTypedArray());
      }
      expect((await session.step({ images, targets })).losses.total).to.be.above(0);
    }
    expect(index).to.equal(own.length).and.equal(2);
  });

  it("has the functions for masks", async () => {
    const polygons = [[2, 2, 20, 3, 18, 17]];
    const rle = await rk.masks.fromPolygons(polygons, 20, 24);
    expect(rle).to.deep.equal(await masks.fromPolygons(polygons, 20, 24));
    expect([await rk.masks.area(rle), await rk.masks.toBox(rle)]).to.deep.equal([await masks.area(rle),
      await masks.toBox(rle)]);
    const pixels = await rk.masks.decode(rle);
    expect(await pixels.toTypedArray()).to.deep.equal((await masks.decode(rle)).toTypedArray());
    expect(await rk.masks.encode(pixels)).to.deep.equal(rle);
    expect(await rk.masks.decompress(rle)).to.deep.equal(await masks.decompress(rle));
    expect([...await (await rk.masks.iou([rle], [rle], [false])).toTypedArray()]).to.deep.equal([1]);
    await failureOf("INVALID_ARGUMENT", () => rk.masks.area({ size: [2, 2], counts: [5] }));
  });

  it("evaluates detections as this process does", async () => {
    const options = {
      groundTruth: { images: [{ id: 1, width: 50, height: 50 }], categories: [{ id: 3, name: "cup" }],
        annotations: [{ id: 1, image_id: 1, category_id: 3, bbox: [5, 5, 20, 30], area: 600, iscrowd: 0 }] },
      detections: [{ image_id: 1, category_id: 3, bbox: [6, 5, 20, 30], score: 0.9 }],
      kind: "bbox",
    } as const;
    const [there, here] = [await rk.evaluateDetections(options), await evaluateDetections(options)];
    expect([there.stats, there.perCategory]).to.deep.equal([here.stats, here.perCategory]);
    // Precision has ulp(1) in its denominator, as pycocotools has it.
    expect(there.stats.ap50).to.be.closeTo(1, 1e-15);
    expect(await there.precision.toTypedArray()).to.deep.equal(here.precision.toTypedArray());
    const voc = await rk.evaluateDetections({ ...options, metric: "voc2010" });
    expect(voc.stats.ap50).to.equal(1);
    const signal = AbortSignal.abort();
    await failureOf("ABORTED", () => rk.evaluateDetections({ ...options, signal }));
    await failureOf("INVALID_ARGUMENT", () => rk.evaluateDetections({ ...options, kind: "box" as "bbox" }));
  });

  it("reports how much of a file is read, and refuses data of this process's functions", async () => {
    const path = scratch("train.json");
    await writeFile(path,
      JSON.stringify({ images: [{ id: 1, width: 9, height: 9, file_name: "1.png" }],
        categories: [{ id: 1, name: "cup" }],
        annotations: [{ id: 1, image_id: 1, category_id: 1, bbox: [1, 1, 5, 5], area: 25, iscrowd: 0 }] }));
    await writeFile(scratch("1.png"), "");
    const reports: LoadProgress[] = [];
    const data = await rk.loadDataset({ kind: "coco", images: scratch(), annotations: { train: path, val: path } }, {
      onProgress: (progress) => reports.push(progress),
    });
    expect(data.train.size).to.equal(1);
    expect(reports.map((report) => [report.path, report.unit])).to.deep.include([path, "bytes"]);
    const { message } = await failureOf("INVALID_ARGUMENT", () => rk.loadDataset({ kind: "boxes" } as never));
    expect(message).to.include('received "boxes"');
  });

  it("has the errors of this process", async () => {
    await failureOf("UNKNOWN_NAME", () => rk.createDetector("faster-rcnn-fpn"));
    const detector = await rk.createDetector(NAME, OPTIONS);
    await failureOf("INVALID_ARGUMENT", () => detector.detect([]));
    await failureOf("SHAPE_MISMATCH", async () => detector.detect([rk.Tensor.from(new Float32Array(64), [1, 8, 8])]));
  });
});
