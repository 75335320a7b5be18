import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { picture, writeFiles, writeImageFolder } from "../support/image-files.js";
import { fail, jsonEvents, succeed, useDirectory } from "./helpers.js";

const SHORT = ["--image-size", "8", "--epochs", "1", "--batch-size", "4", "--learning-rate", "0.02", "--schedule",
  "constant", "--threads", "1"] as const;

describe("command line: image folders and IDX files", () => {
  const directory = useDirectory();
  let root: string;
  let run: string;
  let weights: string;
  const below = (...names: string[]): string => join(directory.path, ...names);

  before(async () => {
    root = below("photos");
    run = below("run");
    weights = join(run, "student.safetensors");
    await writeImageFolder(root, { ant: { train: 7, val: 2 }, bee: { train: 6, val: 3 } });
    await writeFile(join(root, "train", "bee", "broken.jpg"), "no image");
  });

  const train = (
    ...words: string[]
  ): string[] => ["train", "--model", "resnet8", "--data", `image-folder:${root}`, ...SHORT, ...words];

  it("fails on a broken image with its name, and explains how to skip it", async () => {
    const message = await fail(train("--run", below("broken")), { exit: 1, code: "FILE_CORRUPT" });
    expect(message).to.include(join(root, "train", "bee", "broken.jpg")).and.include("--on-decode-error skip");
  });

  it("trains on a folder, names the broken image, and saves the class names in the run", async () => {
    const { stdout, stderr } = await succeed(train("--on-decode-error", "skip", "--run", run, "--json"));
    const events = jsonEvents(stdout);
    expect(events.find(({ type }) => type === "broken-image")).to.include({ split: "train",
      path: join(root, "train", "bee", "broken.jpg"), epoch: 0 });
    const { train: summary } = events.find(({ type }) => type === "epoch") as unknown as {
      train: Record<string, number>;
    };
    expect(summary).to.include({ images: 14, brokenImages: 1 });
    expect(summary["dataWaitFraction"]).to.be.within(0, 1);
    expect(events.at(-1)).to.deep.include({ type: "end", classNames: ["ant", "bee"] });
    expect(stderr).to.equal("");
    const { data } = JSON.parse(await readFile(join(run, "config.json"), "utf8")) as { data: object };
    expect(data).to.include({ kind: "image-folder", root, imageSize: 8, onDecodeError: "skip" });
  });

  it("reports it on standard error and in the table at the end", async () => {
    const { stdout, stderr } = await succeed(
      train("--on-decode-error", "skip", "--num-workers", "2", "--run", below("reported")),
    );
    expect(stderr).to.match(/^skipped .*broken\.jpg: cannot decode it: .*unsupported image format/);
    expect(stdout).to.match(/images\/s, \d+\.\d % of the time waiting for data/).and.match(
      /broken images .* 1 replaced/,
    );
  });

  it("evaluates per class, and warns of classes in another order", async () => {
    const words = ["eval", "--weights", weights, "--data", `image-folder:${root}`, "--image-size", "8", "--per-class"];
    const [event] = jsonEvents((await succeed([...words, "--json"])).stdout);
    const { perClass, samples, top1 } = event as unknown as {
      perClass: { name: string; samples: number; correct: number }[];
      samples: number;
      top1: number;
    };
    expect(perClass.map((score) => [score.name, score.samples])).to.deep.equal([["ant", 2], ["bee", 3]]);
    expect(top1).to.be.closeTo((100 * perClass.reduce((sum, { correct }) => sum + correct, 0)) / samples, 1e-9);
    const { stdout, stderr } = await succeed(words);
    expect(stdout).to.match(/│ ant +│ +\d+\.\d % │ +\d │ +2 │/);
    expect(stderr).to.equal("");

    const other = below("other");
    const image = await picture(9, 9).png().toBuffer();
    await writeFiles(other, { "train/bee/1.png": image, "train/cow/1.png": image, "val/bee/1.png": image,
      "val/cow/1.png": image });
    const warned = await succeed(["eval", "--weights", weights, "--data", `image-folder:${other}`, "--image-size",
      "8"]);
    expect(warned.stderr).to.equal(
      'warning: class 0 is "bee" in the data, but "ant" in the training data of the weights\n',
    );

    const more = below("more");
    const [train, val] = ["train", "val"].map((split) =>
      Object.fromEntries(["ant", "bee", "cow"].map((name) => [`${split}/${name}/1.png`, image]))
    );
    await writeFiles(more, { ...train, ...val });
    expect(
      await fail(["eval", "--weights", weights, "--data", `image-folder:${more}`, "--image-size", "8"], { exit: 1,
        code: "STATE_DICT_MISMATCH" }),
    ).to.match(/^warning: class 2 is "cow" in the data, but absent from the training data of the weights\n/);
  });

  it("evaluates on the one split that there is, whose classes the weights know", async () => {
    const image = await picture(9, 9).png().toBuffer();
    await writeFiles(below("val-only"), { "val/bee/1.png": image, "val/bee/notes.txt": image });
    const words = ["eval", "--weights", weights, "--image-size", "8", "--per-class"];
    const { stdout, stderr } = await succeed([...words, "--data", `image-folder:${below("val-only")}`, "--json"]);
    expect((jsonEvents(stdout)[0] as unknown as { perClass: { name: string; samples: number }[] }).perClass
      .map(({ name, samples }) => [name, samples])).to.deep.equal([["ant", 0], ["bee", 1]]);
    expect(stderr).to.equal(`note: found no images of 1 class: ${below("val-only", "val", "ant")}\n` +
      `note: skipped 1 file without an image's ending: ${below("val-only", "val", "bee", "notes.txt")}\n`);
    // The folder of the classes itself.
    await succeed([...words, "--data", `image-folder:${below("val-only", "val")}`]);
    expect(
      await fail([...words, "--split", "train", "--data", `image-folder:${below("val-only")}`], { exit: 1,
        code: "FILE_NOT_FOUND" }),
    ).to.include("--split test");
  });

  it("reports what a training passes by, once", async () => {
    const image = await picture(9, 9).png().toBuffer();
    await writeFiles(below("noted"), Object.fromEntries(["train/ant/1", "train/bee/1", "valid/ant/1", "valid/bee/1"]
      .map((name) => [`${name}.png`, image])));
    await writeFiles(below("noted"), { "train/ant/.DS_Store": image, "valid/bee/.DS_Store": image });
    const { stdout } = await succeed(["train", "--model", "resnet8", "--data", `image-folder:${below("noted")}`,
      ...SHORT, "--batch-size", "2", "--run", below("noted-run"), "--json"]);
    expect(jsonEvents(stdout).filter(({ topic }) => topic === "data")).to.deep.equal([{ type: "notice", topic: "data",
      message: `skipped 2 hidden files and folders: ${below("noted", "train", "ant", ".DS_Store")} and others` }]);
  });

  it("writes line breaks in the names of classes as JSON does", async function () {
    // Windows has no such names.
    if (process.platform === "win32") this.skip();
    const image = await picture(9, 9).png().toBuffer();
    await writeFiles(below("broken-lines"), Object.fromEntries(["train/a\nb", "train/bee", "val/a\nb", "val/bee"]
      .map((name) => [`${name}/1.png`, image])));
    const data = `image-folder:${below("broken-lines")}`;
    const { stdout, stderr } = await succeed(["eval", "--weights", weights, "--image-size", "8", "--per-class",
      "--data", data]);
    expect(stdout).to.match(/^│ a\\nb +│ +\d+\.\d % │ +\d │ +1 │$/m);
    expect(stderr).to.include(String.raw`class 0 is "a\nb" in the data`);
    expect((await succeed(["data", "info", data])).stdout).to.match(/^│ class names +│ a\\nb, bee +│$/m);
  });

  it("describes a folder", async () => {
    const { stdout } = await succeed(["data", "info", `image-folder:${root}`, "--image-size", "64"]);
    expect(stdout).to.include("ant, bee").and.include("3 × 64 × 64").and.match(/training images +│ 14 /);
  });

  it("trains on IDX files", async () => {
    const idx = (shape: number[], bytes: number[]): Buffer => {
      const header = Buffer.alloc(4 + 4 * shape.length);
      header.set([0, 0, 8, shape.length]);
      shape.forEach((length, index) => header.writeUInt32BE(length, 4 + 4 * index));
      return gzipSync(Buffer.concat([header, Buffer.from(bytes)]));
    };
    for (const [name, count] of [["train", 20], ["t10k", 10]] as const) {
      const pixels = Array.from({ length: count * 64 }, (_, at) => (at * 37) % 256);
      await writeFiles(below("mnist"), {
        [`${name}-images-idx3-ubyte.gz`]: idx([count, 8, 8], pixels),
        [`${name}-labels-idx1-ubyte.gz`]: idx([count], Array.from({ length: count }, (_, index) => index % 10)),
      });
    }
    const words = ["train", "--model", "resnet8", "--data", `idx:${below("mnist")}`, "--epochs", "1", "--batch-size",
      "5", "--threads", "1", "--run", below("digits")];
    const events = jsonEvents((await succeed([...words, "--json"])).stdout);
    expect(events.at(-1)).to.deep.include({ type: "end",
      classNames: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"] });
  });

  const bad: readonly [what: string, words: readonly string[], code: string, exit: number, remedy: string][] = [
    ["a folder that is not there", ["--data", "image-folder:/nonexistent"], "FILE_NOT_FOUND", 1, "train/CLASS/*.jpg"],
    ["a decision that there is not", ["--data", "image-folder:x", "--on-decode-error", "ignore"], "INVALID_ARGUMENT", 2,
      "fail, skip"],
    ["an image size for other data", ["--data", "cifar10:x", "--image-size", "8"], "CONFIG_INVALID", 2,
      'received "imageSize"'],
  ];
  for (const [what, words, code, exit, remedy] of bad) {
    it(`rejects ${what}`, async () => {
      expect(await fail(["train", "--model", "resnet8", "--run", below("never"), ...words], { exit, code })).to.include(
        remedy,
      );
    });
  }
});
