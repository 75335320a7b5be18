/** A small data set in Pascal VOC's layout. */
import { picture, writeFiles } from "./image-files.js";

const [WIDTH, HEIGHT] = [64, 48];
const CLASSES = ["cat", "dog"];

function annotationXml(index: number): string {
  const [x, y] = [3 + (5 * index) % 20, 2 + (3 * index) % 12];
  return `<annotation><size><width>${WIDTH}</width><height>${HEIGHT}</height><depth>3</depth></size>
<object><name>${CLASSES[index % 2]}</name><bndbox><xmin>${x}</xmin><ymin>${y}</ymin><xmax>${x + 30}</xmax><ymax>${y + 28}</ymax></bndbox></object></annotation>`;
}

/** Writes photographs of one cat or dog each. */
export async function writeVocFolder(root: string, counts: { train: number; val: number }): Promise<void> {
  let index = 0;
  for (const [set, count] of Object.entries(counts)) {
    const names = Array.from({ length: count }, (_, position) => `${set}-${position}`);
    const files: Record<string, Uint8Array> = { [`ImageSets/Main/${set}.txt`]: Buffer.from(names.join("\n")) };
    for (const name of names) {
      files[`JPEGImages/${name}.jpg`] = await picture(WIDTH, HEIGHT, index).jpeg().toBuffer();
      files[`Annotations/${name}.xml`] = Buffer.from(annotationXml(index++));
    }
    await writeFiles(root, files);
  }
}
