import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import sharp from "sharp";
import { createDetector, createModel, evaluateDetections, type CocoDetection,
  writeStateDict } from "../../lib/index.js";
import { picture, writeFiles, writePhotos } from "../support/image-files.js";
import { fail, jsonEvents, start, succeed, useDirectory } from "./helpers.js";

/** Small images, and every object whatever its score. */
const QUICK = ["--min-size", "64", "--max-size", "96", "--score", "0.06"] as const;

const readJson = async (path: string): Promise<unknown> => JSON.parse(await readFile(path, "utf8"));

describe("command line: detect", function () {
  this.timeout(180_000);
  const directory = useDirectory();
  const at = (...names: string[]): string => join(directory.path, ...names);
  const words = (...more: string[]): string[] => ["detect", ...more, "--weights", at("detector.safetensors"), ...QUICK];

  before(async () => {
    // As a trained one is loaded: with frozen norms.
    using detector = await createDetector("mask-rcnn-resnet18-fpn", { numClasses: 3, seed: 3,
      detection: { norm: "frozen" } });
    await detector.save(at("detector.safetensors"), { metadata: { classNames: '["cat","dog\\u001b[2J"]' } });
    await writePhotos(directory.path);
  });

  it("prints a table for each image, with names from the weights, but none of their control characters", async () => {
    const { stdout } = await succeed(words(at("photos")));
    expect(stdout).to.match(/7\.png\n┌.*\n│ class +│ score │ +x1 │/).and.match(/│ (?:cat|dog \[2J) +│ 0\.\d{3} │ /);
    expect(stdout).to.match(/\d+ objects in 2 of 2 images\n$/);
    expect(stdout).not.to.contain("\u001b");
  });

  it("writes COCO's results, the images with their ids, and a picture of each", async () => {
    const out = at("found");
    const events = jsonEvents((await succeed([...words(at("photos")), "--out", out, "--json"])).stdout);
    expect(events.map(({ type }) => type)).to.deep.equal(["detections", "detections", "detected"]);
    expect(await readdir(out)).to.have.members(["12.png", "7.png", "detections.json", "images.json"]);
    expect(await sharp(join(out, "12.png")).metadata()).to.include({ width: 48, height: 64 });

    const { images, categories } = await readJson(join(out, "images.json")) as { images: never; categories: never };
    expect(images).to.deep.equal([{ id: 7, file_name: at("photos", "7.png"), width: 60, height: 48 }, { id: 12,
      file_name: at("photos", "more", "12.jpg"), width: 48, height: 64 }]);
    const detections = await readJson(join(out, "detections.json")) as CocoDetection[];
    expect(detections).to.have.length(events.at(-1)!["objects"] as number).that.is.greaterThan(0);
    expect(detections[0]).to.have.keys("image_id", "category_id", "bbox", "score", "segmentation");
    // Readable by the evaluation: with itself as the truth.
    const annotations = detections.map((truth, index) => ({ ...truth, id: index + 1, area: 100 }));
    const { stats } = await evaluateDetections({ groundTruth: { images, categories, annotations }, detections,
      kind: "bbox" });
    expect(stats.ap).to.be.greaterThan(0.5);
  });

  it("writes the category ids that the weights have", async () => {
    using detector = await createDetector("faster-rcnn-resnet18-fpn", { numClasses: 3, seed: 3,
      detection: { norm: "frozen" } });
    await detector.save(at("ids.safetensors"), { classNames: ["cat", "dog"], categoryIds: [17, 90] });
    const out = at("with-ids");
    await succeed(["detect", at("photos"), "--weights", at("ids.safetensors"), ...QUICK, "--out", out]);
    const { categories } = await readJson(join(out, "images.json")) as { categories: unknown };
    expect(categories).to.deep.equal([{ id: 17, name: "cat" }, { id: 90, name: "dog" }]);
    const detections = await readJson(join(out, "detections.json")) as CocoDetection[];
    expect(detections).to.not.be.empty;
    for (const { category_id: id } of detections) expect(id).to.be.oneOf([17, 90]);
  });

  it("names the detector that a file without a name fits", async () => {
    using detector = await createDetector("faster-rcnn-resnet18-fpn", { numClasses: 3 });
    await writeStateDict(at("nameless.safetensors"), await detector.stateDict());
    const stderr = await fail(["detect", at("photos"), "--weights", at("nameless.safetensors")], { exit: 2,
      code: "INVALID_ARGUMENT" });
    expect(stderr).to.include("--model faster-rcnn-resnet18-fpn, which it fits");
  });

  it("refuses a classifier at once, also in a file without a name", async () => {
    using model = await createModel("resnet8", { numClasses: 3 });
    await writeStateDict(at("classifier.safetensors"), await model.stateDict());
    for (const words of [[], ["--model", "resnet8"]]) {
      const stderr = await fail(["detect", at("photos"), "--weights", at("classifier.safetensors"), ...words], {
        exit: 2,
        code: "INVALID_ARGUMENT",
      });
      expect(stderr).to.include("expected those of a detector, received those of the classifier resnet8").and.include(
        "`reviewkd predict FILE IMAGE`",
      );
    }
  });

  it("keeps what it found when its reader closes the pipe", async () => {
    const out = at("piped");
    const one = await picture(60, 48, 1).png().toBuffer();
    await writeFiles(at("several"),
      Object.fromEntries(Array.from({ length: 400 }, (_, index) => [`${index}.png`, one])));
    const running = start([...words(at("several")), "--out", out, "--json"]);
    await running.until(/"type":"detections"/);
    running.child.stdout.destroy();
    const { code, stderr } = await running.finished;
    expect([code, stderr.includes("    at ")], stderr).to.deep.equal([130, false]);
    const { images } = await readJson(join(out, "images.json")) as { images: unknown[] };
    expect(images).to.have.length.within(1, 399);
    expect(await readJson(join(out, "detections.json"))).to.be.an("array");
  });

  it("writes an empty list if nothing is found, and numbers images whose names are no ids", async () => {
    const out = at("nothing");
    await writeFiles(at("named"), { "a.png": await picture(60, 48).png().toBuffer(),
      "sub/A.png": await picture(60, 48).png().toBuffer() });
    const { stdout } = await succeed([...words(at("named")), "--score", "1", "--out", out, "--format", "webp"]);
    expect(stdout).to.include("a.png: nothing found").and.include(`results are in ${out}`);
    expect(await readJson(join(out, "detections.json"))).to.deep.equal([]);
    const { images } = await readJson(join(out, "images.json")) as { images: { id: number }[] };
    expect(images.map(({ id }) => id)).to.deep.equal([1, 2]);
    expect((await readdir(out)).filter((name) => name.endsWith(".webp"))).to.have.members(["a.webp", "A-2.webp"]);
  });

  it("stops at a broken image and keeps what it found, or reports and skips it", async () => {
    const out = at("stopped");
    const message = await fail([...words(at("broken")), "--out", out], { exit: 1, code: "FILE_CORRUPT" });
    expect(message).to.include(at("broken", "2.png"));
    expect((await readJson(join(out, "images.json")) as { images: unknown[] }).images).to.have.length(1);
    const { stdout, stderr } = await succeed([...words(at("broken")), "--on-decode-error", "skip"]);
    expect(stderr).to.include(`skipped ${at("broken", "2.png")}: cannot decode the image`);
    expect(stdout).to.include("in 2 of 3 images, 1 skipped");
  });

  it("takes class names as a list or from a file, for all labels or without the background", async () => {
    await writeFile(at("names.txt"), "nothing\nkitten\nwhelp\n");
    for (const [names, expected] of [["kitten, whelp", /│ (kitten|whelp) /], [at("names.txt"),
      /│ (kitten|whelp) /]] as const)
      expect((await succeed([...words(at("photos", "7.png")), "--class-names", names])).stdout).to.match(expected);
    // More than a file name may have.
    const long = `${"kitten".repeat(100)},whelp`;
    expect((await succeed([...words(at("photos", "7.png")), "--class-names", long])).stdout).to.match(
      /│ (kitten|whelp)/,
    );
    const options = { exit: 2, code: "INVALID_ARGUMENT" };
    expect(await fail([...words(at("photos")), "--class-names", "a,b,c,d"], options)).to.include("expected 2 names");
    await fail([...words(at("photos")), "--class-names", at("none.txt")], { exit: 1, code: "FILE_NOT_FOUND" });
  });

  it("never writes where it reads, and explains wrong values", async () => {
    const usage = { exit: 2, code: "INVALID_ARGUMENT" };
    expect(await fail([...words(at("photos")), "--out", at("photos", "more")], usage)).to.include("invalid --out");
    expect(await readdir(at("photos", "more"))).to.deep.equal(["12.jpg"]);
    expect(await fail([...words(at("photos")), "--score", "2"], usage)).to.include("a number from 0 to 1");
    expect(await fail(["detect", "--weights", at("detector.safetensors")], usage)).to.include(
      "missing required argument",
    );
    await fail(words(at("nowhere")), { exit: 1, code: "FILE_NOT_FOUND" });
    await fail([...words(at("photos")), "--model", "retinanet-resnet9-fpn"], { exit: 2, code: "UNKNOWN_NAME" });
    await fail([...words(at("photos")), "--out", at("photos", "7.png")], { exit: 1, code: "FILE_ACCESS" });
  });

  it("ends after the batch on Ctrl-C, with the results so far", async () => {
    const out = at("interrupted");
    const one = await picture(60, 48, 1).png().toBuffer();
    await writeFiles(at("many"), Object.fromEntries(Array.from({ length: 400 }, (_, index) => [`${index}.png`, one])));
    const running = start([...words(at("many")), "--out", out, "--json"]);
    await running.until(/"type":"detections"/);
    running.child.kill("SIGINT");
    const { code, stdout, stderr } = await running.finished;
    expect(code, stderr).to.equal(130);
    expect(stderr).to.include("finishing the batch").and.not.match(/^\s+at /m);
    const events = jsonEvents(stdout);
    expect(events.at(-1)).to.include({ type: "error", code: "ABORTED" });
    const { images } = await readJson(join(out, "images.json")) as { images: { file_name: string }[] };
    expect(images).to.have.length(events.filter(({ type }) => type === "detections").length).that.is.lessThan(400);
    expect(await readJson(join(out, "detections.json"))).to.be.an("array");
    expect((await readdir(out)).filter((name) => name.endsWith(".png"))).to.have.length(images.length);
  });
});
