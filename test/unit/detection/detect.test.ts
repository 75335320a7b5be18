import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { createDetector, Tensor, type DetectedImage, type Detections, type Detector,
  type SkippedImage } from "../../../lib/index.js";
import { useDirectory } from "../../integration/helpers.js";
import { failureOf } from "../../support/errors.js";
import { gradient, picture, writeFiles } from "../../support/image-files.js";

const numbers = (tensor: Tensor): number[] => Array.from(tensor.toTypedArray() as Float32Array, Number);

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** The pixels of an image as a detector takes them. */
function tensorOf(pixels: Uint8Array, height: number, width: number): Tensor {
  const planes = new Float32Array(3 * height * width);
  for (let channel = 0; channel < 3; ++channel) {
    for (let pixel = 0; pixel < height * width; ++pixel)
      planes[channel * height * width + pixel] = (pixels[3 * pixel + channel] ?? 0) / 255;
  }
  return Tensor.from(planes, [3, height, width]);
}

function expectEqual(actual: Detections, expected: Detections): void {
  for (const name of ["boxes", "scores", "labels"] as const)
    expect(numbers(actual[name]), name).to.deep.equal(numbers(expected[name]));
}

describe("finding objects", function () {
  this.timeout(60_000);
  const directory = useDirectory();
  let detector: Detector;
  const at = (name: string): string => join(directory.path, name);

  before(async () => {
    detector = await createDetector("mask-rcnn-resnet18-fpn", { numClasses: 4, seed: 3,
      detection: { minSize: 64, maxSize: 96, boxDetectionsPerImg: 12, rpnPreNmsTopNTest: 40,
        rpnPostNmsTopNTest: 30 } });
    await writeFiles(directory.path, {
      "folder/a.png": await picture(60, 48, 1).png().toBuffer(),
      "folder/b.png": await picture(40, 64, 2).png().toBuffer(),
      "folder/c.png": await picture(56, 56, 3).png().toBuffer(),
      "upside.jpg": await picture(60, 40, 4).jpeg().withMetadata({ orientation: 6 }).toBuffer(),
      "broken/a.png": await picture(60, 48, 1).png().toBuffer(),
      "broken/b.jpg": Buffer.from("no image"),
      "broken/c.png": await picture(56, 56, 3).png().toBuffer(),
      "drawing.svg": Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'),
    });
  });

  after(() => {
    detector.dispose();
  });

  it("finds the same in a Tensor, a file and its content", async () => {
    const image = tensorOf(gradient(60, 48, 1), 48, 60);
    const path = at("folder/a.png");
    const [first, ...others] = await Promise.all([detector.detect(image), detector.detect(path),
      detector.detect(await readFile(path))]);
    expect(first.scores.shape[0]).to.be.greaterThan(0);
    for (const other of others) expectEqual(other, first);
  });

  it("gives a list for a list, one object for one image", async () => {
    const image = tensorOf(gradient(60, 48, 1), 48, 60);
    const list = await detector.detect([image, at("folder/b.png")]);
    expect(list.map(({ masks }) => masks?.shape.slice(1))).to.deep.equal([[48, 60], [64, 40]]);
    expect((await detector.detect(image)).masks?.shape.slice(1)).to.deep.equal([48, 60]);
  });

  it("leaves out lower scores and other labels, with their masks", async () => {
    const path = at("folder/a.png");
    const all = await detector.detect(path);
    const [scores, labels] = [numbers(all.scores), numbers(all.labels)];
    const threshold = scores[Math.floor(scores.length / 2)]!;
    const best = await detector.detect(path, { scoreThreshold: threshold });
    expect(numbers(best.scores)).to.deep.equal(scores.filter((score) => score >= threshold));
    expect(best.masks?.shape[0]).to.equal(best.scores.shape[0]);
    const wanted = labels[0]!;
    const ofLabel = await detector.detect(path, { labels: [wanted] });
    expect(numbers(ofLabel.labels)).to.deep.equal(labels.filter((label) => label === wanted));
    const none = await detector.detect(path, { scoreThreshold: 1 });
    expect([none.boxes.shape, none.masks?.shape]).to.deep.equal([[0, 4], [0, 48, 60]]);
  });

  it("gives masks as probabilities", async () => {
    const { masks } = await detector.detect(at("folder/a.png"), { maskThreshold: null });
    expect(masks?.dtype).to.equal("float32");
  });

  it("counts pixels as they are stored, or turns images upright by EXIF", async () => {
    const stored = await detector.detect(at("upside.jpg"));
    expect(stored.masks?.shape.slice(1)).to.deep.equal([40, 60]);
    const upright = await detector.detect(at("upside.jpg"), { exif: "rotate" });
    expect(upright.masks?.shape.slice(1)).to.deep.equal([60, 40]);
  });

  it("yields the images of a folder in order, whatever the batch size", async () => {
    const one = await collect(detector.detectAll(at("folder")));
    expect(one.map(({ path, size }) => [path, ...size])).to.deep.equal([[at("folder/a.png"), 48, 60], [
      at("folder/b.png"),
      64,
      40,
    ], [at("folder/c.png"), 56, 56]]);
    const two = await collect(detector.detectAll(at("folder"), { batchSize: 2 }));
    expect(two.map(({ path }) => path)).to.deep.equal(one.map(({ path }) => path));
    // The last batch has one image, as each of the others had.
    expectEqual(two[2]!.detections, one[2]!.detections);
  });

  it("names a broken file, or yields it with the reason", async () => {
    const { message } = await failureOf("FILE_CORRUPT", () => collect(detector.detectAll(at("broken"))));
    expect(message).to.include(at("broken/b.jpg"));
    for (const batchSize of [1, 2]) {
      const all: (DetectedImage | SkippedImage)[] = await collect(
        detector.detectAll(at("broken"), { onDecodeError: "skip", batchSize }),
      );
      expect(all.map(({ path, reason }) => [path, reason !== undefined])).to.deep.equal([[at("broken/a.png"), false], [
        at("broken/b.jpg"),
        true,
      ], [at("broken/c.png"), false]]);
      expect(all[1]?.reason).to.include("cannot decode the image");
    }
  });

  it("stops at an aborted signal", async () => {
    const controller = new AbortController();
    const seen: string[] = [];
    await failureOf("ABORTED", async () => {
      for await (const { path } of detector.detectAll(at("folder"), { signal: controller.signal })) {
        seen.push(path);
        controller.abort();
      }
    });
    expect(seen).to.deep.equal([at("folder/a.png")]);
    await failureOf("ABORTED", () => collect(detector.detectAll(at("folder"), { signal: controller.signal })));
  });

  it("refuses what is no image, with the way out", async () => {
    const bytes = Tensor.from(new Uint8Array(3 * 8 * 8), [3, 8, 8]);
    await failureOf("DTYPE_MISMATCH", () => detector.detect(bytes));
    await failureOf("INVALID_ARGUMENT", () => detector.detect([]));
    for (const [image, place] of [[[7], "images[0]"], ["", "images[0]"], [[bytes, null], "images[1]"]] as const)
      expect((await failureOf("INVALID_ARGUMENT", () => detector.detect(image as never))).message).to.include(place);
    expect((await failureOf("FILE_UNSUPPORTED", () => detector.detect(at("folder")))).message).to.include("detectAll");
    await failureOf("FILE_UNSUPPORTED", () => detector.detect(at("drawing.svg")));
    await failureOf("FILE_NOT_FOUND", () => detector.detect(at("none.png")));
    await failureOf("FILE_CORRUPT", () => detector.detect(new Uint8Array(9)));
    await failureOf("INVALID_ARGUMENT", () => detector.detect(bytes, { scoreThreshold: 2 }));
    await failureOf("INVALID_ARGUMENT", () => detector.detect(bytes, { labels: [-1] }));
  });

  it("refuses an image of more pixels than it would decode, before it decodes them", async () => {
    const small = await picture(8, 8).jpeg().toBuffer();
    // The frame's header has height and width behind its marker, length and precision.
    const header = small.indexOf(Buffer.of(0xff, 0xc0));
    small.writeUInt16BE(9000, header + 5);
    small.writeUInt16BE(16_000, header + 7);
    const path = at("bomb.jpg");
    await writeFile(path, small);
    expect((await failureOf("FILE_UNSUPPORTED", () => detector.detect(path))).message).to.include("16000×9000");
  });
});
