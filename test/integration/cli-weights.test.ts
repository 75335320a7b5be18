import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { createDetector, createModel, readStateDict, readWeightsInfo } from "../../lib/index.js";
import { run } from "../../lib/install/process.js";
import { expectedIn } from "../support/checkpoints.js";
import { valuesOf } from "../support/numeric.js";
import { fail, jsonEvents, succeed, useDirectory, TINY } from "./helpers.js";

const FIXTURES = join(import.meta.dirname, "../fixtures/checkpoints");
const fixture = (name: string): string => join(FIXTURES, name);

describe("command line: inspect, convert, export", function () {
  this.timeout(120_000);
  const directory = useDirectory();
  const file = (name: string): string => join(directory.path, name);

  it("shows tensors, metadata, format and the best matching network", async () => {
    using model = await createModel("resnet8", { numClasses: 6 });
    await model.save(file("weights.pth"), { metadata: { note: "mine\u001b[2J" } });
    const { stdout } = await succeed(["inspect", file("weights.pth")]);
    expect(stdout).to.match(/ layer3\.0\.conv1\.weight +│ float32 +│ \[64, 32, 3, 3\] /);
    expect(stdout).to.match(/ format +│ PyTorch, zip archive /).and.match(/ parameters +│ [\d,]{6,} /).and.match(
      / note +│ mine \[2J /,
    );
    expect(stdout).to.match(/ network +│ resnet8 with 6 classes /).and.match(
      / matching entries +│ (\d+) of \1 \(100\.0 %\) /,
    );
    expect(stdout, "no control characters").not.to.contain("\u001b");
    const [event, ...rest] = jsonEvents((await succeed(["inspect", file("weights.pth"), "--json"])).stdout);
    expect(rest).to.deep.equal([]);
    expect(event).to.deep.include({ type: "weights", format: "pytorch-zip", parameters: model.parameterCount(),
      selection: { key: "", prefixes: [], leftAside: 0, leftAsideNames: [], unread: [] } });
  });

  it("shows the detector that a file fits, whose names it has, and its flavor", async () => {
    using detector = await createDetector("retinanet-mobilenetv2-fpn", { numClasses: 3, flavor: "detectron2",
      detection: { norm: "frozen", normEps: 0 } });
    await detector.save(file("detector.pth"), { names: "detectron2" });
    const { stdout } = await succeed(["inspect", file("detector.pth")]);
    expect(stdout).to.match(/ network +│ retinanet-mobilenetv2-fpn with 3 classes /)
      .and.match(/ matching entries +│ (\d+) of \1 \(100\.0 %\) /)
      .and.match(/ names +│ detectron2 /).and.match(/ flavor +│ detectron2 /)
      .and.match(/ epsilon of frozen norms +│ 0 /);
    const [event] = jsonEvents((await succeed(["inspect", file("detector.pth"), "--json"])).stdout);
    expect(event!.detector).to.include({ kind: "retinanet", names: "detectron2", numClasses: 3 });
  });

  it("reports how it found the weights in a dictionary, and accepts another key", async () => {
    const { stdout } = await succeed(["inspect", fixture("nested-module-prefix.legacy.pt")]);
    expect(stdout).to.match(/ format +│ PyTorch, stream of pickles /).and.match(/ found under +│ state_dict /).and
      .match(/ stripped prefixes +│ module\. /);
    const [event] = jsonEvents(
      (await succeed(["inspect", fixture("nested-beside-average.zip.pt"), "--key", "model_ema", "--json"])).stdout,
    );
    expect(event).to.deep.include({
      selection: { key: "model_ema", prefixes: [], leftAside: 8, leftAsideNames: [], unread: [] },
      fit: null,
    });
    expect(
      await fail(["inspect", fixture("nested-beside-average.zip.pt"), "--key", "teacher"], { exit: 2,
        code: "UNKNOWN_NAME" }),
    ).to.contain("model, model_ema");
  });

  it("converts, keeps the metadata, and replaces a file only by force", async () => {
    const words = ["convert", fixture("nested-model.legacy.pt"), file("a.safetensors")];
    expect((await succeed(words)).stdout).to.contain(
      `wrote 8 tensors of ${fixture("nested-model.legacy.pt")} to ${file("a.safetensors")}`,
    );
    expect((await succeed([...words, "--force"])).stderr).to.contain("no network of `reviewkd models`");
    const { state, metadata } = await readStateDict(file("a.safetensors"));
    for (const [name, { values }] of Object.entries(expectedIn(FIXTURES).files["nested-model.legacy.pt"]!))
      expect(valuesOf(state[name]!)).to.deep.equal(values);
    expect(metadata).to.deep.equal({ epoch: "7", best_acc: "71.25", arch: "tiny" });
    expect(await fail(words, { exit: 2, code: "INVALID_ARGUMENT" })).to.contain("--force");
    const [event] = jsonEvents((await succeed([...words, "--force", "--dtype", "bfloat16", "--json"])).stdout);
    expect(event).to.deep.include({ type: "converted", from: words[1], to: words[2], tensors: 8, fit: null });
    expect((await readWeightsInfo(file("a.safetensors"))).tensors[0]!.dtype).to.equal("bfloat16");
    expect(await fail(["convert", words[1]!, file("a.onnx")], { exit: 1, code: "FILE_UNSUPPORTED" })).to.contain(
      ".safetensors, .pt or .pth",
    );
    expect(await fail(["convert", words[1]!, file("b.pt"), "--dtype", "int8"], { exit: 2, code: "INVALID_ARGUMENT" }))
      .to.contain("float16");
  });

  it("reports a full disk, and leaves no files behind", async () => {
    using model = await createModel("resnet8", { numClasses: 6 });
    await model.save(file("whole.safetensors"));
    for (const name of ["full.pt", "full.safetensors"]) {
      // To a program, a file that exceeds the limit looks like a full disk.
      const words = ["-c", 'ulimit -f 64; exec "$0" "$@"', process.execPath, "dist/cli/main.js", "convert",
        file("whole.safetensors"), file(name)];
      const { status, output } = await run("bash", words);
      expect(status, output).to.equal(1);
      expect(output).to.contain("error [FILE_ACCESS]").and.to.contain(file(name)).and.to.contain("File too large");
    }
    expect((await readdir(directory.path)).filter((name) => name.startsWith("full"))).to.deep.equal([]);
  });

  it("exports the last or best student of a run, for every command that takes weights", async () => {
    const teacher = file("teacher.pth");
    using model = await createModel("resnet14", { numClasses: 4, seed: 1 });
    await model.save(teacher);
    const directoryOfRun = file("run");
    await succeed(["distill", "--teacher", "resnet14", "--teacher-weights", teacher, "--student", "resnet8", ...TINY,
      "--epochs", "2", "--run", directoryOfRun]);
    const { stdout } = await succeed(["export", directoryOfRun]);
    expect(stdout).to.contain(`to ${join(directoryOfRun, "student-last.safetensors")}`);
    const [event] = jsonEvents((await succeed(["export", directoryOfRun, file("best.pt"), "--best", "--json"])).stdout);
    expect(event).to.deep.equal({ type: "exported", run: directoryOfRun, checkpoint: "best", path: file("best.pt") });

    // Only the student, with its metadata; after the last epoch it equals the file that the run wrote.
    const own = await readStateDict(join(directoryOfRun, "student.safetensors"));
    const last = await readStateDict(join(directoryOfRun, "student-last.safetensors"));
    expect(last.metadata).to.deep.equal(own.metadata);
    expect(Object.keys(last.state)).to.deep.equal(Object.keys(own.state));
    for (const [name, values] of Object.entries(own.state))
      expect(valuesOf(last.state[name]!), name).to.deep.equal(valuesOf(values));
    expect((await readWeightsInfo(file("best.pt"))).metadata).to.include({ model: "resnet8", numClasses: "4" }).and.to
      .have.keys(Object.keys(own.metadata));

    const data = ["--data", "synthetic:numClasses=4,trainSamples=64,testSamples=32", "--json"];
    const [scored] = jsonEvents((await succeed(["eval", "--weights", file("best.pt"), ...data])).stdout);
    const best = (await readWeightsInfo(file("best.pt"))).metadata["top1"];
    expect(scored).to.deep.include({ model: "resnet8", top1: Number(best) });
    expect(await fail(["export", directoryOfRun], { exit: 2, code: "INVALID_ARGUMENT" })).to.contain("--force");
    await fail(["export", directory.path], { exit: 1, code: "FILE_NOT_FOUND" });
    expect(existsSync(join(directory.path, "student-last.safetensors"))).to.equal(false);
  });
});
