import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createDetector, createModel, loadDataset, type OnnxProgress, Tensor } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";
import { filledModel } from "../../support/networks.js";
import { readOnnx } from "../../support/onnx-files.js";

describe("exportOnnx", function () {
  this.timeout(60_000);
  let directory: string;
  const file = (name: string): string => join(directory, name);

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "reviewkd-export-"));
  });

  after(() => rm(directory, { recursive: true, force: true }));

  it("describes the file that it wrote, with parameters and multiply-adds", async () => {
    using model = await createModel("resnet20", { numClasses: 100 });
    const written = await model.exportOnnx(file("resnet20.onnx"));
    expect(written).to.deep.include({
      path: file("resnet20.onnx"),
      bytes: readFileSync(file("resnet20.onnx")).length,
      opset: 17,
      dtype: "float32",
      imageSize: [32, 32],
      inputs: [{ name: "pixel_values", shape: ["batch", 3, 32, 32] }],
      outputs: [{ name: "logits", shape: ["batch", 100] }, { name: "probabilities", shape: ["batch", 100] }],
      parameters: model.parameterCount(),
      // As published: 41 million.
      multiplyAdds: 40_818_944,
      quantization: null,
    });
    expect(written.operators).to.include({ Conv: 21, Gemm: 1, Mul: 1 });
    expect(written.operators).not.to.have.property("BatchNormalization");
  });

  it("records the classes and the range of the input", async () => {
    using model = await createModel("resnet8", { numClasses: 3 });
    await model.exportOnnx(file("named.onnx"), { classNames: ["ape", "bee", "cat"], metadata: { licence: "MIT" } });
    const { metadata, opset, producer } = readOnnx(file("named.onnx"));
    expect(metadata).to.include({ model: "resnet8", numClasses: "3", classNames: '["ape","bee","cat"]',
      channelOrder: "rgb", inputRange: "[0,1]", resizeSize: "32", licence: "MIT" });
    expect(metadata).not.to.have.property("normalization");
    expect({ opset, producer }).to.deep.equal({ opset: 17, producer: "reviewkd" });
  });

  it("records the side that images are resized to in proportion to another input size", async () => {
    using model = await createModel("resnet18", { numClasses: 3 });
    await model.exportOnnx(file("larger.onnx"), { imageSize: 112 });
    expect(readOnnx(file("larger.onnx")).metadata).to.include({ resizeSize: "128" });
  });

  it("leaves the normalization to the file's user on request", async () => {
    using model = await createModel("resnet8", { numClasses: 3 });
    const { operators } = await model.exportOnnx(file("raw.onnx"), { normalization: false });
    expect(operators).not.to.have.property("Mul");
    const { metadata } = readOnnx(file("raw.onnx"));
    expect(metadata).not.to.have.property("inputRange");
    expect(JSON.parse(metadata["normalization"]!)).to.deep.equal(model.preprocessing.normalization);
  });

  it("gives constants the names of the state dict", async () => {
    using model = await filledModel("resnet8", 3, "", "float32");
    await model.exportOnnx(file("constants.onnx"));
    const { constants } = readOnnx(file("constants.onnx"));
    expect(constants).to.include.members(["conv1.weight", "layer1.0.conv1.weight", "fc.weight", "fc.bias"]);
  });

  it("writes half as many bytes in float16", async () => {
    using model = await createModel("resnet20", { numClasses: 10 });
    const whole = await model.exportOnnx(file("whole.onnx"));
    const half = await model.exportOnnx(file("half.onnx"), { dtype: "float16" });
    expect(half.bytes / whole.bytes).to.be.within(0.5, 0.52); // names and operators remain
    expect(half.dtype).to.equal("float16");
  });

  it("exports a float64 network as float32", async () => {
    using exact = await filledModel("resnet8", 4, "", "float64");
    await exact.exportOnnx(file("float64.onnx"));
    using same = await filledModel("resnet8", 4, "", "float32");
    await same.exportOnnx(file("float32.onnx"));
    expect(statSync(file("float64.onnx")).size).to.equal(statSync(file("float32.onnx")).size);
  });

  it("measures ranges and the accuracy in int8 on images, and reports each stage", async () => {
    using data = await loadDataset({ kind: "synthetic", trainSamples: 96, testSamples: 64 });
    using model = await createModel("resnet8", { numClasses: data.numClasses });
    const stages: OnnxProgress[] = [];
    const { quantization, bytes, dtype, operators } = await model.exportOnnx(file("int8.onnx"), { quantize: "int8",
      calibration: data.train, test: data.test, calibrationImages: 40,
      onProgress: (progress) => stages.push(progress) });
    expect(dtype).to.equal("int8");
    expect(quantization!.calibrationImages).to.equal(40);
    const { loss, ...counts } = await model.evaluate(data.test);
    expect(quantization!.before).to.deep.include(counts);
    expect(quantization!.before!.loss).to.be.closeTo(loss, 1e-5); // float32, with normalizations folded
    expect(quantization!.after!.samples).to.equal(64);
    // Weights of a quarter of the size.
    expect(bytes).to.be.below((await model.exportOnnx(file("float.onnx"))).bytes / 2);
    expect(operators["QuantizeLinear"]).to.be.greaterThan(10);
    expect([...new Set(stages.map(({ stage }) => stage))]).to.deep.equal(["evaluate-float32", "calibrate", "ranges",
      "evaluate-int8"]);
    expect(stages.filter(({ stage }) => stage === "ranges").at(-1)).to.deep.equal({ stage: "ranges", done: 40,
      total: 40 });
    expect(stages.at(-1)).to.deep.equal({ stage: "evaluate-int8", done: 64, total: 64 });
  });

  it("stops by its signal, and leaves no file behind", async () => {
    using data = await loadDataset({ kind: "synthetic", trainSamples: 512, testSamples: 512 });
    using model = await createModel("resnet20", { numClasses: data.numClasses });
    const stop = new AbortController();
    await failureOf("ABORTED",
      () =>
        model.exportOnnx(file("stopped.onnx"), { quantize: "int8", calibration: data.train, test: data.test,
          signal: stop.signal, onProgress: () => {
            stop.abort();
          } }));
    expect(readdirSync(directory).filter((name) => name.startsWith("stopped"))).to.deep.equal([]);
  });

  it("stops by its last report, too", async () => {
    using data = await loadDataset({ kind: "synthetic", trainSamples: 64, testSamples: 64 });
    using model = await createModel("resnet8", { numClasses: data.numClasses });
    const stop = new AbortController();
    await failureOf("ABORTED",
      () =>
        model.exportOnnx(file("late.onnx"), { quantize: "int8", calibration: data.train, test: data.test,
          signal: stop.signal, onProgress: ({ stage, done, total }) => {
            if (stage === "evaluate-int8" && done === total) stop.abort();
          } }));
    expect(existsSync(file("late.onnx"))).to.equal(false);
  });

  it("stops without quantization, too", async () => {
    using model = await createModel("resnet20", { numClasses: 10 });
    const stop = new AbortController();
    const exported = model.exportOnnx(file("unwanted.onnx"), { signal: stop.signal });
    stop.abort();
    await failureOf("ABORTED", () => exported);
    expect(existsSync(file("unwanted.onnx"))).to.equal(false);
  });

  it("counts the multiply-adds of a detector for images as they are", async () => {
    using detector = await createDetector("retinanet-mobilenetv2-fpn", { numClasses: 3 });
    const [small, large] = [await detector.multiplyAdds(64, 96), await detector.multiplyAdds(128, 192)];
    // Four times the pixels; the levels of the pyramid round up.
    expect(large / small).to.be.within(3, 4.01);
  });

  it("refuses images that no memory holds", async () => {
    using model = await createModel("resnet8", { numClasses: 3 });
    await failureOf("INVALID_ARGUMENT", () => model.multiplyAdds(1e9, 1e9));
    await failureOf("INVALID_ARGUMENT", () => model.exportOnnx(file("huge.onnx"), { imageSize: 1e9 }));
  });

  it("finds before it begins that the file could not be written", async () => {
    using model = await createModel("resnet8", { numClasses: 3 });
    using data = await loadDataset({ kind: "synthetic", numClasses: 3, trainSamples: 32, testSamples: 32 });
    await mkdir(file("folder.onnx"));
    for (const path of [file("folder.onnx"), join(directory, "missing", "model.onnx")]) {
      const reports: OnnxProgress[] = [];
      const { message } = await failureOf("FILE_ACCESS", () =>
        model.exportOnnx(path, { quantize: "int8", calibration: data.train, onProgress: (progress) =>
          reports.push(progress) }));
      expect(message).to.contain(path);
      expect(reports).to.deep.equal([]);
    }
  });

  it("replaces a file, and keeps it if the export fails", async () => {
    using model = await createModel("resnet8", { numClasses: 3 });
    await model.exportOnnx(file("again.onnx"));
    const before = readFileSync(file("again.onnx"));
    await failureOf("SHAPE_MISMATCH", async () => {
      using vgg = await createModel("vgg8", { numClasses: 3 });
      await vgg.exportOnnx(file("again.onnx"), { imageSize: 1 });
    });
    expect(readFileSync(file("again.onnx")).equals(before)).to.equal(true);
    await model.exportOnnx(file("again.onnx"), { opset: 20 });
    expect(readOnnx(file("again.onnx")).opset).to.equal(20);
  });

  it("refuses what it cannot do, with a code", async () => {
    using model = await createModel("resnet8", { numClasses: 3 });
    using detector = await createDetector("retinanet-resnet18-fpn", { numClasses: 3 });
    using data = await loadDataset({ kind: "synthetic", trainSamples: 32, testSamples: 32 });
    const refused = async (message: RegExp, options: Parameters<typeof model.exportOnnx>[1],
      network: typeof model | typeof detector = model): Promise<void> => {
      const { message: text } = await failureOf("INVALID_ARGUMENT",
        () => network.exportOnnx(file("refused.onnx"), options));
      expect(text).to.match(message);
    };
    await refused(/opset/, { opset: 16 });
    await refused(/opset/, { opset: 23 });
    await refused(/expected images in `calibration`/, { quantize: "int8" });
    await refused(/expected `quantize`/, { test: data.test });
    await refused(/expected float32 with `quantize`/, { quantize: "int8", calibration: data.train, dtype: "float16" });
    await refused(/expected a classifier/, { quantize: "int8", calibration: data.train }, detector);
    await refused(/invalid normalization/, { normalization: { mean: [0, 0, 0], std: [1, 1, 1] } }, detector);
    await refused(/expected 3 names/, { classNames: ["one"] });
    await failureOf("SHAPE_MISMATCH",
      () => model.exportOnnx(file("refused.onnx"), { quantize: "int8", calibration: data.train, imageSize: 48 }));
    await refused(/split of a data set/, { quantize: "int8", calibration: {} as never });
    await failureOf("FILE_UNSUPPORTED", () => model.exportOnnx(file("weights.pt")));
    await failureOf("FILE_ACCESS", () => model.exportOnnx(join(directory, "missing", "model.onnx")));
    model.dispose();
    await failureOf("DISPOSED", () => model.exportOnnx(file("refused.onnx")));
    expect(existsSync(file("refused.onnx"))).to.equal(false);
  });

  it("has a detector's post-processing in the file", async () => {
    using detector = await createDetector("mask-rcnn-mobilenetv2-fpn", { numClasses: 3,
      detection: { rpnPostNmsTopNTest: 20, boxDetectionsPerImg: 5 } });
    const { outputs, operators } = await detector.exportOnnx(file("detector.onnx"), { imageSize: [64, 96],
      classNames: ["ape", "bee"] });
    expect(outputs).to.deep.equal([
      { name: "boxes", shape: ["batch", 5, 4] },
      { name: "scores", shape: ["batch", 5] },
      { name: "labels", shape: ["batch", 5] },
      { name: "masks", shape: ["batch", 5, 28, 28] },
    ]);
    expect(operators["NonMaxSuppression"]).to.equal(6); // five levels of proposals, and the classes
    expect(readOnnx(file("detector.onnx")).metadata).to.include({ model: "mask-rcnn-mobilenetv2-fpn",
      inputRange: "[0,1]", classNames: '["ape","bee"]' });
  });

  it("refuses a network that has diverged", async () => {
    using model = await createModel("resnet8", { numClasses: 3 });
    const { "conv1.weight": weight } = await model.stateDict();
    const values = Float32Array.from(weight!.toTypedArray() as Float32Array).fill(Number.NaN, 0, 1);
    await model.loadStateDict({ "conv1.weight": Tensor.from(values, weight!.shape) }, { strict: false });
    const { message } = await failureOf("INVALID_ARGUMENT", () => model.exportOnnx(file("diverged.onnx")));
    expect(message).to.match(/finite.*conv1\.weight/);
    expect(existsSync(file("diverged.onnx"))).to.equal(false);
  });

  it("writes the weights that the network had when it was called", async () => {
    using data = await loadDataset({ kind: "synthetic", trainSamples: 64, testSamples: 32 });
    using model = await filledModel("resnet8", data.numClasses, "", "float32");
    using other = await filledModel("resnet8", data.numClasses, "other.", "float32");
    const export8 = (name: string, onProgress?: () => void): Promise<unknown> =>
      model.exportOnnx(file(name), { quantize: "int8", calibration: data.train, onProgress });
    await export8("before.onnx");
    const state = await other.stateDict();
    let loaded: Promise<unknown> | undefined;
    await export8("meanwhile.onnx", () => {
      loaded ??= model.loadStateDict(state);
    });
    await loaded;
    expect(readFileSync(file("meanwhile.onnx")).equals(readFileSync(file("before.onnx")))).to.equal(true);
  });

  it("leaves the network as it was", async () => {
    using model = await filledModel("resnet8", 4, "", "float32");
    const before = await model.stateDict();
    await model.exportOnnx(file("kept.onnx"), { dtype: "float16" });
    const after = await model.stateDict();
    for (const [name, tensor] of Object.entries(before))
      expect(after[name]!.toTypedArray()).to.deep.equal(tensor.toTypedArray());
  });
});
