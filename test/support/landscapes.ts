/** Drawn landscapes, and a small classifier of them: pictures that look like something, with borders and textures. */
import sharp, { type Sharp } from "sharp";
import { createModel, type Dataset, fit, loadDataset, type Model } from "../../lib/index.js";
import { writeFiles } from "./image-files.js";

type Draw = (pick: (from: number, to: number) => number, width: number, height: number) => string;

const sky = (top: string, bottom: string): string =>
  `<defs><linearGradient id="sky" x2="0" y2="1"><stop stop-color="${top}"/><stop offset="1" stop-color="${bottom}"/></linearGradient></defs>
  <rect width="100%" height="100%" fill="url(#sky)"/>`;
const ground = (color: string, from: number): string =>
  `<rect y="${from}%" width="100%" height="100%" fill="${color}"/>`;
const repeat = (count: number, draw: () => string): string => Array.from({ length: count }, draw).join("");

const KINDS: Readonly<Record<string, Draw>> = {
  beach: (pick, width, height) =>
    sky("#6db9e8", "#d8eef8") + ground("#2a8fb8", pick(42, 50)) + ground("#ecd9a8", pick(62, 70)) +
    `<circle cx="${pick(15, 85)}%" cy="${pick(12, 25)}%" r="${height / 12}" fill="#fff6c8"/>` +
    repeat(3, () =>
      `<ellipse cx="${pick(0, 100)}%" cy="${pick(48, 60)}%" rx="${width / 9}" ry="${height / 90}" fill="#fff" opacity=".6"/>`),
  desert: (pick, width, height) =>
    sky("#e9b96a", "#f8e3b8") + ground("#c98a4b", pick(55, 62)) +
    repeat(3, () =>
      `<ellipse cx="${pick(0, 100)}%" cy="${pick(72, 100)}%" rx="${width / pick(2, 4)}" ry="${height / 6}" fill="#b87538"/>`),
  forest: (pick, width, height) =>
    sky("#9db8b0", "#dfe8df") + ground("#3c4a2c", 78) +
    repeat(14, () => {
      const [x, y, size] = [pick(0, width), pick(0.75, 0.95) * height, pick(0.25, 0.5) * height];
      return `<path d="M${x} ${y - size}L${x - size / 4} ${y}h${size / 2}z" fill="hsl(${pick(110, 150)} 38% ${pick(18, 32)}%)"/>`;
    }),
  mountains: (pick, width, height) =>
    sky("#7fa8d8", "#e4ecf6") +
    repeat(4, () => {
      const [x, top, foot] = [pick(0, width), pick(0.15, 0.4) * height, width / 3];
      return `<path d="M${x} ${top}L${x - foot} ${height}h${2 * foot}z" fill="hsl(215 14% ${pick(38, 55)}%)"/>
        <path d="M${x} ${top}l${-foot / 5} ${(height - top) / 5}h${(2 * foot) / 5}z" fill="#fff"/>`;
    }),
  night: (pick, width, height) =>
    sky("#0b1230", "#27335e") + ground("#0a0d18", pick(78, 86)) +
    repeat(60,
      () => `<circle cx="${pick(0, 100)}%" cy="${pick(0, 75)}%" r="${(pick(0.5, 1.6) * width) / 400}" fill="#fff"/>`) +
    `<circle cx="${pick(15, 85)}%" cy="${pick(15, 40)}%" r="${height / 14}" fill="#f4f0d8"/>`,
  tulips: (pick, width, height) =>
    sky("#a9d5f0", "#e8f4fa") + ground("#4f8f3a", pick(30, 38)) +
    repeat(50, () =>
      `<ellipse cx="${pick(0, 100)}%" cy="${pick(45, 100)}%" rx="${width / 45}" ry="${height / 24}" fill="hsl(${pick(330, 370)} 85% 52%)"/>`),
};

export const LANDSCAPES: readonly string[] = Object.keys(KINDS);

/** A landscape of a kind: each seed gives another one, the same every time. */
export function landscape(kind: string, seed: number, width: number, height: number): Sharp {
  let state = seed * 7919 + 17;
  const pick = (from: number, to: number): number => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return from + ((to - from) * state) / 2 ** 31;
  };
  for (let skipped = 0; skipped < 3; ++skipped) pick(0, 1);
  const content = KINDS[kind]?.(pick, width, height) ?? "";
  return sharp(
    Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${content}</svg>`),
  )
    .removeAlpha();
}

/** Half a landscape alongside half another, of which a classifier is not sure. */
export async function halves(left: string, right: string, width: number, height: number): Promise<Sharp> {
  const middle = Math.round(width / 2);
  const [one, other] = await Promise.all([landscape(left, 9, middle, height).png().toBuffer(),
    landscape(right, 11, width - middle, height).png().toBuffer()]);
  return sharp({ create: { width, height, channels: 3, background: "black" } })
    .composite([{ input: one, left: 0, top: 0 }, { input: other, left: middle, top: 0 }]);
}

/** Trains a classifier of landscapes, with images of 64 × 64 pixels cut out of a short side of 73. */
export async function trainLandscapes(directory: string): Promise<{ readonly model: Model; readonly data: Dataset }> {
  const counts = { train: 16, val: 4 };
  let seed = 1000;
  for (const kind of LANDSCAPES) {
    for (const [split, count] of Object.entries(counts)) {
      for (let index = 0; index < count; ++index) {
        const file = await landscape(kind, ++seed, 120, 90).jpeg().toBuffer();
        await writeFiles(directory, { [`${split}/${kind}/${index}.jpg`]: file });
      }
    }
  }
  const data = await loadDataset({ kind: "image-folder", root: directory, imageSize: 64, scale: [0.5, 1] });
  const model = await createModel("resnet8", { numClasses: LANDSCAPES.length, seed: 1 });
  const events = fit({ model, data, epochs: 10, batchSize: 16, optimizer: { kind: "sgd", learningRate: 0.05 } });
  while ((await events.next()).done !== true);
  return { model, data };
}
