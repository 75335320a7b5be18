// Batches that a device assembles from resident images, compared with those of the loader on the host.
import { expect } from "chai";
import { loadDataset, Tensor, type Batch, type Dataset } from "../../../lib/index.js";
import { TEST_DEVICE } from "../../support/device.js";
import { testingAddon } from "../../support/testing-addon.js";
import { uniforms } from "../../support/uniforms.js";

const HEIGHT = 9;
const WIDTH = 7;
const COUNT = 21;
/** Whether there are kernels to test: on a GPU, or in the host emulation (device-kernels.long.test.ts). */
const HAS_KERNELS = TEST_DEVICE !== "cpu" || process.env["REVIEWKD_CUDA_PLUGIN"] !== undefined;

async function dataOf(kind: "bytes" | "floats"): Promise<Dataset<Batch>> {
  const values = uniforms(5, COUNT * 3 * HEIGHT * WIDTH);
  const images = kind === "bytes" ? Uint8Array.from(values, (value) => Math.floor(256 * value))
    : Float32Array.from(values, (value) => 4 * value - 2);
  const split = { images, labels: Uint8Array.from({ length: COUNT }, (_, i) => i % 5) };
  return loadDataset({ kind: "arrays", numClasses: 5, height: HEIGHT, width: WIDTH, train: split, test: split });
}

interface Plan {
  readonly batchSize: number;
  readonly seed: number;
  readonly epoch: number;
  readonly shuffle: boolean;
  readonly augment: boolean;
}

async function onDevice(data: Dataset<Batch>, plan: Plan): Promise<unknown[]> {
  const tensors = await data.train.images.pass(plan,
    (images) => testingAddon().deviceBatches(images, "train", { ...plan, device: TEST_DEVICE }));
  return tensors.map((native) => contentOf(Tensor.wrap(native)));
}

async function onHost(data: Dataset<Batch>, plan: Plan): Promise<unknown[]> {
  const tensors: Tensor[] = [];
  for await (const { images, labels } of data.train.batches(plan)) tensors.push(images, labels);
  return tensors.map(contentOf);
}

function contentOf(tensor: Tensor): unknown {
  return { shape: [...tensor.shape], values: Array.from(tensor.toTypedArray(), Number) };
}

describe("batches assembled on a device", () => {
  for (const kind of ["bytes", "floats"] as const) {
    for (const augment of [true, false]) {
      it(`${HAS_KERNELS ? "are the loader's to the bit" : "are left to the loader without kernels"}: ${kind}, ${augment ? "" : "not "}augmented`, async () => {
        using data = await dataOf(kind);
        const plan: Plan = { batchSize: 8, seed: 3, epoch: 2, shuffle: true, augment };
        const batches = await onDevice(data, plan);
        expect(batches).to.deep.equal(HAS_KERNELS ? await onHost(data, plan) : []);
        if (HAS_KERNELS) expect(batches).to.have.length(2 * Math.ceil(COUNT / plan.batchSize));
      });
    }
  }
});
