import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { readWeightsInfo } from "../../lib/index.js";
import { fail, succeed, useDirectory } from "./helpers.js";

const MODEL = "retinanet-resnet18-fpn";
const DATA = "scenes:numClasses=2,trainSamples=4,testSamples=2,imageSize=64";

describe("command line: detectors", () => {
  const directory = useDirectory();
  let run: string;
  let output: string;

  before(async () => {
    run = join(directory.path, "run");
    ({ stdout: output } = await succeed(["train", "--model", MODEL, "--data", DATA, "--epochs", "1", "--batch-size",
      "2", "--threads", "1", "--seed", "3", "--run", run]));
  });

  it("trains on scenes, and prints precision and each loss of the task", () => {
    expect(output).to.match(/^ +1\/1 /m);
    expect(output).to.match(/\bAP\b/).and.include(run);
    expect(output).to.not.include("top-1").and.not.include("\u001b");
  });

  it("writes a run directory with the detector's settings", async () => {
    for (const file of ["config.json", "metrics.jsonl", "last.safetensors", "best.safetensors", "student.safetensors"])
      expect(existsSync(join(run, file)), file).to.equal(true);
    const config = JSON.parse(await readFile(join(run, "config.json"), "utf8")) as { data: object; training: object };
    expect(config.data).to.include({ kind: "scenes", numClasses: 2, imageSize: 64 });
    expect(config.training).to.deep.include({ epochs: 1, batchSize: 2, seed: 3 });
    const { metadata } = await readWeightsInfo(join(run, "student.safetensors"));
    expect(metadata).to.include({ model: MODEL, dataset: "scenes" });
  });

  it("leaves drawn scenes in their own size unless a size is passed", async () => {
    const { detector } = await readWeightsInfo(join(run, "student.safetensors"));
    expect(detector?.switches?.minSize).to.equal(null);
    const resized = join(directory.path, "resized");
    await succeed(["train", "--model", MODEL, "--data", DATA, "--epochs", "1", "--batch-size", "2", "--threads", "1",
      "--min-size", "96", "--max-size", "96", "--run", resized]);
    const { detector: other } = await readWeightsInfo(join(resized, "student.safetensors"));
    expect(other?.switches).to.include({ minSize: 96, maxSize: 96 });
  });

  it("evaluates the weights of a run, in the size of its training or in another", async () => {
    const evaluate = (...words: string[]): Promise<{ stdout: string }> =>
      succeed(["eval", "--weights", join(run, "student.safetensors"), "--data", DATA, ...words]);
    expect((await evaluate()).stdout).to.include("average precision of boxes").and.include("2 (test)");
    expect((await evaluate("--min-size", "none")).stdout).to.include("average precision of boxes");
    await fail(["eval", "--weights", join(run, "student.safetensors"), "--model", "resnet8", "--min-size", "96"], {
      exit: 2,
      code: "INVALID_ARGUMENT",
    });
  });

  it("refuses data of the wrong kind without a run directory, and suggests the detector that was meant", async () => {
    const options = { cwd: directory.path };
    const other = join(directory.path, "other");
    await writeFile(join(directory.path, "a.png"), "");
    const messages = [
      await fail(["train", "--model", MODEL, "--data", "synthetic", "--run", other], { exit: 2,
        code: "INVALID_ARGUMENT" }, options),
      await fail(["train", "--model", "resnet8", "--data", "coco:missing", "--run", other], { exit: 2,
        code: "INVALID_ARGUMENT" }, options),
      await fail(["detect", "a.png", "--weights", join(run, "student.safetensors"), "--model",
        "fasterrcnn_resnet50_fpn"], { exit: 2, code: "UNKNOWN_NAME" }, options),
    ];
    expect(messages[0]).to.include("images with boxes").and.include("--data coco:DIR, voc:DIR or scenes");
    expect(messages[1]).to.include("expected a detector");
    expect(messages[2]).to.include('did you mean "faster-rcnn-resnet50-fpn"?');
    expect(existsSync(other)).to.equal(false);
  });

  it("names a detector and a setting that do not exist", async () => {
    const options = { cwd: directory.path };
    expect(
      await fail(["train", "--model", "retinanet-resnet81-fpn", "--data", DATA], { exit: 2, code: "UNKNOWN_NAME" },
        options),
    ).to.include("retinanet-resnet81-fpn");
    expect(
      await fail(["train", "--model", MODEL, "--data", "scenes:colors=3"], { exit: 2, code: "CONFIG_INVALID" },
        options),
    ).to.include("colors");
  });

  it("shows detection in a demo", async () => {
    const { stdout } = await succeed(["demo", "--task", "detection", "--quick"], { cwd: directory.path });
    expect(stdout).to.include("faster-rcnn-resnet18-fpn").and.include("average precision");
    await fail(["demo", "--task", "segmentation"], { exit: 2, code: "INVALID_ARGUMENT" });
  });
});
