import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { createDetector, createDistiller, createModel, createSession, evaluateDetections, fit, loadDataset,
  readCocoAnnotations, type Dataset, type Detector, type Normalization, type Session } from "../../lib/index.js";
import { picture, writeFiles } from "../support/image-files.js";
import { floats } from "../support/numpy-files.js";
import { bytes, dict, text } from "../support/pytorch-files.js";
import { useDirectory } from "./helpers.js";

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

/** The longest time between two ticks of a timer during `work`, as a share of the time that `work` takes. */
async function longestPause(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  let [last, longest] = [started, 0];
  const tick = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(tick, 1);
  await work();
  clearInterval(timer);
  tick();
  return longest / (last - started);
}

describe("the event loop of a process with detectors", function () {
  this.timeout(300_000);
  /** Each work has some ten pieces or more. One that is done in a single piece is a pause of all the time. */
  const SHARE = 0.5;
  const directory = useDirectory();
  const at = (...names: string[]): string => join(directory.path, ...names);
  const small = { minSize: 64, maxSize: 64, norm: "frozen" } as const;
  let data: Dataset;
  let detector: Detector;

  before(async () => {
    data = await loadDataset({ kind: "scenes", numClasses: 2, trainSamples: 16, testSamples: 8, imageSize: 64 });
    detector = await createDetector("faster-rcnn-resnet18-fpn", { numClasses: 3, detection: small });
  });
  after(() => {
    detector.dispose();
    data.dispose();
  });

  const expectShort = async (work: () => Promise<unknown>): Promise<void> => {
    expect(await longestPause(work)).to.be.below(SHARE);
  };

  it("is free while scenes are drawn", async () => {
    await expectShort(async () => {
      using drawn = await loadDataset({ kind: "scenes", trainSamples: 400, testSamples: 1 });
      expect(drawn.train.size).to.equal(400);
    });
  });

  it("is free while a detector trains, is evaluated and saved", async () => {
    using session = await createSession({ model: detector, threads: 1,
      optimizer: { kind: "sgd", learningRate: 0.001 } });
    await expectShort(() => session.trainEpoch(data, { epoch: 0, epochs: 1, batchSize: 2 }));
    await expectShort(() => session.evaluate(data.test, { batchSize: 1 }));
    await expectShort(async () => {
      const run = fit({ model: detector, data, epochs: 2, batchSize: 4, threads: 1, runDirectory: at("run") });
      for await (const { type } of run) expect(type).to.be.a("string");
    });
  });

  it("is free while a detector finds objects in files", async () => {
    const names = Array.from({ length: 12 }, (_, index) => `photos/${index}.png`);
    const photo = await picture(300, 200).png().toBuffer();
    await writeFiles(directory.path, Object.fromEntries(names.map((name) => [name, photo])));
    await expectShort(async () => {
      for await (const { size } of detector.detectAll(at("photos"))) expect(size).to.deep.equal([200, 300]);
    });
  });

  it("is free while a classifier names the classes of files", async () => {
    const names = Array.from({ length: 40 }, (_, index) => `pictures/${index}.png`);
    const photo = await picture(300, 200).png().toBuffer();
    await writeFiles(directory.path, Object.fromEntries(names.map((name) => [name, photo])));
    using model = await createModel("resnet20", { numClasses: 1000 });
    const normalization: Normalization = { mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2] };
    await expectShort(async () => {
      const images = model.classifyAll(at("pictures"), { imageSize: 128, resizeSize: 128, normalization,
        batchSize: 4 });
      for await (const { predictions } of images) expect(predictions).to.have.length(5);
    });
  });

  it("is free while many detections are evaluated, as objects and as a file", async () => {
    const count = 150_000;
    const images = Array.from({ length: 500 }, (_, id) => ({ id, width: 640, height: 480, file_name: `${id}.jpg` }));
    const categories = [{ id: 1, name: "cat" }, { id: 2, name: "dog" }];
    const placed = (index: number) => ({ image_id: index % 500, category_id: 1 + index % 2,
      bbox: [index % 600, index % 400, 30, 40] });
    const annotations = Array.from({ length: count },
      (_, index) => ({ ...placed(index), id: index, area: 1200, iscrowd: 0 }));
    const detections = Array.from({ length: count }, (_, index) => ({ ...placed(index), score: index / count }));
    await expectShort(() =>
      evaluateDetections({ groundTruth: { images, categories, annotations }, detections, kind: "bbox" })
    );
    await writeFile(at("instances.json"), JSON.stringify({ images, categories, annotations }));
    await expectShort(() => readCocoAnnotations(at("instances.json")));
    await expectShort(() => evaluateDetections({ groundTruth: at("instances.json"), detections: [], kind: "bbox" }));
  });

  it("is free while detectron2's weights are loaded", async () => {
    const state = await detector.stateDict({ names: "detectron2" });
    const entries = Object.entries(state).flatMap((
      [name, tensor],
    ) => [text(name), floats(tensor.shape, tensor.toTypedArray() as Float32Array)]);
    await writeFile(at("model_final.pkl"), bytes("\x80\x03", dict(text("model"), dict(...entries)), "."));
    await expectShort(async () => {
      using loaded = await createDetector("faster-rcnn-resnet18-fpn", { weights: at("model_final.pkl"),
        detection: small });
      expect(loaded.loadReport?.missing).to.deep.equal([]);
    });
  });
});
