import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { createDetector } from "../../lib/index.js";
import { readOnnx } from "../support/onnx-files.js";
import { fail, jsonEvents, succeed, TINY, useDirectory } from "./helpers.js";

describe("command line: export to ONNX", function () {
  this.timeout(120_000);
  const directory = useDirectory();
  const file = (name: string): string => join(directory.path, name);

  before(async () => {
    await succeed(["train", "--model", "resnet14", "--run", file("teacher"), "--epochs", "1", ...TINY]);
    await succeed(["distill", "--teacher", "resnet14", "--teacher-weights", file("teacher/student.safetensors"),
      "--student", "resnet8", "--run", file("run"), "--epochs", "2", ...TINY]);
  });

  it("writes the student, and prints its size, parameters and multiply-adds next to the teacher's", async () => {
    const { stdout } = await succeed(["export", file("run"), file("student.onnx")]);
    expect(stdout).to.include("pixel_values [batch, 3, 32, 32] → logits [batch, 4], probabilities [batch, 4]")
      .and.match(/ student resnet8 +│ [\d.]+ KiB +│ +77,652 │ +12,501,248 /)
      .and.match(/ teacher resnet14 +│ [\d.]+ KiB +│ +174,868 │ +26,657,024 /);
    const { metadata, opset } = readOnnx(file("student.onnx"));
    expect(metadata).to.include({ model: "resnet8", numClasses: "4", inputRange: "[0,1]" });
    expect(JSON.parse(metadata["classNames"]!)).to.have.length(4);
    expect(opset).to.equal(17);
  });

  it("reports the file as an event", async () => {
    const [event, ...rest] = jsonEvents(
      (await succeed(["export", file("run"), file("event.onnx"), "--best", "--json", "--dtype", "float16", "--opset",
        "18", "--no-normalization", "--image-size", "48x40"])).stdout,
    );
    expect(rest).to.deep.equal([]);
    expect(event).to.deep.include({ type: "exported", run: file("run"), checkpoint: "best", path: file("event.onnx") });
    expect(event!["file"]).to.deep.include({ dtype: "float16", opset: 18, imageSize: [48, 40],
      bytes: statSync(file("event.onnx")).size });
    expect(event!["teacher"]).to.include({ name: "resnet14" });
  });

  it("quantizes by the images of the run, and prints the accuracy before and after", async () => {
    const { stdout } = await succeed(["export", file("run"), file("int8.onnx"), "--quantize", "int8",
      "--calibration-images", "32"]);
    expect(stdout).to.match(/ top-1 accuracy +│ +[\d.]+ % │ +[\d.]+ % │ +[+-]?\d+\.\d\d /)
      .and.include("ranges of 32 training images");
    expect(statSync(file("int8.onnx")).size).to.be.below(statSync(file("student.onnx")).size / 2);
  });

  it("takes a weights file in the place of a run, and then needs images for int8", async () => {
    const weights = file("run/student.safetensors");
    const { stdout } = await succeed(["export", weights, file("weights.onnx")]);
    expect(stdout).to.match(/ network resnet8 /);
    const text = await fail(["export", weights, file("weights8.onnx"), "--quantize", "int8"], { exit: 2,
      code: "INVALID_ARGUMENT" });
    expect(text).to.include("missing --data");
    await succeed(["export", weights, file("weights8.onnx"), "--quantize", "int8", "--data",
      "synthetic:numClasses=4,trainSamples=64,testSamples=32"]);
  });

  it("exports a detector with the size of its images", async () => {
    using detector = await createDetector("retinanet-mobilenetv2-fpn", { numClasses: 3 });
    await detector.save(file("detector.safetensors"), { classNames: ["ape", "bee", "cat"] });
    const { stdout } = await succeed(["export", file("detector.safetensors"), file("detector.onnx"), "--image-size",
      "64x96"]);
    expect(stdout).to.include(
      "pixel_values [batch, 3, 64, 96] → boxes [batch, 300, 4], scores [batch, 300], labels [batch, 300]",
    );
    expect(readOnnx(file("detector.onnx")).metadata).to.include({ labelNames: '["ape","bee","cat"]' });
  });

  it("writes a directory for transformers.js", async () => {
    await succeed(["export", file("run"), "--to", "transformers.js"]);
    const json = (name: string): Record<string, unknown> =>
      JSON.parse(readFileSync(file(`run/transformers/${name}`), "utf8")) as Record<string, unknown>;
    expect(existsSync(file("run/transformers/onnx/model.onnx"))).to.equal(true);
    expect(json("config.json")).to.include({ num_labels: 4 });
    expect(json("preprocessor_config.json")).to.include({ do_normalize: false, do_rescale: true });
  });

  it("replaces files with --force alone", async () => {
    await succeed(["export", file("run"), file("once.onnx")]);
    const text = await fail(["export", file("run"), file("once.onnx")], { exit: 2, code: "INVALID_ARGUMENT" });
    expect(text).to.include("already exists").and.include("--force");
    await succeed(["export", file("run"), file("once.onnx"), "--force"]);
    await fail(["export", file("run"), "--to", "transformers.js"], { exit: 2, code: "INVALID_ARGUMENT" });
  });

  it("says what is wrong", async () => {
    const refused = async (words: readonly string[], code: string, text: RegExp): Promise<void> => {
      expect(await fail(["export", ...words], { exit: code === "INVALID_ARGUMENT" ? 2 : 1, code })).to.match(text);
    };
    await refused([file("run"), file("a.onnx"), "--opset", "16"], "INVALID_ARGUMENT", /opset/);
    await refused([file("run"), file("a.onnx"), "--dtype", "float64"], "INVALID_ARGUMENT", /float32/);
    await refused([file("run"), file("a.pt"), "--quantize", "int8"], "INVALID_ARGUMENT", /--quantize.*ONNX alone/);
    await refused([file("run"), file("a.pt"), "--no-normalization"], "INVALID_ARGUMENT", /--no-normalization/);
    await refused([file("run"), file("a.onnx"), "--data", "synthetic"], "INVALID_ARGUMENT", /--data.*--quantize/);
    await refused([file("run"), file("a.onnx"), "--to", "transformers.js"], "INVALID_ARGUMENT", /expected a directory/);
    await refused([file("run/student.safetensors"), file("a.onnx"), "--best"], "INVALID_ARGUMENT", /--best/);
    await refused([file("run/student.safetensors"), "--to", "transformers.js"], "INVALID_ARGUMENT", /missing output/);
    await refused([file("nothing"), file("a.onnx")], "FILE_NOT_FOUND", /run/);
    await refused([file("detector.safetensors"), file("web"), "--to", "transformers.js"], "INVALID_ARGUMENT",
      /expected a classifier/);
    expect(existsSync(file("a.onnx"))).to.equal(false);
  });
});
