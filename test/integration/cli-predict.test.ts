import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { createDetector, createModel, writeStateDict } from "../../lib/index.js";
import { writeFiles, writePhotos } from "../support/image-files.js";
import { cifarRecords } from "../support/cifar-records.js";
import { fail, jsonEvents, succeed, useDirectory } from "./helpers.js";

describe("command line: predict", function () {
  this.timeout(180_000);
  const directory = useDirectory();
  const at = (...names: string[]): string => join(directory.path, ...names);

  before(async () => {
    using model = await createModel("resnet8", { numClasses: 3, seed: 3 });
    await model.save(at("named.safetensors"), { classNames: ["cat", "dog\u001b[2J", "owl"], imageSize: [32, 32],
      resizeSize: 37, normalization: { mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2] } });
    await writeStateDict(at("bare.pt"), await model.stateDict());
    await writePhotos(directory.path);
  });

  it("prints a table for each image, with names from the weights, but none of their control characters", async () => {
    const { stdout, stderr } = await succeed(["predict", at("named.safetensors"), at("photos")]);
    expect(stdout).to.match(/7\.png\n┌.*\n│ class +│ label │ probability │/).and.match(
      /│ dog \[2J +│ +1 │ +\d+\.\d % │/,
    );
    expect(stdout).to.match(/2 of 2 images, \d+ images\/s\n$/);
    expect([stdout.includes("\u001b"), stderr]).to.deep.equal([false, ""]);
  });

  it("has an event for each image with --json, and as many classes as --top says, under given names", async () => {
    const { stdout } = await succeed(["predict", at("named.safetensors"), at("photos"), at("photos", "7.png"), "--top",
      "2", "--json", "--class-names", "one,two,three"]);
    const events = jsonEvents(stdout);
    expect(events.map(({ type, path }) => [type, path])).to.deep.equal([["prediction", at("photos", "7.png")], [
      "prediction",
      at("photos", "more", "12.jpg"),
    ], ["predicted", undefined]]);
    const [first, second, ...others] = events[0]!["predictions"] as { className: string; probability: number }[];
    expect(others).to.deep.equal([]);
    expect(first!.probability).to.be.at.least(second!.probability);
    expect([first, second].map((prediction) => prediction!.className)).to.satisfy((names: string[]) =>
      names.every((name) => ["one", "two", "three"].includes(name))
    );
  });

  it("finds the network that a file without a name fits, and says what it assumes", async () => {
    const { stdout, stderr } = await succeed(["predict", at("bare.pt"), at("photos"), "--json"]);
    expect(jsonEvents(stdout)[0]).to.deep.include({ type: "assumed", model: "resnet8", imageSize: [32, 32],
      resizeSize: 32 });
    expect(stderr).to.match(/bare\.pt does not record imageSize, resizeSize, normalization: using .* resnet8/);
    expect(stderr.match(/does not record|REVIEWKD/g)).to.have.length(1);
    const given = await succeed(["predict", at("bare.pt"), at("photos"), "--image-size", "32", "--mean", "0.5,0.5,0.5",
      "--std", "0.2,0.2,0.2", "--resize-size", "37", "--json"]);
    const named = await succeed(["predict", at("named.safetensors"), at("photos"), "--json", "--class-names", "0,1,2"]);
    expect(given.stderr).to.equal("");
    expect(jsonEvents(given.stdout).slice(0, 2)).to.deep.equal(jsonEvents(named.stdout).slice(0, 2));
  });

  it("names and counts files that are no images, and fails if there are no others", async () => {
    const { stdout, stderr } = await succeed(["predict", at("named.safetensors"), at("broken")]);
    expect(stderr).to.include(`skipped ${at("broken", "2.png")}: cannot decode the image`);
    expect(stdout).to.include("2 of 3 images, 1 skipped");
    await fail(["predict", at("named.safetensors"), at("broken"), "--on-decode-error", "fail"], { exit: 1,
      code: "FILE_CORRUPT" });
    const message = await fail(["predict", at("named.safetensors"), at("broken", "2.png")], { exit: 1,
      code: "FILE_UNSUPPORTED" });
    expect(message).to.include("expected at least one that can be decoded, received none of 1");
    await fail(["predict", at("named.safetensors"), at("missing.png")], { exit: 1, code: "FILE_NOT_FOUND" });
  });

  it("sends detectors to detect, and detect sends classifiers here", async () => {
    using detector = await createDetector("faster-rcnn-resnet18-fpn", { numClasses: 3 });
    await detector.save(at("detector.safetensors"));
    const refused = await fail(["predict", at("detector.safetensors"), at("photos")], { exit: 2,
      code: "INVALID_ARGUMENT" });
    expect(refused).to.include("those of a detector").and.include("reviewkd detect IMAGE --weights FILE");
    const sent = await fail(["detect", at("photos"), "--weights", at("named.safetensors")], { exit: 2,
      code: "INVALID_ARGUMENT" });
    expect(sent).to.include("the classifier resnet8").and.include("reviewkd predict FILE IMAGE");
  });

  it("requires a normalization's two halves, and a name for each class", async () => {
    const half = await fail(["predict", at("bare.pt"), at("photos"), "--mean", "0,0,0"], { exit: 2,
      code: "INVALID_ARGUMENT" });
    expect(half).to.include("missing --std");
    const bytes = await fail(["predict", at("bare.pt"), at("photos"), "--mean", "123,116,103", "--std", "58,57,57"], {
      exit: 2,
      code: "INVALID_ARGUMENT",
    });
    expect(bytes).to.include(
      'invalid --mean: expected a mean from -4 to 4 (of pixels divided by 255) for each channel, received "123"',
    );
    const names = await fail(["predict", at("bare.pt"), at("photos"), "--class-names", "one,two"], { exit: 2,
      code: "INVALID_ARGUMENT" });
    expect(names).to.include("expected 3 names");
  });

  it("knows what a training on CIFAR-100's coarse labels recorded, also after an export and a conversion", async () => {
    await writeFiles(at("cifar"), { "train.bin": cifarRecords(100), "test.bin": cifarRecords(40, 2) });
    const names = Array.from({ length: 20 }, (_, index) => `group_${index}`);
    await writeFile(at("cifar", "coarse_label_names.txt"), names.join("\n"));
    const training = ["train", "--model", "resnet8", "--data", `cifar100:${at("cifar")}`, "--epochs", "1",
      "--batch-size", "50", "--run", at("run")];
    await succeed([...training, "--labels", "coarse"]);
    await succeed(["export", at("run"), at("exported.pt"), "--best"]);
    await succeed(["convert", at("exported.pt"), at("converted.safetensors")]);
    for (const file of [at("run", "last.safetensors"), at("exported.pt"), at("converted.safetensors")]) {
      const { stdout, stderr } = await succeed(["predict", file, at("photos"), "--json", "--top", "20"]);
      const predictions = jsonEvents(stdout)[0]!["predictions"] as { className: string }[];
      expect(predictions.map(({ className }) => className), file).to.have.members(names);
      expect(stderr).to.equal("");
    }
    const { stdout } = await succeed(["inspect", at("converted.safetensors")]);
    for (const key of ["classNames", "normalization", "imageSize", "resizeSize"])
      expect(stdout).to.include(`│ ${key} `);
    const mismatch = await fail([...training, "--resume", "--labels", "fine"], { exit: 1, code: "RUN_MISMATCH" });
    expect(mismatch).to.match(/data\.labels: was "?coarse/);
    await succeed([...training, "--resume"]);
  });
});
