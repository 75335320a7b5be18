import { expect } from "chai";
import { createSession, Tensor, type Dataset, type Session } from "../../../lib/index.js";
import type { MethodInput } from "../../../lib/config/schemas/method.js";
import { failureOf } from "../../support/errors.js";
import { scratchDirectory } from "../lib/small-run.js";
import { smallBatch, smallData, smallDistiller, smallModel, weightsOf } from "./small-training.js";

describe("a loop of one's own", () => {
  let data: Dataset;
  const scratch = scratchDirectory();

  before(async () => {
    data = await smallData();
  });
  after(() => {
    data.dispose();
  });

  const newSession = async (method: Partial<MethodInput> = {}): Promise<Session> =>
    createSession({ distiller: await smallDistiller(method), threads: 1,
      optimizer: { kind: "sgd", learningRate: 0.02 } });

  it("gives the bits of trainEpoch", async () => {
    // Warm-up makes the epoch count, too.
    const method = { warmupEpochs: 4 } as const;
    const native = await newSession(method);
    const own = await newSession(method);
    for (const epoch of [0, 1]) {
      const summary = await native.trainEpoch(data, { epoch, epochs: 2, batchSize: 8, seed: 9 });
      await own.setEpoch(epoch);
      let total = 0;
      for await (const batch of data.train.batches({ batchSize: 8, seed: 9, epoch })) {
        const { losses, learningRate } = await own.step(batch);
        expect(losses.distillationWeight).to.equal(epoch / 4);
        expect(learningRate).to.equal(0.02);
        total += losses.total;
      }
      // Eight images in each of four batches; the sums differ by roundings alone.
      expect(summary.losses.total).to.be.closeTo(total / 4, 1e-12);
    }
    expect(await weightsOf(own.distiller!)).to.deep.equal(await weightsOf(native.distiller!));
    expect((await own.position()).totalSteps).to.equal(8);
  });

  it("resumes from a checkpoint within an epoch to the same bits", async () => {
    const path = scratch("own.safetensors");
    const plan = { batchSize: 8, seed: 9 };
    /** A training of two epochs; `epoch` and `step` are where it resumes. */
    const train = async (session: Session, epoch: number, step: number, stopAfter = Infinity): Promise<void> => {
      for (let done = 0; epoch < 2; ++epoch, step = 0) {
        await session.setEpoch(epoch);
        await session.setLearningRate(0.02 / (epoch + 1));
        for await (const batch of data.train.batches({ ...plan, epoch, firstBatch: step })) {
          await session.step(batch);
          ++step;
          if (++done < stopAfter) continue;
          await session.saveCheckpoint(path, { epoch: String(epoch), step: String(step) });
          return;
        }
      }
    };
    const method = { warmupEpochs: 4 } as const;
    const [whole, first, second] = [await newSession(method), await newSession(method), await newSession(method)];
    await train(whole, 0, 0);
    await train(first, 0, 0, 6);
    const { epoch, step } = await second.loadCheckpoint(path);
    expect([epoch, step]).to.deep.equal(["1", "2"]);
    await train(second, Number(epoch), Number(step));
    expect(await weightsOf(second.distiller!)).to.deep.equal(await weightsOf(whole.distiller!));
    expect(await second.position()).to.deep.equal(await whole.position());
  });

  it("reports the losses of each step", async () => {
    const session = await newSession({ weight: 0.6 });
    const { losses, step, gradientNorm } = await session.step(smallBatch(4, 1));
    expect(losses.perStage).to.have.length(4);
    expect(losses.distillation).to.be.closeTo(losses.perStage.reduce((sum, loss) => sum + loss, 0), 1e-12);
    expect(losses.distillationWeight).to.equal(0.6);
    expect(losses.total).to.be.closeTo(losses.crossEntropy + 0.6 * losses.distillation, 1e-12);
    expect([step, gradientNorm]).to.deep.equal([1, null]);
  });

  it("leaves the distillation out while its weight is 0, but still measures it", async () => {
    const session = await newSession({ warmupEpochs: 2 });
    const { losses } = await session.step(smallBatch(4, 1));
    expect(losses.distillationWeight).to.equal(0);
    expect(losses.total).to.equal(losses.crossEntropy);
    expect(losses.distillation).to.be.greaterThan(0);
  });

  it("has no distillation without a teacher", async () => {
    const session = await createSession({ model: await smallModel(), threads: 1 });
    expect(session.distiller).to.equal(undefined);
    const { losses } = await session.step(smallBatch(4, 1));
    expect(losses).to.deep.equal({ total: losses.crossEntropy, crossEntropy: losses.crossEntropy, distillation: 0,
      distillationWeight: 0, perStage: [], terms: [] });
  });

  it("takes the same images in float32 and float64 alike", async () => {
    const { images, labels } = smallBatch(4, 1);
    const [double, single] = [await newSession(), await newSession()];
    const { losses } = await double.step({ images, labels });
    expect(
      (await single.step({ images: Tensor.from(Float32Array.from(images.toTypedArray() as Float64Array), images.shape),
        labels })).losses,
    )
      .to.deep.equal(losses);
  });

  it("refuses settings that make no sense", async () => {
    const session = await newSession();
    await failureOf("INVALID_ARGUMENT", () => session.setEpoch(-1));
    await failureOf("INVALID_ARGUMENT", () => session.setLearningRate(NaN));
    await failureOf("INVALID_ARGUMENT", () => session.setLearningRate(0));
  });
});
