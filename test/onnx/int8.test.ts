// The accuracy that quantization is said to cost, compared with that of the file in onnxruntime.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createModel, createSession, loadDataset, Tensor, type Batch, type Dataset,
  type Model } from "../../lib/index.js";
import { filledModel } from "../support/networks.js";
import { optimizedOperators, relativeDifference, runOnnx } from "./runtime.js";

/** A network that has learned something, of which quantization could take a part away. */
async function trained(name: string, data: Dataset): Promise<Model> {
  const model = await createModel(name, { numClasses: data.numClasses, seed: 1 });
  using session = await createSession({ model, optimizer: { kind: "sgd", learningRate: 0.05 } });
  for (let epoch = 0; epoch < 6; ++epoch) await session.trainEpoch(data, { batchSize: 32, seed: 1, epoch, epochs: 6 });
  return model;
}

/** The share of right answers in percent. */
async function accuracyOf(path: string, data: Dataset): Promise<number> {
  let [right, all] = [0, 0];
  for await (const { images, labels } of data.test.batches({ batchSize: 64 }) as AsyncIterable<Batch>) {
    const { logits } = await runOnnx(path, images);
    const values = logits!.data as Float32Array;
    for (const [row, label] of Array.from(labels.toTypedArray(), Number).entries()) {
      const own = values.subarray(row * data.numClasses, (row + 1) * data.numClasses);
      if (own.indexOf(Math.max(...own)) === label) ++right;
      ++all;
    }
  }
  return (100 * right) / all;
}

describe("quantization to int8", function () {
  this.timeout(300_000);
  let directory: string;
  let data: Dataset;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "reviewkd-int8-"));
    data = await loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 512, testSamples: 512 });
  });

  after(async () => {
    data.dispose();
    await rm(directory, { recursive: true, force: true });
  });

  // Residual blocks, pre-activation, depthwise convolutions with ReLU, and shuffled channels.
  for (const name of ["resnet8", "wrn-16-1", "mobilenetv2-half", "shufflenetv2"]) {
    it(`${name} has in onnxruntime the accuracy that the export measured, a point less than in float32 at most`, async () => {
      using model = await trained(name, data);
      const path = join(directory, `${name}.onnx`);
      // Batches are normalized already.
      const { quantization, operators } = await model.exportOnnx(path, { quantize: "int8", normalization: false,
        calibration: data.train, test: data.test });
      const [before, after] = [quantization!.before!.top1, quantization!.after!.top1];
      expect(before).to.be.greaterThan(40); // of 25 by chance
      expect(after).to.be.greaterThan(before - 1);
      // Sums in integers round in another way for a few images at the border of two classes.
      expect(await accuracyOf(path, data)).to.be.closeTo(after, 1);
      expect(operators["DequantizeLinear"]).to.be.greaterThan(operators["Conv"]!);
      // All products are computed in integers.
      const computed = await optimizedOperators(path);
      expect(computed.filter((op) => op === "Conv" || op === "Gemm")).to.deep.equal([]);
      expect(computed.filter((op) => op === "QLinearConv")).to.have.length(operators["Conv"]!);
    });
  }

  it("keeps the bias of channels whose weights are next to nothing", async () => {
    using model = await filledModel("resnet8", data.numClasses, "", "float32");
    const state = await model.stateDict();
    const changed = Object.entries(state).filter(([name]) => /bn\d\.(?:weight|bias)$/.test(name)).map(
      ([name, tensor]): [string, Tensor] => {
        const values = Float32Array.from(tensor.toTypedArray() as Float32Array);
        values[0] = name.endsWith("weight") ? 1e-10 : 0.5;
        return [name, Tensor.from(values, tensor.shape)];
      },
    );
    await model.loadStateDict(Object.fromEntries(changed), { strict: false });
    const [path, exact] = [join(directory, "tiny.onnx"), join(directory, "tiny-float32.onnx")];
    await model.exportOnnx(path, { quantize: "int8", normalization: false, calibration: data.train });
    await model.exportOnnx(exact, { normalization: false });
    for await (const { images } of data.test.batches({ batchSize: 64 }) as AsyncIterable<Batch>) {
      const [found, expected] = [await runOnnx(path, images), await runOnnx(exact, images)];
      // A few steps of 256, and not the half of the range that the bias is.
      expect(relativeDifference(found["logits"]!.data as Float32Array, expected["logits"]!.data as Float32Array))
        .to.be.below(0.1);
      break;
    }
  });
});
