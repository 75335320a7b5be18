import { expect } from "chai";
import { startWorker, type TrainingWorker } from "../../lib/worker/index.js";
import { createDetector, createSession, fit, loadDataset, Tensor, type FitEvent } from "../../lib/index.js";
import { failureOf } from "../support/errors.js";

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

  it("has the errors of this process", async () => {
    await failureOf("UNKNOWN_NAME", () => rk.createDetector("faster-rcnn-fpn"));
    const detector = await rk.createDetector(NAME, OPTIONS);
    await failureOf("INVALID_ARGUMENT", () => detector.detect([]));
    await failureOf("SHAPE_MISMATCH", async () => detector.detect([rk.Tensor.from(new Float32Array(64), [1, 8, 8])]));
  });
});
