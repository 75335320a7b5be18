import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import sharp from "sharp";
import { drawDetections, Tensor, type Detections } from "../../../lib/index.js";
import { classColor } from "../../../lib/detection/draw-colors.js";
import { useDirectory } from "../../integration/helpers.js";
import { failureOf } from "../../support/errors.js";
import { picture } from "../../support/image-files.js";

const [WIDTH, HEIGHT] = [120, 90];

function detections(boxes: readonly (readonly number[])[], { labels = boxes.map(() => 1), masks }: {
  labels?: readonly number[];
  masks?: Tensor;
} = {}): Detections {
  return { boxes: Tensor.from(Float32Array.from(boxes.flat()), [boxes.length, 4]),
    scores: Tensor.from(Float32Array.from(boxes, (_, index) => 0.9 - 0.1 * index), [boxes.length]),
    labels: Tensor.from(BigInt64Array.from(labels, BigInt), [boxes.length]), ...(masks !== undefined && { masks }) };
}

async function pixelsOf(encoded: Uint8Array): Promise<{ at(x: number, y: number): number[]; data: Buffer }> {
  const { data, info } = await sharp(encoded).raw().toBuffer({ resolveWithObject: true });
  expect(info.channels).to.equal(3);
  return { data, at: (x, y) => Array.from(data.subarray(3 * (y * info.width + x), 3 * (y * info.width + x) + 3)) };
}

describe("drawing detections", () => {
  const directory = useDirectory();
  let photo: Buffer;
  before(async () => {
    photo = await sharp({ create: { width: WIDTH, height: HEIGHT, channels: 3, background: "#404040" } }).png()
      .toBuffer();
  });

  it("changes nothing without detections", async () => {
    const colorful = await picture(WIDTH, HEIGHT, 3).png().toBuffer();
    const drawn = await drawDetections(colorful, detections([]));
    expect((await pixelsOf(drawn)).data.equals((await pixelsOf(colorful)).data)).to.equal(true);
  });

  it("draws the border of a box in the colour of its class, and nothing within", async () => {
    const drawn = await pixelsOf(await drawDetections(photo, detections([[20, 30, 100, 80]], { labels: [2] })));
    const color = [...classColor(2)];
    for (const [x, y] of [[20, 60], [99, 60], [60, 79]] as const) expect(drawn.at(x, y)).to.deep.equal(color);
    expect(drawn.at(60, 55)).to.deep.equal([64, 64, 64]);
    expect(drawn.at(110, 85)).to.deep.equal([64, 64, 64]);
  });

  it("keeps borders within the picture for boxes that leave it, and leaves out those outside", async () => {
    const drawn = await pixelsOf(await drawDetections(photo, detections([[-50, -50, 500, 500]])));
    const color = [...classColor(1)];
    for (const [x, y] of [[0, 60], [WIDTH - 1, 60], [60, HEIGHT - 1]] as const)
      expect(drawn.at(x, y)).to.deep.equal(color);
    const outside = await drawDetections(photo, detections([[500, 500, 600, 600], [-20, 5, -10, 9]]));
    expect((await pixelsOf(outside)).data.equals((await pixelsOf(photo)).data)).to.equal(true);
  });

  it("writes the name and the score above the box", async () => {
    const [named, numbered] = await Promise.all(
      [{ classNames: [null, "cat"] }, {}].map(async (options) =>
        pixelsOf(await drawDetections(photo, detections([[20, 30, 100, 80]]), options))
      ),
    );
    // The label's background, between the letters' top and its own.
    expect(named!.at(30, 20)).to.deep.equal([...classColor(1)]);
    expect(named!.data.equals(numbered!.data)).to.equal(false);
  });

  it("paints masks, which show through", async () => {
    const mask = new Uint8Array(WIDTH * HEIGHT);
    for (let y = 40; y < 70; ++y) mask.fill(1, y * WIDTH + 30, y * WIDTH + 90);
    const masks = Tensor.from(mask, [1, HEIGHT, WIDTH]);
    const drawn = await pixelsOf(await drawDetections(photo, detections([[20, 30, 100, 80]], { masks })));
    const color = classColor(1);
    expect(drawn.at(60, 55)).to.deep.equal(color.map((value) => Math.round(64 + 0.4 * (value - 64))));
  });

  it("encodes PNG, JPEG and WebP in the size of the image, from a file as well", async () => {
    const path = join(directory.path, "photo.png");
    await writeFile(path, photo);
    for (const format of ["png", "jpeg", "webp"] as const) {
      const info = await sharp(await drawDetections(path, detections([[20, 30, 100, 80]]), { format })).metadata();
      expect(info).to.include({ format, width: WIDTH, height: HEIGHT });
    }
  });

  it("draws into the pixels that were searched: as stored, or upright", async () => {
    const turned = await picture(60, 40, 4).jpeg().withMetadata({ orientation: 6 }).toBuffer();
    const stored = await sharp(await drawDetections(turned, detections([[5, 5, 55, 35]]))).metadata();
    expect([stored.width, stored.height, stored.orientation ?? 1]).to.deep.equal([60, 40, 1]);
    const upright = await sharp(await drawDetections(turned, detections([[5, 5, 35, 55]]), { exif: "rotate" }))
      .metadata();
    expect([upright.width, upright.height]).to.deep.equal([40, 60]);
  });

  it("draws names that are markup as text, and pictures of any size", async () => {
    await drawDetections(photo, detections([[20, 30, 100, 80]]), { classNames: ["", "</text><script>&\u0000"] });
    for (const [width, height] of [[1, 1], [3, 200], [200, 3]] as const) {
      const tiny = await picture(width, height).png().toBuffer();
      expect(await sharp(await drawDetections(tiny, detections([[0, 0, width, height]]))).metadata()).to.include({
        width,
        height,
      });
    }
  });

  it("refuses detections that do not belong together or to the image", async () => {
    const good = detections([[20, 30, 100, 80]]);
    await failureOf("SHAPE_MISMATCH",
      () => drawDetections(photo, { ...good, scores: Tensor.from(new Float32Array(2), [2]) }));
    const masks = Tensor.from(new Uint8Array(8), [1, 2, 4]);
    expect((await failureOf("SHAPE_MISMATCH", () => drawDetections(photo, { ...good, masks }))).message).to.include(
      "expected the image's size 90×120 (height × width), received 2×4",
    );
    const probabilities = Tensor.from(new Float32Array(WIDTH * HEIGHT), [1, HEIGHT, WIDTH]);
    await failureOf("DTYPE_MISMATCH", () => drawDetections(photo, { ...good, masks: probabilities }));
    await failureOf("INVALID_ARGUMENT", () => drawDetections(photo, detections([[0, 0, Number.NaN, 1]])));
    await failureOf("INVALID_ARGUMENT", () => drawDetections(photo, detections(Array(1001).fill([0, 0, 1, 1]))));
    await failureOf("INVALID_ARGUMENT", () => drawDetections(photo, good, { format: "bmp" as never }));
    await failureOf("INVALID_ARGUMENT", () => drawDetections(7 as never, good));
    await failureOf("FILE_CORRUPT", () => drawDetections(new Uint8Array(5), good));
  });
});
