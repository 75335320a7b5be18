import { rm } from "node:fs/promises";
import { expect } from "chai";
import { createDetector, createSession, groupedOrder, loadDataset, readCocoAnnotations, type Dataset, type Detector,
  type Session } from "../../../lib/index.js";
import { writeCocoFolder } from "../../support/coco-folder.js";
import { scratchDirectory } from "../lib/small-run.js";

const SEED = 3;
const EPOCH = { epoch: 0, epochs: 1, batchSize: 2, seed: SEED, schedule: { kind: "cosine" } } as const;

describe("an epoch of a detector that is resumed from a checkpoint", () => {
  const scratch = scratchDirectory();

  async function newSession(): Promise<Session<Detector>> {
    const detector = await createDetector("retinanet-mobilenetv2-fpn", { numClasses: 2, seed: 1,
      detection: { minSize: 48, maxSize: 64 } });
    return createSession({ model: detector, threads: 1, optimizer: { kind: "sgd", learningRate: 1e-3 } });
  }

  const load = (): Promise<Dataset> => loadDataset({ kind: "coco", root: scratch("coco"), onDecodeError: "skip" });

  it("replaces a broken image at its end by the same one as an undisturbed epoch", async () => {
    await writeCocoFolder(scratch("coco"), { train: 8, val: 1 });
    const annotations = await readCocoAnnotations(scratch("coco", "annotations", "instances_train2017.json"));
    const order = await groupedOrder(annotations.aspectRatios(), { batchSize: 2, seed: SEED, epoch: 0 });
    const last = annotations.image(order.at(-1)!.at(-1)!);
    await rm(scratch("coco", "train2017", last.fileName));

    using data = await load();
    const whole = await newSession();
    let saved: Promise<boolean> | undefined;
    await whole.trainEpoch(data, { ...EPOCH, onProgress: () => {
      saved ??= whole.saveWithinEpoch(scratch("checkpoint"));
    } });
    expect(await saved).to.equal(true);
    expect(data.brokenImages.map(({ path }) => path)).to.deep.equal([scratch("coco", "train2017", last.fileName)]);

    using same = await load();
    const resumed = await newSession();
    await resumed.loadCheckpoint(scratch("checkpoint"));
    expect((await resumed.position()).step).to.be.within(1, 3);
    const { images } = await resumed.trainEpoch(same, EPOCH);
    expect(images).to.equal(8);
    const expected = await whole.model.stateDict();
    for (const [name, tensor] of Object.entries(await resumed.model.stateDict()))
      expect(tensor.toTypedArray(), name).to.deep.equal(expected[name]!.toTypedArray());
    for (const session of [whole, resumed]) {
      session.dispose();
      session.model.dispose();
    }
  });
});
