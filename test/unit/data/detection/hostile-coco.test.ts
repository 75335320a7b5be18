// Untrusted annotation files: each has its error, and none costs memory beyond its content.
import { mkdir, open } from "node:fs/promises";
import { expect } from "chai";
import { readCocoAnnotations } from "../../../../lib/datasets/detection/read-coco.js";
import type { ErrorCode } from "../../../../lib/index.js";
import { failureOf } from "../../../support/errors.js";
import { scratchDirectory } from "../../lib/small-run.js";
import { ANNOTATION, CATEGORIES, CROWD, IMAGES, instances, withAnnotation, writeInstances } from "./coco-files.js";

const scratch = scratchDirectory();

type Hostile = readonly [what: string, code: ErrorCode, content: string | Uint8Array, says: string];

const image = (changes: object): string => instances({ images: [{ ...IMAGES[0], ...changes }, IMAGES[1]] });
const rle = (size: unknown, counts: unknown): string =>
  instances({ annotations: [{ ...CROWD, segmentation: { size, counts } }] });
/** A file whose text has a number where JSON.stringify would write another. */
const numeral = (text: string, from: string, to: string): string => text.replace(from, to);

const FILES: readonly Hostile[] = [
  ["an empty file", "FILE_CORRUPT", "", "an empty file"],
  ["spaces alone", "FILE_CORRUPT", "  \n", "expected the rest of the JSON text, received the end of the file"],
  ["text", "FILE_CORRUPT", "no JSON", "at byte 0 of"],
  ["half of a file", "FILE_CORRUPT", instances().slice(0, 300), "received the end of the file"],
  ["a pointer of Git LFS", "FILE_UNSUPPORTED", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
    "git lfs pull"],
  ["an error page", "FILE_UNSUPPORTED", "\n<!DOCTYPE html><title>404</title>", "received HTML or XML"],
  ["a list of detections", "FILE_UNSUPPORTED", JSON.stringify([ANNOTATION]), "received a list"],
  ["UTF-16 with a mark", "FILE_UNSUPPORTED", Buffer.from(`\uFEFF${instances()}`, "utf16le"), "Save it as UTF-8"],
  ["UTF-16 without a mark", "FILE_UNSUPPORTED", Buffer.from(instances(), "utf16le"), "Save it as UTF-8"],
  ["zeros", "FILE_UNSUPPORTED", new Uint8Array(100), "received binary data"],
  ["gzip", "FILE_UNSUPPORTED", Uint8Array.of(0x1f, 0x8b, 8, 0), "Decompress it first"],
  ["captions, which have no categories", "FILE_UNSUPPORTED", '{"images":[],"annotations":[]}',
    "received no categories"],
  ["another dictionary", "FILE_UNSUPPORTED", "{}", "received no images, no annotations, no categories"],
  ["a duplicate list", "FILE_CORRUPT", `${instances().slice(0, -1)},"images":[]}`,
    "one list images, received a second one"],
  ["a list that is an object", "FILE_CORRUPT", instances({ images: { 7: IMAGES[0] } }),
    'a list of images, received "{"'],
  ["annotations that are numbers", "FILE_CORRUPT", instances({ annotations: [1] }), "expected an object, received 1"],
  ["an annotation that is null", "FILE_CORRUPT", instances({ annotations: [null] }),
    "expected an object, received null"],
  ["a nesting of 100,000 lists", "FILE_UNSUPPORTED",
    withAnnotation({ segmentation: 0 }).replace('"segmentation":0', `"segmentation":${"[".repeat(100_000)}`),
    "at most 32 levels of brackets"],
  ["a nesting of 100,000 objects in a key that is skipped", "FILE_UNSUPPORTED", `{"info":${'{"a":'.repeat(100_000)}`,
    "at most 32 levels"],
  ["an annotation of five megabytes", "FILE_UNSUPPORTED", withAnnotation({ caption: "x".repeat(5e6) }),
    "a record of at most 4194304 bytes"],
  ["a key of a megabyte", "FILE_UNSUPPORTED", `{"${"k".repeat(1e6)}":1}`, "a key of at most 4096 bytes"],
  ["an id that is missing", "FILE_CORRUPT", withAnnotation({ id: undefined }), "invalid id of annotation at byte"],
  ["an id that is a string", "FILE_CORRUPT", withAnnotation({ id: "1" }), 'expected a whole number, received "1"'],
  ["an id above 2^53", "FILE_CORRUPT", withAnnotation({ id: 2 ** 60 }),
    "expected a whole number, received 1152921504606847000"],
  ["an id only under __proto__", "FILE_CORRUPT",
    withAnnotation({ id: undefined }).replace('{"image_id"', '{"__proto__":{"id":1},"image_id"'),
    "invalid id of annotation"],
  ["a box that is a string", "FILE_CORRUPT", withAnnotation({ bbox: "1,2,3,4" }),
    'expected [x, y, width, height], received "1,2,3,4"'],
  ["a box of three numbers", "FILE_CORRUPT", withAnnotation({ bbox: [1, 2, 3] }), "received an array of 3 elements"],
  ["a box with a string", "FILE_CORRUPT", withAnnotation({ bbox: [1, "2", 3, 4] }),
    "invalid bbox[1] of annotation 900100581282 of image 7 at byte"],
  ["a box with null", "FILE_CORRUPT", withAnnotation({ bbox: [1, 2, null, 4] }), "invalid bbox[2]"],
  ["a box with NaN", "FILE_CORRUPT", numeral(withAnnotation({ bbox: [1, 2, 33, 4] }), ",33,", ",NaN,"),
    "expected a value in JSON"],
  ["a box with 1e999", "FILE_CORRUPT", numeral(withAnnotation({ bbox: [1, 2, 33, 4] }), ",33,", ",1e999,"),
    "expected a finite number, received Infinity"],
  ["a number of a million digits", "FILE_CORRUPT",
    numeral(withAnnotation({ bbox: [1, 2, 33, 4] }), ",33,", `,${"9".repeat(1e6)},`), "received Infinity"],
  ["a box a billion pixels wide", "FILE_CORRUPT", withAnnotation({ bbox: [1, 2, 1e9, 4] }),
    "numbers up to 1000000, received 1000000000"],
  ["a negative width", "FILE_CORRUPT", withAnnotation({ bbox: [5, 5, -3, 4] }),
    "with an area within the image of 40×30, sides of at least 1/128 pixel, received 5, 5, -3, 4"],
  ["a box outside of its image", "FILE_CORRUPT", withAnnotation({ bbox: [50, 5, 3, 4] }), 'invalidBoxes: "drop"'],
  ["a negative area", "FILE_CORRUPT", withAnnotation({ area: -1 }), "expected a number from 0, received -1"],
  ["a crowd flag of 2", "FILE_CORRUPT", withAnnotation({ iscrowd: 2 }), "invalid iscrowd"],
  ["a polygon of five numbers", "FILE_CORRUPT", withAnnotation({ segmentation: [[1, 2, 3, 4, 5]] }),
    "invalid polygon 0 of annotation 900100581282 of image 7 at byte"],
  ["a polygon of four numbers", "FILE_CORRUPT", withAnnotation({ segmentation: [[1, 2, 3, 4]] }),
    "at least 6 numbers, received 4"],
  ["a polygon with a string", "FILE_CORRUPT", withAnnotation({ segmentation: [[1, 2, 3, 4, 5, "6"]] }),
    'at [5], received "6"'],
  ["a polygon of lists", "FILE_CORRUPT", withAnnotation({ segmentation: [[[1, 2], [3, 4], [5, 6]]] }),
    "received an array of 2 elements"],
  ["a polygon that lies far away", "FILE_CORRUPT", withAnnotation({ segmentation: [[0, 0, 1e9, 0, 0, 1]] }),
    "received 1000000000"],
  ["a polygon without its list", "FILE_CORRUPT", withAnnotation({ segmentation: [1, 2, 3, 4, 5, 6] }),
    "expected polygons [["],
  ["an outline that is a string", "FILE_CORRUPT", withAnnotation({ segmentation: "mask.png" }), "expected polygons [["],
  ["a mask without runs", "FILE_CORRUPT", withAnnotation({ segmentation: { size: [30, 40] } }), "received an object"],
  ["a mask longer than its image", "FILE_CORRUPT", rle([8, 10], [0, 40, 41]),
    "runs of 80 pixels in total for 8×10, received 81"],
  ["a mask shorter than its image", "FILE_CORRUPT", rle([8, 10], [0, 40]), "received 40"],
  ["a mask of another size", "FILE_CORRUPT", rle([10, 8], [0, 40, 40]), "8×10, received 10×8"],
  ["a mask of a billion by a billion", "FILE_CORRUPT", rle([1e9, 1e9], [1e15]),
    "a height and a width up to 65535, received 1000000000"],
  ["a mask whose height has 33 bits", "FILE_CORRUPT", rle([2 ** 32 + 8, 10], [10 * (2 ** 32 + 8)]),
    "received 4294967304"],
  ["a negative run", "FILE_CORRUPT", rle([8, 10], [90, -10]), "the run -10"],
  ["a run that is a string", "FILE_CORRUPT", rle([8, 10], ["80"]), "the run 80"],
  ["a size that is a number", "FILE_CORRUPT", rle(80, [80]), "a height and a width up to 65535, received 80"],
  ["a string of runs with other characters", "FILE_CORRUPT", rle([8, 10], "0X\u00e9"), "received other characters"],
  ["a string of runs that is cut off", "FILE_CORRUPT", rle([8, 10], "0X1X"), "received an incomplete string"],
  ["a string with an endless run", "FILE_CORRUPT", rle([8, 10], "o".repeat(1000)), "received a longer run"],
  ["a string with a negative run", "FILE_CORRUPT", rle([8, 10], "O"), "received a negative run"],
  ["a duplicate annotation id", "FILE_CORRUPT", instances({ annotations: [ANNOTATION, CROWD, CROWD] }),
    "invalid id of annotation 2 of image 3 at byte"],
  ["a duplicate image id", "FILE_CORRUPT", instances({ images: [...IMAGES, IMAGES[1]] }),
    "one image of each id, received 3"],
  ["a duplicate category id", "FILE_CORRUPT", instances({ categories: [...CATEGORIES, CATEGORIES[1]] }),
    "one category of each id, received 1"],
  ["an unknown category", "FILE_CORRUPT", withAnnotation({ category_id: 2 }),
    "expected the id of a category, received 2"],
  ["an unknown image", "FILE_CORRUPT", withAnnotation({ image_id: 8 }), "expected the id of an image, received 8"],
  ["an image without a width", "FILE_CORRUPT", image({ width: undefined }), "invalid width of image 7 at byte"],
  ["an image of height 0", "FILE_CORRUPT", image({ height: 0 }), "a whole number from 1 to 65535, received 0"],
  ["an image of 10^9 pixels' width", "FILE_CORRUPT", image({ width: 1e9 }), "received 1000000000"],
  ["an image of 60,000 by 60,000", "FILE_CORRUPT", image({ width: 60_000, height: 60_000 }), "received 60000×60000"],
  ["an image without a name", "FILE_CORRUPT", image({ file_name: "" }), "invalid file_name"],
  ["a name that leaves the folder", "FILE_CORRUPT", image({ file_name: "x/../../../etc/passwd" }),
    "a path within the folder"],
  ["an absolute name", "FILE_CORRUPT", image({ file_name: "C:\\x.jpg" }), "a path within the folder"],
  ["a name with a zero byte", "FILE_CORRUPT", image({ file_name: "a\0.jpg" }), "a path within the folder"],
  ["a category with a name of 2,000 characters", "FILE_CORRUPT",
    instances({ categories: [{ id: 1, name: "x".repeat(2000) }] }), "a name of 1 to 1024 characters"],
  ["a category without a name", "FILE_CORRUPT", instances({ categories: [{ id: 1 }] }), "invalid name of category 1"],
  ["70,000 categories", "FILE_CORRUPT",
    instances({ categories: Array.from({ length: 70_000 }, (_, id) => ({ id, name: "x" })) }),
    "at most 4096 categories"],
  ["a reference to itself", "FILE_CORRUPT", instances({ annotations: [{ $ref: "#/annotations/0" }] }),
    "invalid id of annotation"],
];

describe("untrusted COCO annotations", () => {
  for (const [what, code, content, says] of FILES) {
    it(`refuses ${what}`, async () => {
      const path = await writeInstances(scratch("f.json"), content);
      const { message } = await failureOf(code, () => readCocoAnnotations(path));
      expect(message).to.include(says).and.include(path);
      expect(message, "a short message with a fix").to.match(/^[^.].{20,600}\.$/s);
    });
  }

  it("refuses paths that are none", async () => {
    for (const path of ["", "a\0b", 7, undefined]) {
      const { message } = await failureOf("INVALID_ARGUMENT", () => readCocoAnnotations(path as string));
      expect(message).to.include("invalid path of the annotations: expected a");
    }
  });

  it("refuses a directory, and a path that does not exist", async () => {
    await mkdir(scratch("directory"));
    expect((await failureOf("FILE_UNSUPPORTED", () => readCocoAnnotations(scratch("directory")))).message).to.include(
      "received a directory",
    );
    await failureOf("FILE_NOT_FOUND", () => readCocoAnnotations(scratch("none.json")));
  });

  it("refuses a file beyond 4 GiB before it reads any", async () => {
    const file = await open(scratch("f.json"), "w");
    await file.truncate(2 ** 32 + 1);
    await file.close();
    expect((await failureOf("FILE_UNSUPPORTED", () => readCocoAnnotations(scratch("f.json")))).message).to.include(
      "expected at most 4294967296 bytes, received 4294967297. Split the file.",
    );
  });

  it("takes the last of duplicate keys, like JSON.parse", async () => {
    const path = await writeInstances(scratch("f.json"),
      withAnnotation({}).replace('"area":48.09', '"area":1,"area":2'));
    expect([...(await readCocoAnnotations(path)).of(0).areas]).to.deep.equal([2]);
  });

  it("finds ids of any pattern in constant time", async () => {
    // Multiples of 2^32 are equal in their lower half, and of 2^20 in every table of up to a million slots.
    for (const step of [1, 2 ** 20, 2 ** 32]) {
      const annotations = Array.from({ length: 20_000 }, (_, i) => ({ ...CROWD, segmentation: [], id: i * step }));
      const path = await writeInstances(scratch("f.json"), instances({ annotations }));
      expect((await readCocoAnnotations(path)).count).to.equal(20_000);
    }
  });

  it("reads no more of a gigantic element than its limit", async () => {
    // 256 MB with little on the disk: zeros are no JSON, but within a string they are only found when it is complete.
    const path = scratch("f.json");
    const file = await open(path, "w");
    await file.write('{"images":[{"file_name":"');
    await file.truncate(256e6);
    await file.close();
    const before = process.resourceUsage().maxRSS;
    await failureOf("FILE_UNSUPPORTED", () => readCocoAnnotations(path));
    // The limit of 4 MiB, the stream's buffers and what the garbage collector has not returned yet.
    expect(process.resourceUsage().maxRSS - before).to.be.below(64 * 1024);
  });
});
