// Picture files of the kinds that users drop: each needs something else of the page.
import sharp, { type Sharp } from "sharp";
import { halves, landscape } from "../../../test/support/landscapes.js";

/** Where pictures are transparent, the networks of the package see the colors that the file stores. */
async function transparent(width: number, height: number): Promise<Sharp> {
  const picture = await halves("night", "mountains", width, height);
  const alpha = Buffer.alloc(width * height);
  for (let at = 0; at < alpha.length; ++at) alpha[at] = at % width < width / 3 ? 0 : (at * 7) % 256;
  return sharp(await picture.removeAlpha().raw().toBuffer(), { raw: { width, height, channels: 3 } })
    .joinChannel(alpha, { raw: { width, height, channels: 1 } });
}

/** Two landscapes in one are between classes, where small differences count. */
export const PICTURES: Readonly<Record<string, () => Promise<Sharp>>> = {
  "beach-and-tulips.jpg": async () => (await halves("beach", "tulips", 1600, 1000)).jpeg(),
  "mountains-and-beach.jpg": async () => (await halves("mountains", "beach", 1201, 803)).jpeg(),
  // More than browsers take at a time.
  "large.jpg": async () => (await halves("forest", "mountains", 5000, 3700)).jpeg(),
  "turned.jpg": async () => (await halves("mountains", "beach", 480, 640)).jpeg().withMetadata({ orientation: 6 }),
  "other-colors.jpg": async () => (await halves("beach", "desert", 500, 500)).withIccProfile("p3").jpeg(),
  "grey.jpg": async () => (await halves("forest", "tulips", 300, 500)).greyscale().jpeg(),
  "transparent.png": async () => (await transparent(400, 300)).png(),
  "lossy.webp": async () => (await halves("beach", "desert", 150, 120)).webp(),
  // Smaller than the network's input, and as large.
  "small.png": async () => (await halves("forest", "tulips", 40, 30)).png(),
  "same.png": async () => (await halves("forest", "tulips", 64, 64)).png(),
  "night.png": () => Promise.resolve(landscape("night", 5, 300, 200).png()),
};

/**
 * The JPEGs among them of at least four times the size that networks of 64 pixels see: sharp has libjpeg reduce these
 * while it decodes them, unless it has to turn them upright first.
 */
export const REDUCED: ReadonlySet<string> = new Set(["beach-and-tulips.jpg", "mountains-and-beach.jpg", "large.jpg",
  "other-colors.jpg", "grey.jpg"]);
