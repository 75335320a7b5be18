import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { findPreset, listPresets, schemas } from "../../lib/index.js";
import { fail, jsonEvents, packageWithoutAddon, reviewkd, succeed, useDirectory } from "./helpers.js";

interface ModelRow {
  readonly name: string;
  readonly parameters: number;
  readonly features: readonly { readonly channels: number; readonly height: number }[];
}

describe("command line: models, doctor, data, demo", () => {
  const directory = useDirectory();

  it("lists the networks with parameters and stages", async () => {
    const { stdout } = await succeed(["models"]);
    for (const name of ["resnet8", "resnet110", "resnet32x4"]) expect(stdout).to.include(` ${name} `);
    const [event, ...rest] = jsonEvents((await succeed(["models", "--json"])).stdout);
    expect(rest).to.deep.equal([]);
    const resnet20 = (event as unknown as { models: ModelRow[] }).models.find(({ name }) => name === "resnet20");
    expect(resnet20?.parameters).to.equal(278_324);
    expect(stdout).to.include("278,324");
    expect(resnet20?.features.map(({ channels, height }) => [channels, height])).to.deep.include.members([[16, 32], [32,
      16], [64, 8]]);
  });

  it("explains what review does with a pair, as text and as an event", async () => {
    const words = ["models", "--pair", "resnet8", "mobilenetv2-half", "--image-size", "16x24", "--classes", "7",
      "--batch-size", "8", "--mid-channels", "4"];
    const { stdout } = await succeed(words);
    expect(stdout).to.include("mobilenetv2-half under resnet8, 16×24 pixels, 7 classes");
    expect(stdout).to.match(/│ blocks\.2 +│ 16@4×6 +│ layer1 +│ 16@16×24 +│ 4×6 → 16×24 +│ +\d+ │/);
    expect(stdout).to.include(
      "without a match, because resnet8 has fewer stages: blocks.1 (12@8×12) of mobilenetv2-half",
    );
    expect(stdout).to.match(/│ only in training +│ +[\d,]+ │ +[\d,]+ │/);
    expect(stdout).to.match(/│ total +│ +[\d.]+ MiB │/).and.include("extrapolated to batches of 8");
    const [event, ...rest] = jsonEvents((await succeed([...words, "--json"])).stdout);
    expect(rest).to.deep.equal([]);
    expect(event).to.deep.include({ type: "pair", imageSize: [16, 24], numClasses: 7, batchSize: 8 });
  });

  it("explains a pair of detectors by their levels, as whole detectors and as far as review runs them", async () => {
    const words = ["models", "--pair", "faster-rcnn-resnet18-fpn", "retinanet-mobilenetv2-fpn", "--image-size",
      "90x100", "--classes", "5"];
    const { stdout } = await succeed(words);
    expect(stdout).to.include(
      "retinanet-mobilenetv2-fpn under faster-rcnn-resnet18-fpn, 90×100 pixels (padded to 96×128), 5 classes",
    );
    expect(stdout).to.match(/│ p3 +│ 256@12×16 +│ p3 +│ 256@12×16 +│ +│ +657,410 │/);
    expect(stdout).to.include("faster-rcnn-resnet18-fpn has no level of that name: p7 (256@1×1) of retinanet");
    expect(stdout).to.include("retinanet-mobilenetv2-fpn has no level of that name: p2 (256@24×32) of faster-rcnn");
    expect(stdout).to.match(/│ teacher faster-rcnn-resnet18-fpn, the whole detector +│ +[\d,]+ │ +[\d,]+ │/);
    expect(stdout).to.match(/│ teacher, backbone and pyramid alone +│ +13,774,016 │ +[\d,]+ │/);
    expect(stdout).to.include("whole detectors: faster-rcnn-resnet18-fpn on 1000 proposals, as many");
    expect(stdout).to.match(/│ total +│ +[\d.]+ MiB │/).and.include("measured in a step with 2 images: float32");
  });

  it("rejects a pair of other than two networks, unknown networks, and pair options without a pair", async () => {
    expect(await fail(["models", "--pair", "resnet8"], { exit: 2, code: "INVALID_ARGUMENT" })).to.include(
      "two networks",
    );
    expect(await fail(["models", "--pair", "a", "b", "c"], { exit: 2, code: "INVALID_ARGUMENT" })).to.include(
      'received "a b c"',
    );
    expect(await fail(["models", "--pair", "resnet8", "shufflenetv7"], { exit: 2, code: "UNKNOWN_NAME" })).to.include(
      'did you mean "shufflenetv1"?',
    );
    expect(
      await fail(["models", "--pair", "resnet50", "mask-rcnn-resnet18-fpn"], { exit: 2, code: "INVALID_ARGUMENT" }),
    ).to.include("expected a detector as the student mask-rcnn-resnet18-fpn is, received resnet50");
    expect(await fail(["models", "--classes", "3"], { exit: 2, code: "INVALID_ARGUMENT" })).to.include(
      "--classes requires --pair",
    );
  });

  it("lists the presets with their published accuracies, and marks less certain values", async () => {
    const { stdout } = await succeed(["presets"]);
    expect(stdout).to.match(/ vgg13-vgg8 +│ +5‡ │ +240 │ +128 │ +0\.1 │ +74\.64\* │ +70\.36\* │ +74\.84 │ /);
    expect(stdout).to.include("* quoted from memory").and.include("‡ not published").and.include("§ a quirk");
    expect(stdout).to.match(
      / faster-rcnn-resnet101-resnet18 § +│ +1\.2 │ +180000 │ +8 │ +0\.01 │ +box AP │ +42\.00 │ +33\.26\* │ +36\.75\* │/,
    ).and.match(/ mask-rcnn-resnet101-resnet50 +│ +0\.8 │ .* │ +mask AP │ +38\.60 │ +35\.20 │ +36\.98\* │/);
    const [event, ...rest] = jsonEvents((await succeed(["presets", "--json"])).stdout);
    expect(rest).to.deep.equal([]);
    expect(event).to.deep.equal({ type: "presets", presets: JSON.parse(JSON.stringify(listPresets())) as unknown });
  });

  it("shows a preset in full, and suggests the nearest for an unknown one", async () => {
    const { stdout } = await succeed(["presets", "resnet50-mobilenetv1"]);
    expect(stdout).to.match(/method\.midChannels +│ 256 /).and.match(/training\.schedule\.milestones +│ \[29,59,89\] /)
      .and.match(/published\.review +│ 72\.56 /);
    const [event] = jsonEvents((await succeed(["presets", "vgg13-vgg8", "--json"])).stdout);
    expect(event).to.deep.equal({ type: "preset",
      preset: JSON.parse(JSON.stringify(findPreset("vgg13-vgg8"))) as unknown });
    const quirks = (await succeed(["presets", "faster-rcnn-resnet101-resnet18"])).stdout;
    expect(quirks).to.match(
      /detectors\.student\.detection\.reverseImageStats +│ true +│ a quirk of the +│/,
    ).and.match(/published\.ap75\.review +│ 34 +│ quoted from memory: +│/).and.match(/training\.maxSteps +│ 180000 /);
    expect(Math.max(...quirks.split("\n").map((line) => line.length))).to.equal(100);
    const message = await fail(["presets", "resnet56-resnet21"], { exit: 2, code: "UNKNOWN_NAME" });
    expect(message).to.include('did you mean "resnet56-resnet20"?').and.not.include("accepted:");
  });

  it("lists all names below an error that has no proposal, and in its event", async () => {
    const message = await fail(["presets", "zzz"], { exit: 2, code: "UNKNOWN_NAME" });
    const [first, ...list] = message.trimEnd().split("\n");
    expect(first).to.have.length.below(200).and.include("`reviewkd presets` lists them.");
    expect(list.join(" ")).to.match(/^accepted: cifar100, .* mask-rcnn-resnet50-mobilenetv2$/);
    const { stdout } = await reviewkd(["presets", "zzz", "--json"]);
    expect(jsonEvents(stdout)[0]).to.deep.include({ type: "error", code: "UNKNOWN_NAME",
      valid: listPresets().map(({ name }) => name) });
  });

  it("reports a healthy installation", async () => {
    const { stdout } = await succeed(["doctor"]);
    for (const name of ["addon", "libtorch", "devices", "GPU", "C library", "threads", "instruction sets", "node"])
      expect(stdout).to.match(new RegExp(`^${name} `, "m"));
    const [event] = jsonEvents((await succeed(["doctor", "--json"])).stdout);
    expect(event).to.include({ type: "doctor", healthy: true, node: process.version });
    expect(schemas.InstallationReport.parse(event!["installation"]).attempts.at(-1)).to.include({ place: "checkout",
      outcome: "loaded" });
    expect(existsSync((event as unknown as { addonPath: string }).addonPath)).to.equal(true);
  });

  it("names the fix for a missing addon", async () => {
    const options = { package: await packageWithoutAddon(join(directory.path, "package")) };
    const { code, stdout } = await reviewkd(["doctor"], options);
    expect(code).to.equal(1);
    expect(stdout).to.include("fault [ADDON_NOT_FOUND]").and.include("fix: npm install --include=optional");
    const json = await reviewkd(["doctor", "--json"], options);
    expect(json.code).to.equal(1);
    expect(jsonEvents(json.stdout)[0]).to.include({ type: "doctor", healthy: false });
  });

  it("describes a data set", async () => {
    const { stdout } = await succeed(["data", "info", "synthetic:numClasses=4,trainSamples=40,testSamples=20",
      "--json"]);
    expect(jsonEvents(stdout)[0]).to.deep.include({ type: "data", numClasses: 4, trainSamples: 40, testSamples: 20,
      imageShape: [3, 32, 32] });
    const table = await succeed(["data", "info", "synthetic:numClasses=4,trainSamples=40,testSamples=20"]);
    expect(table.stdout).to.include("training images").and.include("3 × 32 × 32");
  });

  it("reports why a download failed", async () => {
    const server = createServer((_request, response) => {
      response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const { port } = server.address() as AddressInfo;
    try {
      const words = ["data", "fetch", "cifar100", "--dir", join(directory.path, "data"), "--url",
        `http://127.0.0.1:${port}/a.tar.gz`];
      expect(await fail(words, { exit: 1, code: "DOWNLOAD_FAILED" })).to.include("404");
    } finally {
      server.close();
    }
  });

  it("does not download an existing data set", async () => {
    const root = join(directory.path, "there", "cifar-100-binary");
    await mkdir(root, { recursive: true });
    for (const file of ["train.bin", "test.bin", "fine_label_names.txt", "coarse_label_names.txt"])
      await writeFile(join(root, file), "x");
    const words = ["data", "fetch", "cifar100", "--dir", join(directory.path, "there"), "--url",
      "http://127.0.0.1:9/never"];
    const [event] = jsonEvents((await succeed([...words, "--json"])).stdout);
    expect(event).to.deep.equal({ type: "fetched", kind: "cifar100", directory: root });
    expect((await succeed(words)).stdout).to.include(`--data cifar100:${root}`);
  });

  it("runs the demonstration and prints its three accuracies", async () => {
    const { stdout } = await succeed(["demo", "--quick", "--seed", "2"], { cwd: directory.path });
    for (const row of ["teacher", "student alone", "student distilled"])
      expect(stdout).to.match(new RegExp(`^│ ${row} .* \\d+\\.\\d %`, "m"));
    expect(existsSync(join(directory.path, "runs"))).to.equal(false);
  });

  it("repeats the demonstration over seeds, as events, with mean and deviation", async () => {
    const { stdout } = await succeed(["demo", "--quick", "--seeds", "0,1", "--json"]);
    const events = jsonEvents(stdout);
    const result = events.at(-1) as unknown as { type: string; seeds: number[];
      results: { part: string; top1: number[]; mean: number; deviation: number }[] };
    expect(result).to.deep.include({ type: "demo", seeds: [0, 1] });
    expect(result.results.map(({ part }) => part)).to.deep.equal(["teacher", "alone", "distilled"]);
    for (const { part, top1, mean } of result.results) {
      const ends = events.filter((event) => event.type === "end" && event["part"] === part);
      expect(ends.map((event) => (event["last"] as { top1: number }).top1)).to.deep.equal(top1);
      expect(mean).to.be.closeTo(((top1[0] ?? 0) + (top1[1] ?? 0)) / 2, 1e-9);
    }
  });

  it("keeps its run directories in a given directory", async () => {
    const run = join(directory.path, "demo");
    await succeed(["demo", "--quick", "--run", run]);
    for (const part of ["teacher-0", "alone-0", "distilled-0"])
      expect(existsSync(join(run, part, "student.safetensors"))).to.equal(true);
  });
});
