// A generated file of COCO instances with the size and the proportions of instances_train2017.json.
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { finished } from "node:stream/promises";

/** The published train2017: 118,287 images, 860,001 annotations, 80 categories, 470 MB. */
export const TRAIN2017 = { images: 118_287, annotations: 860_001, categories: 80 };

/** Numbers of a polygon: between these, drawn so that the file has the size of the published one. */
const POLYGON_NUMBERS = [12, 82];
const CROWD_SHARE = 0.012;
/** Characters collected before a write. */
const BLOCK = 2 ** 20;

/** Uniform numbers in [0, 1) from a linear congruential generator: the same file in each run. */
function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const rounded = (value) => Math.round(100 * value) / 100;

function* images(count, random) {
  for (let id = 1; id <= count; ++id) {
    const name = String(id).padStart(12, "0");
    const [width, height] = random() < 0.7 ? [640, 480] : [427, 640];
    yield {
      license: 1 + (id % 8),
      file_name: `${name}.jpg`,
      coco_url: `http://images.example.org/train2017/${name}.jpg`,
      height,
      width,
      date_captured: "2013-11-14 11:18:45",
      flickr_url: `http://farm1.staticflickr.example.org/123/${name}_${id}_z.jpg`,
      id,
    };
  }
}

function* annotations({ images: imageCount, annotations: count, categories }, random) {
  const [fewest, most] = POLYGON_NUMBERS;
  for (let index = 0; index < count; ++index) {
    const [x, y] = [rounded(200 * random()), rounded(200 * random())];
    const [width, height] = [rounded(2 + 200 * random()), rounded(2 + 200 * random())];
    const imageId = 1 + Math.floor(imageCount * random());
    const crowd = random() < CROWD_SHARE;
    const numbers = 2 * Math.round((fewest + (most - fewest) * random()) / 2);
    const polygon = Array.from({ length: numbers }, (_, i) =>
      rounded(i % 2 === 0 ? x + width * random() : y + height * random()));
    yield {
      // The first image is the upright or wide one of its id; both hold 400 by 400 pixels.
      segmentation: crowd ? undefined : [polygon],
      area: rounded(width * height * 0.6),
      iscrowd: Number(crowd),
      image_id: imageId,
      bbox: [x, y, width, height],
      category_id: 1 + Math.floor(categories * random()),
      id: 1 + ((index * 7919) % count),
    };
  }
}

/** Writes the file and returns its size in bytes. */
export async function writeCocoFile(path, counts = TRAIN2017) {
  const random = uniform(1);
  const out = createWriteStream(path);
  let block = "";
  const write = async (text) => {
    block += text;
    if (block.length < BLOCK) return;
    if (!out.write(block)) await once(out, "drain");
    block = "";
  };
  const list = async (name, items) => {
    await write(`"${name}":[`);
    let separator = "";
    for (const item of items) {
      await write(separator + JSON.stringify(item));
      separator = ",";
    }
    await write("]");
  };
  await write('{"info":{"description":"generated","year":2017},"licenses":[{"id":1,"name":"none"}],');
  await list("images", images(counts.images, random));
  await write(",");
  await list("annotations", annotations(counts, random));
  await write(",");
  await list("categories",
    Array.from({ length: counts.categories },
      (_, index) => ({ supercategory: "thing", id: index + 1, name: `class ${index + 1}` })));
  out.end(`${block}}`);
  await finished(out);
  return (await stat(path)).size;
}
