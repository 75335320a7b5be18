import { expect } from "chai";
import { createSession, type Dataset, type Session } from "../../../lib/index.js";
import { smallData, smallDistiller, smallModel, weightsOf } from "./small-training.js";

describe("training", () => {
  let data: Dataset;

  before(async () => {
    data = await smallData();
  });
  after(() => {
    data.dispose();
  });

  const newSession = async (threads = 1): Promise<Session> =>
    createSession({ distiller: await smallDistiller(), threads });
  const weightsAfter = async (session: Session, seed: number): Promise<Record<string, Float64Array>> => {
    await session.trainEpoch(data, { epoch: 0, epochs: 1, batchSize: 8, seed });
    return weightsOf(session.distiller!);
  };

  for (const threads of [1, 2]) {
    it(`gives the same bits for the same seed on ${threads} threads`, async () => {
      expect(await weightsAfter(await newSession(threads), 5)).to.deep.equal(
        await weightsAfter(await newSession(threads), 5),
      );
    });
  }

  it("gives other weights for another seed of the order", async () => {
    expect(await weightsAfter(await newSession(), 5)).to.not.deep.equal(await weightsAfter(await newSession(), 6));
  });

  it("gives each of two sessions at once what it gives one alone", async () => {
    const alone = [await weightsAfter(await newSession(), 5), await weightsAfter(await newSession(), 6)];
    const sessions = [await newSession(), await newSession()];
    const together = await Promise.all(sessions.map((session, index) => weightsAfter(session, 5 + index)));
    expect(together).to.deep.equal(alone);
  });

  it("does calls in the order in which they were made", async () => {
    const session = await newSession();
    const [first, position, second] = await Promise.all([
      session.trainEpoch(data, { epoch: 0, epochs: 2, batchSize: 8 }),
      session.position(),
      session.trainEpoch(data, { epoch: 1, epochs: 2, batchSize: 8 }),
    ]);
    expect(position).to.deep.equal({ epoch: 0, step: 4, steps: 4, totalSteps: 4 });
    expect([first.epoch, second.epoch]).to.deep.equal([0, 1]);
    expect((await session.position()).totalSteps).to.equal(8);
  });

  it("learns to distinguish tints", async () => {
    const session = await createSession({ model: await smallModel(), threads: 1,
      optimizer: { kind: "sgd", learningRate: 0.01 } });
    let train = { losses: { total: NaN }, top1: NaN };
    for (let epoch = 0; epoch < 12; ++epoch) {
      train = await session.trainEpoch(data, { epoch, epochs: 12, batchSize: 8, augment: false });
      expect(train.top1).to.be.within(0, 100);
      if (epoch === 0) expect(train.losses.total).to.be.closeTo(Math.log(4), 1);
    }
    // Chance is 25 % and ln 4; the tints differ by more than the noise.
    expect(train.top1).to.be.above(80);
    expect(train.losses.total).to.be.below(Math.log(4) / 2);
    expect((await session.evaluate(data.test)).top1).to.be.above(80);
  });
});
