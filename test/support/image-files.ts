import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import sharp, { type Sharp } from "sharp";

/** Pixels `[height, width, 3]` of gradients that depend on the seed: different at all positions and for all seeds. */
export function gradient(width: number, height: number, seed = 0): Buffer {
  const pixels = Buffer.alloc(3 * width * height);
  for (let y = 0; y < height; ++y) {
    for (let x = 0; x < width; ++x) {
      const at = 3 * (y * width + x);
      pixels[at] = Math.round((255 * x) / Math.max(1, width - 1));
      pixels[at + 1] = Math.round((255 * y) / Math.max(1, height - 1));
      pixels[at + 2] = (97 * seed) % 256;
    }
  }
  return pixels;
}

/** {@link gradient} as an image to be encoded. */
export function picture(width: number, height: number, seed = 0): Sharp {
  return sharp(gradient(width, height, seed), { raw: { width, height, channels: 3 } });
}

/** Writes files below `root`, creating the folders. */
export async function writeFiles(root: string, files: Readonly<Record<string, Uint8Array>>): Promise<void> {
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), bytes);
  }
}

/**
 * Creates a folder in ImageNet's layout: per class, the given number of JPEGs of mixed sizes in `train` and in `val`.
 */
export async function writeImageFolder(root: string,
  classes: Readonly<Record<string, { train: number; val: number }>>): Promise<void> {
  let seed = 0;
  for (const [name, counts] of Object.entries(classes)) {
    for (const split of ["train", "val"] as const) {
      for (let index = 0; index < counts[split]; ++index) {
        ++seed;
        const file = await picture(12 + (seed % 5) * 3, 10 + (seed % 4) * 4, seed).jpeg().toBuffer();
        await writeFiles(root, { [`${split}/${name}/${index}.jpg`]: file });
      }
    }
  }
}

/** Writes the folders `photos`, with two images, and `broken`, in which the second of three cannot be decoded. */
export async function writePhotos(directory: string): Promise<void> {
  await writeFiles(directory, {
    "photos/7.png": await picture(60, 48, 1).png().toBuffer(),
    "photos/more/12.jpg": await picture(48, 64, 2).jpeg().toBuffer(),
    "broken/1.png": await picture(60, 48, 1).png().toBuffer(),
    "broken/2.png": Buffer.from("no image"),
    "broken/3.png": await picture(48, 64, 2).png().toBuffer(),
  });
}
