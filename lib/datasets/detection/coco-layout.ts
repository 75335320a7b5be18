import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { CocoSource } from "../../config/schemas/detection/data.js";
import { ReviewKdError } from "../../errors.js";

/** The files of one split. */
export interface CocoSplitPaths {
  /** Folder of the images. */
  readonly images: string;
  /** The JSON file. */
  readonly annotations: string;
}

/** The paths of a split of a source; for `root`, those that its directory has. @throws `FILE_NOT_FOUND` */
export async function resolveCocoPaths(
  { root, images, annotations }: Pick<CocoSource, "root" | "images" | "annotations">,
  split: "train" | "val",
): Promise<CocoSplitPaths> {
  if (root !== undefined) return splitIn(root, `${split}2017`);
  if (images === undefined || annotations === undefined)
    throw new ReviewKdError("INVALID_ARGUMENT",
      "invalid COCO source: expected root, or images and annotations, received neither. Pass the directory of the data set as root.");
  return { images: typeof images === "string" ? images : images[split], annotations: annotations[split] };
}

async function splitIn(root: string, split: string): Promise<CocoSplitPaths> {
  const images = join(root, split);
  const files = [join(root, "annotations", `instances_${split}.json`), join(root, `instances_${split}.json`)];
  const annotations = (await Promise.all(files.map(async (file) => (await exists(file)) ? file : undefined)))
    .find((file) => file !== undefined);
  if (annotations !== undefined && (await exists(images))) return { images, annotations };
  throw new ReviewKdError("FILE_NOT_FOUND",
    `invalid COCO directory ${root}: expected ${split} and annotations/instances_${split}.json, received no ` +
      `${annotations === undefined ? `instances_${split}.json` : split}. Download COCO 2017, or pass images and annotations instead of root.`);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false);
}
