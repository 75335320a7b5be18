import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { startWorker, type TrainingWorker } from "../../lib/worker/index.js";
import { createDetector, createDistiller, createModel, createSession, fit, loadDataset, Tensor, type FitEvent,
  type DataNotice, type Normalization } from "../../lib/index.js";
import { failureOf } from "../support/errors.js";
import { picture } from "../support/image-files.js";
import { AS_STORED } from "../support/load-report.js";

const IMAGES = Float32Array.from({ length: 4 * 3 * 16 * 16 }, (_, index) => Math.sin(index));
const SMALL = { kind: "synthetic", numClasses: 4, trainSamples: 64, testSamples: 32 } as const;
const TRAINING = { epochs: 2, batchSize: 16, threads: 1, optimizer: { kind: "sgd", learningRate: 0.02 } } as const;

/** The part of an event that does not depend on the clock. */
function lasting(event: FitEvent): unknown {
  if (event.type !== "epoch") return event.type;
  const { losses, top1, images } = event.train;
  return { type: event.type, epoch: event.epoch, losses, top1, images, test: event.test };
}

for (const via of ["process", "worker"] as const) {
  describe(`a worker via ${via}`, function () {
    this.timeout(120_000);
    let rk: TrainingWorker;
    let directory: string;

    before(async () => {
      directory = mkdtempSync(join(tmpdir(), "reviewkd-worker-"));
      rk = await startWorker({ via });
    });
    after(async () => {
      await rk.close();
      rmSync(directory, { recursive: true, force: true });
    });

    async function pair() {
      const [teacher, student] = [await rk.createModel("resnet14", { numClasses: 4, seed: 1 }),
        await rk.createModel("resnet8", { numClasses: 4, seed: 2 })];
      return { teacher, student, distiller: await rk.createDistiller({ teacher, student }) };
    }

    async function pairHere() {
      const [teacher, student] = [await createModel("resnet14", { numClasses: 4, seed: 1 }),
        await createModel("resnet8", { numClasses: 4, seed: 2 })];
      return { teacher, student, distiller: await createDistiller({ teacher, student }) };
    }

    it("names the classes of images as this process does", async () => {
      const [there, here] = [await rk.createModel("resnet8", { numClasses: 4, seed: 2 }),
        await createModel("resnet8", { numClasses: 4, seed: 2 })];
      const path = join(mkdtempSync(join(tmpdir(), "reviewkd-picture-")), "picture.png");
      await writeFile(path, await picture(32, 32, 3).png().toBuffer());
      const normalization: Normalization = { mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2] };
      const options = { imageSize: 32, resizeSize: 32, normalization, classNames: ["a", "b", "c", "d"] };
      const expected = await here.classify(path, options);
      expect(await there.classify(path, options)).to.deep.equal(expected);
      const values = new Float32Array(3 * 32 * 32).fill(0.25);
      const shape = [3, 32, 32] as const;
      const done: number[] = [];
      const found = await there.classify([path, rk.Tensor.from(values, shape)], { ...options, onProgress: (count) =>
        done.push(count) });
      expect(found[1]).to.deep.equal((await here.classify([path, Tensor.from(values, shape)], options))[1]);
      expect(done.at(-1)).to.equal(2);
      const all = [];
      const notices: DataNotice[] = [];
      await writeFile(join(dirname(path), ".hidden.png"), "");
      await writeFile(join(dirname(path), "notes.txt"), "");
      for await (const { predictions } of there.classifyAll(dirname(path), { ...options, onNotice: (notice) =>
        notices.push(notice) })) all.push(predictions);
      expect(all).to.deep.equal([expected]);
      expect(notices.map(({ text }) => text).join("\n")).to.include(dirname(path)).and.include("notes.txt");
      expect([there.classNames, there.preprocessing]).to.deep.equal([here.classNames, here.preprocessing]);
      rmSync(dirname(path), { recursive: true });
    });

    it("takes steps to the same bits as this process", async () => {
      const [there, here] = [await pair(), await pairHere()];
      const [session, own] = [await rk.createSession({ distiller: there.distiller, threads: 1 }),
        await createSession({ distiller: here.distiller, threads: 1 })];
      const batch = { images: rk.Tensor.from(IMAGES, [4, 3, 16, 16]),
        labels: rk.Tensor.from([0, 1, 2, 3], [4], { dtype: "int64" }) };
      const ownBatch = { images: Tensor.from(IMAGES, [4, 3, 16, 16]),
        labels: Tensor.from([0, 1, 2, 3], [4], { dtype: "int64" }) };
      for (let step = 0; step < 2; ++step) {
        // Everything except the time it took.
        expect({ ...await session.step(batch), seconds: null }).to.deep.equal({ ...await own.step(ownBatch),
          seconds: null });
      }
      const [{ logits, features }, output] = [await there.student.forward(batch.images, { features: true }),
        await here.student.forward(ownBatch.images, { features: true })];
      expect(await logits.toTypedArray()).to.deep.equal(output.logits.toTypedArray());
      expect(features.map(({ name, before }) => [name, before.shape])).to.deep.equal(
        output.features.map(({ name, before }) => [name, before.shape]),
      );
      expect(await session.position()).to.deep.equal(await own.position());
      expect(Object.keys(await session.gradients())).to.deep.equal(Object.keys(await own.gradients()));
    });

    it("describes networks, methods and data as this process does", async () => {
      const [{ teacher, distiller }, here] = [await pair(), await pairHere()];
      expect([teacher.name, teacher.numClasses, teacher.dtype, teacher.device, teacher.parameterCount()])
        .to.deep.equal([here.teacher.name, 4, "float32", "cpu", here.teacher.parameterCount()]);
      expect(await teacher.featureSpecs(32, 32)).to.deep.equal(here.teacher.featureSpecs(32, 32));
      expect([distiller.matching, distiller.method, distiller.trainingOnlyParameterCount()])
        .to.deep.equal([here.distiller.matching, here.distiller.method, here.distiller.trainingOnlyParameterCount()]);
      const [data, own] = [await rk.loadDataset(SMALL), await loadDataset(SMALL)];
      expect([data.kind, data.numClasses, data.classNames, data.normalization, data.train.size, data.test.imageShape,
        data.brokenImages])
        .to.deep.equal([own.kind, own.numClasses, own.classNames, own.normalization, own.train.size,
          own.test.imageShape, []]);
      expect((await rk.listModels()).map(({ name }) => name)).to.include("resnet56");
      expect((await rk.systemInfo()).libtorch.version).to.match(/^2\./);
    });

    it("runs fit to the same accuracies, event for event", async () => {
      const collect = async (events: AsyncIterable<FitEvent>): Promise<unknown[]> => {
        const all: unknown[] = [];
        for await (const event of events) if (!event.type.endsWith("progress")) all.push(lasting(event));
        return all;
      };
      const there = await collect(
        rk.fit({ ...TRAINING, distiller: (await pair()).distiller, data: await rk.loadDataset(SMALL) }),
      );
      const here = await collect(
        fit({ ...TRAINING, distiller: (await pairHere()).distiller, data: await loadDataset(SMALL) }),
      );
      expect(there).to.deep.equal(here);
      // Start, the teacher, two epochs and the end, with notices of the schedule, the method and the teacher.
      expect(there).to.have.lengthOf(8);
    });

    it("returns what fit returns, and stays done", async () => {
      const events = rk.fit({ ...TRAINING, epochs: 1, model: (await pair()).student,
        data: await rk.loadDataset(SMALL) });
      for (;;) {
        const next = await events.next();
        if (next.done !== true) continue;
        expect(next.value).to.deep.include({ epochs: 1, runDirectory: null });
        break;
      }
      expect(await events.next()).to.deep.equal({ done: true, value: undefined });
    });

    it("finds objects in tensors and files that the worker reads", async () => {
      const options = { numClasses: 3, detection: { minSize: 64, maxSize: 96, rpnPostNmsTopNTest: 20 } };
      const [there, here] = [await rk.createDetector("faster-rcnn-resnet18-fpn", options),
        await createDetector("faster-rcnn-resnet18-fpn", options)];
      const path = join(directory, "photo.png");
      await writeFile(path, await picture(48, 40).png().toBuffer());
      const own = await here.detect(path);
      const found: unknown[] = [];
      for await (const image of there.detectAll(directory)) {
        expect([image.path, image.size]).to.deep.equal([path, [40, 48]]);
        found.push(await image.detections.boxes.toTypedArray());
      }
      expect(found).to.deep.equal([own.boxes.toTypedArray()]);
      const [fromTensor] = await there.detect([rk.Tensor.from(new Float32Array(3 * 32 * 32), [3, 32, 32])]) as never[];
      expect(fromTensor).to.have.keys("boxes", "scores", "labels");
    });

    it("iterates over batches that stay in the worker, and evaluates", async () => {
      const { distiller, student } = await pair();
      const session = await rk.createSession({ distiller, threads: 1 });
      const data = await rk.loadDataset(SMALL);
      const steps: number[] = [];
      for await (const batch of data.train.batches({ batchSize: 24, seed: 1 }))
        steps.push((await session.step(batch)).step);
      expect(steps).to.deep.equal([1, 2, 3]);
      for await (const batch of data.test.batches({ batchSize: 8 })) {
        expect(batch.images.shape).to.deep.equal([8, 3, 32, 32]);
        break;
      }
      const done: number[] = [];
      const { samples } = await student.evaluate(data.test, { batchSize: 8, onProgress: (images) => {
        done.push(images);
      } });
      expect([samples, done.at(-1)]).to.deep.equal([32, 32]);
      const progress: number[] = [];
      await session.trainEpoch(data, { epoch: 0, epochs: 1, batchSize: 16, onProgress: ({ step }) => {
        progress.push(step);
      } });
      expect(progress.at(-1)).to.equal(4);
    });

    it("stops on a signal within a step, saves and resumes", async () => {
      const controller = new AbortController();
      const options = { ...TRAINING, epochs: 3, data: await rk.loadDataset(SMALL),
        runDirectory: join(directory, "stopped") };
      const error = await failureOf("ABORTED", async () => {
        for await (const event of rk.fit({ ...options, distiller: (await pair()).distiller,
          signal: controller.signal })) if (event.type === "epoch") controller.abort();
      });
      expect(error.message).to.include("resume: true");
      const resumed: FitEvent[] = [];
      for await (const event of rk.fit({ ...options, distiller: (await pair()).distiller, resume: true }))
        resumed.push(event);
      expect(resumed[0]).to.deep.include({ type: "start", startEpoch: 1 });
      expect(resumed.at(-1)?.type).to.equal("end");

      const path = await rk.exportStudent(options.runDirectory, join(directory, "student.pt"), { checkpoint: "best" });
      const { format, fit, metadata } = await rk.inspectWeights(path);
      expect([format, fit?.name, metadata["model"]]).to.deep.equal(["pytorch-zip", "resnet8", "resnet8"]);
      await failureOf("INVALID_ARGUMENT", () => rk.exportStudent(options.runDirectory, path));
      await failureOf("FILE_NOT_FOUND", () => rk.exportStudent(join(directory, "never")));
    });

    it("saves and reads states", async () => {
      const { student, distiller } = await pair();
      const path = join(directory, "student.safetensors");
      await student.save(path, { metadata: { note: "x" } });
      const state = await student.stateDict();
      const complete = { ...AS_STORED, matched: Object.keys(state).length, missing: [], unexpected: [],
        mismatched: [] };
      expect(await student.load(path)).to.deep.equal(complete);
      expect(await student.loadStateDict(state)).to.deep.equal(complete);
      const session = await rk.createSession({ distiller });
      await session.saveCheckpoint(join(directory, "c.safetensors"), { key: "value" });
      expect(await session.loadCheckpoint(join(directory, "c.safetensors"))).to.include({ key: "value" });
    });

    it("fails with the errors of this process", async () => {
      const { student } = await pair();
      const here: unknown = await createModel("resnet9").catch((error: unknown) => error);
      expect(await failureOf("UNKNOWN_NAME", () => rk.createModel("resnet9"))).to.deep.include({
        message: (here as Error).message,
        valid: (here as { valid: string[] }).valid,
      });
      await failureOf("INVALID_ARGUMENT", () => rk.createModel("resnet8", { classes: 3 } as never));
      await failureOf("INVALID_ARGUMENT", () => rk.createSession({} as never));
      await failureOf("SHAPE_MISMATCH", () => rk.Tensor.from([1, 2], [3]));
      await failureOf("DTYPE_MISMATCH", () => rk.Tensor.from({} as never, [3]));
      await failureOf("FILE_NOT_FOUND", () => student.load(join(directory, "never.safetensors")));
      const error = await failureOf("INVALID_ARGUMENT", () => rk.loadDataset({ kind: "stream" } as never));
      expect(error.message).to.include('received "stream", which has functions or objects of this process');
      expect(error.valid).to.include.members(["cifar100", "arrays"]).and.not.include("stream");
      const tensor = rk.Tensor.from([1, 2], [2]);
      tensor.dispose();
      await failureOf("DISPOSED", () => tensor.toTypedArray());
      expect(await rk.Tensor.from([2.5], []).item()).to.equal(2.5);
    });

    it("accepts arrays of every kind, and returns them", async () => {
      const shared = new Float32Array(new SharedArrayBuffer(8));
      shared.set([1, 2]);
      for (const values of [shared, new Float64Array([1, 2]), new BigInt64Array([1n, 2n]),
        new Uint8Array([9, 1, 2]).subarray(1)]) {
        expect(Array.from(await rk.Tensor.from(values, [2]).toTypedArray(), Number)).to.deep.equal([1, 2]);
      }
      expect(Array.from(shared)).to.deep.equal([1, 2]);
    });
  });
}

describe("startWorker", () => {
  it("refuses invalid options", async () => {
    await failureOf("INVALID_ARGUMENT", () => startWorker({ via: "thread" } as never));
    await failureOf("INVALID_ARGUMENT", () => startWorker({ via: "worker", execPath: "/usr/bin/node" }));
    await failureOf("DEPENDENCY_MISSING", () => startWorker({ via: "utilityProcess" }));
  });

  it("refuses options of calls that are no objects, as this process does", async () => {
    await using rk = await startWorker();
    using there = await rk.createModel("resnet8", { numClasses: 4 });
    using here = await createModel("resnet8", { numClasses: 4 });
    for (const model of [there, here]) {
      for (const wrong of [5, null, "options"]) {
        const { message } = await failureOf("INVALID_ARGUMENT", () =>
          model.exportOnnx("unwritten.onnx", wrong as never));
        expect(message).to.match(/expected an object/);
      }
    }
  });

  it("fails if the program does not start, or is not a worker", async () => {
    expect((await failureOf("WORKER_EXITED", () => startWorker({ execPath: "/nowhere/node" }))).message).to.include(
      "ENOENT",
    );
    expect((await failureOf("WORKER_EXITED", () => startWorker({ execPath: "/bin/false" }))).message).to.include(
      "exit code 1",
    );
  });

  it("ends what it started when it is closed, twice or not", async () => {
    const rk = await startWorker();
    const [first, second] = await Promise.all([rk.close(), rk.close()]);
    expect(first).to.deep.equal({ signal: null, exitCode: 0, checkpoint: null, closed: true });
    expect(second).to.deep.equal(first);
    await failureOf("DISPOSED", () => rk.listModels());
  });
});
