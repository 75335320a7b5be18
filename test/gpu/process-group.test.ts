// A process group of one: `npm run test:gpu` runs this with NCCL on a GPU,
// test/unit/ops/device-kernels.long.test.ts without it on the host emulation. Several processes are tested with Gloo.
import { expect } from "chai";
import type { Precision } from "../../lib/config/schemas/common.js";
import { createDistiller, createModel, createSession, type Batch, type Dataset } from "../../lib/index.js";
import { addon } from "../../lib/native.js";
import { TEST_DEVICE } from "../support/device.js";
import { sessionWithGroupOfOne } from "../support/group-of-one.js";
import { normOf } from "../support/numeric.js";
import { smallData, weightsOf } from "../unit/training/small-training.js";

const DEVICE = TEST_DEVICE === "cuda" ? "cuda" : "cpu";
const CLASSES = 10;
/** The host emulation is slow. */
const { BATCH, SIDE } = DEVICE === "cuda" ? { BATCH: 32, SIDE: 32 } : { BATCH: 6, SIDE: 16 };

interface Outcome {
  readonly losses: readonly number[];
  readonly weights: Readonly<Record<string, Float64Array>>;
}

/** Trains an epoch. */
async function trained(data: Dataset<Batch>, precision: Precision, hasGroup: boolean): Promise<Outcome> {
  const distiller = await createDistiller({
    teacher: await createModel("resnet14", { numClasses: CLASSES, seed: 1 }),
    student: await createModel("resnet8", { numClasses: CLASSES, seed: 2 }),
    method: { kind: "review", weight: 0.6, warmupEpochs: 0 },
    seed: 3,
  });
  const options = { device: DEVICE, precision, optimizer: { kind: "sgd", learningRate: 0.01 } } as const;
  using session = await (hasGroup ? sessionWithGroupOfOne(options, { distiller })
    : createSession({ distiller, ...options }));
  const { losses } = await session.trainEpoch(data, { epoch: 0, epochs: 1, batchSize: BATCH, seed: 7 });
  return { losses: [losses.total, losses.distillation], weights: await weightsOf(session.model) };
}

describe("a process group of one on a GPU", function () {
  this.timeout(300_000);
  let data: Dataset<Batch>;

  before(async () => {
    data = await smallData({ train: 4 * BATCH, test: 10, classes: CLASSES, side: SIDE });
  });
  after(() => {
    data.dispose();
  });

  it("has NCCL, of the version that libtorch was built with", async function () {
    if (DEVICE !== "cuda") this.skip();
    expect(await addon().processGroupBackends()).to.deep.equal(["gloo", "nccl"]);
  });

  it("has the same bits with buckets that are exchanged during the backward pass", async () => {
    const inOne = await trained(data, "float32", true);
    process.env["REVIEWKD_GRADIENT_BUCKETS"] = "0,65536";
    try {
      expect(await trained(data, "float32", true)).to.deep.equal(inOne);
    } finally {
      delete process.env["REVIEWKD_GRADIENT_BUCKETS"];
    }
  });

  // The same kernels but for the optimizer's, which round otherwise: 10⁻⁶ on the host emulation. A GPU may choose other
  // convolutions, within the bounds of its difference from the CPU: see training.test.ts.
  for (const [precision, lossBound, bound] of [["float32", 1e-4, 5e-3], ["bfloat16", 0.03, 0.25]] as const) {
    it(`trains as without a group, within ${lossBound} and ${bound} in ${precision}, with the same bits each time`, async () => {
      const first = await trained(data, precision, true);
      expect(await trained(data, precision, true)).to.deep.equal(first);
      const plain = await trained(data, precision, false);
      for (const [index, loss] of plain.losses.entries())
        expect(Math.abs(first.losses[index]! / loss - 1)).to.be.lessThan(lossBound);
      for (const [name, values] of Object.entries(plain.weights)) {
        const difference = normOf(Array.from(values, (value, i) => value - first.weights[name]![i]!));
        expect(difference / Math.max(normOf(Array.from(values)), 1e-3), name).to.be.lessThan(bound);
      }
    });
  }
});
