// Every classifier of the registry as an ONNX file: in onnxruntime-node, and in onnxruntime under ONNX's own checker.
import { writeFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { listModels, Tensor, type Model, type Normalization } from "../../lib/index.js";
import { python } from "../../lib/install/pip.js";
import { run } from "../../lib/install/process.js";
import { pythonTool } from "../../scripts/lint/python-tools.js";
import { sequence } from "../support/deterministic.js";
import { filledModel } from "../support/networks.js";
import { relativeDifference, runOnnx } from "./runtime.js";

/** float32 against float32, of which a runtime folds and fuses the operations in its own way. */
const TOLERANCE = 1e-4;
const NORMALIZATION: Normalization = { mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.25] };
const BATCH = 7;
/** Networks for ImageNet take smaller images as well, and then a moment. */
const LARGEST_SIDE = 64;

/** Images of values from 0 to 1 as a file takes them, and normalized as the network does. */
function imagesOf(name: string, height: number,
  width: number): { readonly plain: Tensor; readonly normalized: Tensor } {
  const pixels = sequence(name, BATCH * 3 * height * width).map((value) => value + 0.5);
  const normalized = pixels.map((value, i) => {
    const channel = Math.floor(i / (height * width)) % 3;
    return (value - NORMALIZATION.mean[channel]!) / NORMALIZATION.std[channel]!;
  });
  const shape = [BATCH, 3, height, width];
  return { plain: Tensor.from(Float32Array.from(pixels), shape), normalized: Tensor.from(normalized, shape) };
}

async function logitsOf(model: Model, images: Tensor): Promise<Float32Array> {
  const { logits } = await model.forward(images);
  return Float32Array.from(logits.toTypedArray() as Float32Array | Float64Array);
}

/** A network, images, and its logits for them. */
async function caseOf(
  name: string,
): Promise<
  { readonly model: Model; readonly plain: Tensor; readonly expected: Float32Array;
    readonly imageSize: [number, number] }
> {
  const model = await filledModel(name, 10, "", "float32");
  const [height, width] = model.preprocessing.imageSize.map((side) => Math.min(side, LARGEST_SIDE)) as [number, number];
  const { plain, normalized } = imagesOf(name, height, width);
  return { model, plain, expected: await logitsOf(model, normalized), imageSize: [height, width] };
}

/** A network of each family, with the operators that it needs. */
const FAMILIES = ["resnet8", "wrn-16-1", "vgg8", "mobilenetv1", "mobilenetv2-half", "mobilenetv2", "shufflenetv1",
  "shufflenetv2"];
/** float16 has 11 bits: 5e-4 for each value, some of which add up over layers. */
const HALF_TOLERANCE = 2e-2;

describe("classifiers as ONNX files", function () {
  this.timeout(300_000);
  let directory: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "reviewkd-onnx-"));
    await mkdir(join(directory, "float16"));
  });

  /** Keeps what the other runtime is compared by. */
  function keep(name: string, images: Tensor, logits: Float32Array): void {
    const base = join(directory, name);
    writeFileSync(`${base}.json`, JSON.stringify({ input: images.shape, outputs: { logits: [BATCH, 10] } }));
    writeFileSync(`${base}.input.f32`, images.toTypedArray());
    writeFileSync(`${base}.logits.f32`, logits);
  }

  after(() => rm(directory, { recursive: true, force: true }));

  for (const { name } of listModels()) {
    it(`${name} has the same logits in onnxruntime-node, for 7 images and for one`, async () => {
      const { model, plain, expected, imageSize: [height, width] } = await caseOf(name);
      const path = join(directory, `${name}.onnx`);
      const file = await model.exportOnnx(path, { imageSize: [height, width], normalization: NORMALIZATION });
      expect(file.outputs.map(({ name: output, shape }) => [output, ...shape])).to.deep.equal([
        ["logits", "batch", 10],
        ["probabilities", "batch", 10],
      ]);
      const { logits, probabilities } = await runOnnx(path, plain);
      expect(relativeDifference(logits!.data as Float32Array, expected)).to.be.below(TOLERANCE);
      const sums = Array.from({ length: BATCH }, (_, i) =>
        (probabilities!.data as Float32Array).subarray(10 * i, 10 * (i + 1)).reduce((a, b) => a + b, 0));
      for (const sum of sums) expect(sum).to.be.closeTo(1, 1e-5); // float32 of ten values
      const first = Tensor.from((plain.toTypedArray() as Float32Array).slice(0, 3 * height * width), [1, 3, height,
        width]);
      const one = await runOnnx(path, first);
      expect(relativeDifference(one["logits"]!.data as Float32Array, expected.subarray(0, 10))).to.be.below(TOLERANCE);
      keep(name, plain, expected);
      model.dispose();
    });
  }

  for (const name of FAMILIES) {
    it(`${name} has nearly the same logits in float16`, async () => {
      const { model, plain, expected, imageSize } = await caseOf(name);
      const path = join(directory, "float16", `${name}.onnx`);
      await model.exportOnnx(path, { imageSize, normalization: NORMALIZATION, dtype: "float16" });
      const { logits } = await runOnnx(path, plain);
      const difference = relativeDifference(logits!.data as Float32Array, expected);
      expect(difference).to.be.below(HALF_TOLERANCE).and.greaterThan(1e-6); // it is no float32
      model.dispose();
    });

    it(`${name} has the same logits with the newest operators`, async () => {
      const { model, plain, expected, imageSize } = await caseOf(name);
      const newest = `${name}-opset22`;
      const path = join(directory, `${newest}.onnx`);
      await model.exportOnnx(path, { imageSize, normalization: NORMALIZATION, opset: 22 });
      const { logits } = await runOnnx(path, plain);
      expect(relativeDifference(logits!.data as Float32Array, expected)).to.be.below(TOLERANCE);
      keep(newest, plain, expected);
      model.dispose();
    });
  }

  it("all pass ONNX's full check, and onnxruntime of Python has the same logits", async () => {
    const tool = await pythonTool("onnx", process.env);
    const { stdout } = await run(python, [join(import.meta.dirname, "check_models.py"), directory], {
      env: { ...process.env, PYTHONPATH: tool },
    });
    const results = stdout.trim().split("\n").map((line) =>
      JSON.parse(line) as { name: string; differences: { logits: number }; batch: { logits: number } }
    );
    expect(results.map(({ name }) => name)).to.have.members([...listModels().map(({ name }) => name),
      ...FAMILIES.map((name) => `${name}-opset22`)]);
    const wrong = results.filter(({ differences, batch }) =>
      !(differences.logits < TOLERANCE && batch.logits < TOLERANCE)
    );
    expect(wrong).to.deep.equal([]);
  });
});
