import type { Sharp } from "./load-sharp.js";

type SharpImage = ReturnType<Sharp>;

/**
 * An image upright by its EXIF data, with the colors that its file stores whatever their transparency, as Pillow's
 * convert("RGB") gives them. To be used before an image with transparency is resized: sharp drops alpha last, and
 * resizes colors weighted with it, so that they fade to black where they are transparent.
 */
export async function uprightWithoutAlpha(sharp: Sharp, image: SharpImage): Promise<SharpImage> {
  const { data, info } = await image.autoOrient().removeAlpha().toColourspace("srgb").raw({ depth: "uchar" }).toBuffer({
    resolveWithObject: true,
  });
  const { width, height, channels } = info;
  return sharp(data, { raw: { width, height, channels } });
}
