/** A small data set in COCO's layout. */
import { picture, writeFiles } from "./image-files.js";

const SIDES = [[48, 40], [40, 48], [56, 48]] as const;
const CATEGORIES = [{ id: 3, name: "cup" }, { id: 8, name: "fork" }];

/** A split: an octagon, a rectangle and, in every third image, a crowd. */
async function splitOf(name: "train" | "val", count: number): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  const images: object[] = [];
  const annotations: object[] = [];
  const annotate = (image: number, fields: object): void => {
    annotations.push({ id: annotations.length + 1, image_id: image, iscrowd: 0, ...fields });
  };
  for (let index = 0; index < count; ++index) {
    const [width, height] = SIDES[index % SIDES.length]!;
    const id = 7 * index + 1;
    images.push({ id, file_name: `${id}.png`, width, height });
    files[`${name}2017/${id}.png`] = await picture(width, height, index + (name === "val" ? 100 : 0)).png().toBuffer();
    const [x, y] = [2 + (5 * index) % 11, 3 + (3 * index) % 7];
    annotate(id, { category_id: 3, bbox: [x, y, 20, 18], area: 300,
      segmentation: [[x + 5, y, x + 15, y, x + 20, y + 5, x + 20, y + 13, x + 15, y + 18, x + 5, y + 18, x, y + 13, x,
        y + 5]] });
    annotate(id, { category_id: 8, bbox: [20, 16, 15, 20], area: 300,
      segmentation: [[20, 16, 35, 16, 35, 36, 20, 36]] });
    if (index % 3 !== 0) continue;
    annotate(id, { category_id: 3, bbox: [0, 0, 5, height], area: 5 * height, iscrowd: 1,
      segmentation: { size: [height, width], counts: [0, 5 * height, (width - 5) * height] } });
  }
  files[`annotations/instances_${name}2017.json`] = Buffer.from(
    JSON.stringify({ images, annotations, categories: CATEGORIES }),
  );
  return files;
}

/** Writes a data set with polygons, crowds and images of several sizes. */
export async function writeCocoFolder(root: string, counts: { train: number; val: number }): Promise<void> {
  await writeFiles(root, await splitOf("train", counts.train));
  await writeFiles(root, await splitOf("val", counts.val));
}
