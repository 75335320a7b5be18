import { writeFile } from "node:fs/promises";

/** Records of COCO's instances: an image of 40×30 with a polygon, and one of 10×8 with a crowd. */
export const IMAGES = [{ id: 7, file_name: "a.jpg", width: 40, height: 30 }, { id: 3, file_name: "b.jpg", width: 10,
  height: 8 }] as const;
export const CATEGORIES = [{ id: 90, name: "toothbrush", supercategory: "indoor" }, { id: 1, name: "person" }] as const;
export const POLYGON = [1.5, 2.25, 11.07, 2.25, 11.07, 12.3] as const;
export const ANNOTATION = { id: 900_100_581_282, image_id: 7, category_id: 90, bbox: [1.5, 2.25, 9.57, 10.05],
  area: 48.09, iscrowd: 0, segmentation: [POLYGON] } as const;
export const CROWD = { id: 2, image_id: 3, category_id: 1, bbox: [0, 0, 5, 8], area: 40, iscrowd: 1,
  segmentation: { size: [8, 10], counts: [0, 40, 40] } } as const;

/** A file's lists, with replacements for some of them. */
export function instances(lists: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ info: { year: 2017 }, images: IMAGES, annotations: [ANNOTATION, CROWD],
    categories: CATEGORIES, ...lists });
}

/** A file with one annotation that differs from {@link ANNOTATION} in some keys. */
export function withAnnotation(changes: Readonly<Record<string, unknown>>): string {
  return instances({ annotations: [{ ...ANNOTATION, ...changes }] });
}

export async function writeInstances(path: string, content: string | Uint8Array = instances()): Promise<string> {
  await writeFile(path, content);
  return path;
}
