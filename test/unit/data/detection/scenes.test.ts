import { expect } from "chai";
import type { DetectionAnnotations } from "../../../../lib/index.js";
import { ScenesSource } from "../../../../lib/config/schemas/detection/data.js";
import { openScenes } from "../../../../lib/datasets/detection/scenes.js";
import { decode } from "../../../../lib/detection/masks.js";
import { sumOf, valuesOf } from "../../../support/numeric.js";

const SMALL = { kind: "scenes", trainSamples: 30, testSamples: 5, imageSize: 64, maxObjects: 6 } as const;
const open = async (more: object = {}, split: "train" | "test" = "train") =>
  openScenes(ScenesSource.parse({ ...SMALL, ...more }), split);

/** The mask of an object, row by row. */
async function maskOf(annotations: DetectionAnnotations, image: number, object: number): Promise<number[]> {
  const outline = annotations.of(image).segmentation(object);
  if (outline?.kind !== "rle") throw new Error("expected a mask of run lengths");
  const { size: [height, width], counts } = outline.rle;
  return valuesOf(await decode({ size: [height, width], counts }));
}

describe("scenes", () => {
  it("have one to maxObjects objects in each image, of the first classes", async () => {
    const { annotations } = await open({ numClasses: 2 });
    expect(annotations.categories.map(({ name }) => name)).to.deep.equal(["circle", "square"]);
    const counts = Array.from({ length: 30 }, (_, image) => annotations.of(image).count);
    expect(Math.min(...counts)).to.equal(1);
    expect(Math.max(...counts)).to.be.within(4, 6);
    const labels = new Set(counts.flatMap((_, image) => [...annotations.of(image).categories]));
    expect([...labels]).to.have.members([0, 1]);
  });

  it("have boxes around what is seen of each object, and its area", async () => {
    const { annotations } = await open();
    for (let image = 0; image < 10; ++image) {
      const { count, boxes, areas } = annotations.of(image);
      const seen = new Uint8Array(64 * 64);
      for (let object = 0; object < count; ++object) {
        const mask = await maskOf(annotations, image, object);
        const pixels = mask.flatMap((value, pixel) => (value === 1 ? [pixel] : []));
        const [columns, rows] = [pixels.map((pixel) => pixel % 64), pixels.map((pixel) => Math.floor(pixel / 64))];
        expect([...boxes.subarray(4 * object, 4 * object + 4)]).to.deep.equal([Math.min(...columns), Math.min(...rows),
          Math.max(...columns) + 1, Math.max(...rows) + 1]);
        expect(areas[object]).to.equal(pixels.length);
        for (const pixel of pixels) expect(seen[pixel]!++, "pixels of two objects").to.equal(0);
      }
    }
  });

  it("hide no object: the smallest shape has three fifths of its pixels", async () => {
    const { annotations } = await open();
    // A cross of radius 0.08 · 64 covers 0.9 · 0.3 · 4 · 2 - 0.3² · 4 of the squared radius.
    const smallest = 0.6 * (0.9 * 0.3 * 8 - 0.36) * (0.08 * 64) ** 2;
    for (let image = 0; image < 30; ++image) {
      // A border of half a pixel more or less: a third of so small a shape.
      for (const area of annotations.of(image).areas) expect(area).to.be.above(smallest / 1.5);
    }
  });

  it("follow from seed, split and index, whatever their number is", async () => {
    const imageOf = async (more: object = {}, split: "train" | "test" = "train") => {
      const { annotations, reader } = await open(more, split);
      const { pixels } = (await reader.read(2))!;
      return { pixels: Buffer.from(pixels).toString("base64"), boxes: [...annotations.of(2).boxes] };
    };
    const image = await imageOf();
    expect(await imageOf()).to.deep.equal(image);
    expect(await imageOf({ trainSamples: 3 })).to.deep.equal(image);
    for (const other of [await imageOf({ seed: 1 }), await imageOf({}, "test"), await imageOf({ seed: 2 ** 40 })]) {
      expect(other.pixels).to.not.equal(image.pixels);
      expect(other.boxes).to.not.deep.equal(image.boxes);
    }
  });

  it("show objects in another color than the background", async () => {
    const { annotations, reader } = await open({ maxObjects: 1 });
    const { pixels, height, width } = (await reader.read(0))!;
    expect([height, width, pixels.length]).to.deep.equal([64, 64, 3 * 64 * 64]);
    const mask = await maskOf(annotations, 0, 0);
    const inside = sumOf(mask);
    const mean = (value: number, channel: number): number =>
      sumOf(mask.map((owner, pixel) => (owner === value ? pixels[3 * pixel + channel]! : 0))) /
      (value === 1 ? inside : 4096 - inside);
    const distance = Math.hypot(...[0, 1, 2].map((channel) => mean(1, channel) - mean(0, channel)));
    // Colors are 100 apart; the slope of light, noise and bounds of bytes take a part of it.
    expect(distance).to.be.above(50);
  });

  it("refuse settings beyond their range", () => {
    for (const wrong of [{ numClasses: 7 }, { numClasses: 0 }, { imageSize: 31 }, { imageSize: 1025 }, {
      maxObjects: 0,
    }, { trainSamples: 0 }, { seed: -1 }, { trainSizes: [] }, { colors: 3 }])
      expect(ScenesSource.safeParse({ ...SMALL, ...wrong }).success, JSON.stringify(wrong)).to.equal(false);
  });
});
