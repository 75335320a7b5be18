import { readdir, readFile, stat } from "node:fs/promises";
import { join, parse as parsePath } from "node:path";
import { throwIfAborted } from "../../../api/abort.js";
import { assertObject, parse } from "../../../config/validation.js";
import { FilePath } from "../../../config/file-path.js";
import { ReadVocOptions as Options, type ReadVocOptionsInput,
  type VocSet } from "../../../config/schemas/detection/data.js";
import { atCall, causedBy, isMissing, isReviewKdError, ReviewKdError } from "../../../errors.js";
import { typeByName } from "../../../images/image-types.js";
import { loadSharp, type Sharp } from "../../../images/load-sharp.js";
import { mapInOrder } from "../../../images/map-in-order.js";
import { isHidden } from "../../../images/walk-images.js";
import type { DetectionAnnotations } from "../annotations.js";
import { AnnotationsBuilder } from "../annotations-builder.js";
import { RecordSource } from "../record-source.js";
import { decodeObjectMasks, type ObjectMask } from "./voc-masks.js";
import { LARGEST_XML, parseVocXml, type VocImage } from "./voc-xml.js";

/** Progress of {@link readVocAnnotations}. */
export interface VocProgress {
  readonly images: number;
  readonly totalImages: number;
}

/** Options of {@link readVocAnnotations}. */
export interface ReadVocOptions extends ReadVocOptionsInput {
  /** Stops reading. */
  readonly signal?: AbortSignal | undefined;
  /** Called at most every 100 ms, and at the end. */
  readonly onProgress?: ((progress: VocProgress) => void) | undefined;
}

/** An image of the set, with its annotation files. */
interface ListedImage {
  readonly fileName: string;
  readonly xml: string;
  readonly masks: string;
}

/** The content of an image's annotation files. */
interface ReadImage extends VocImage {
  /** By object; undefined for one without pixels. Absent unless masks are read. */
  readonly masks?: readonly (ObjectMask | undefined)[];
}

const LAYOUT =
  "Annotations/NAME.xml, JPEGImages/NAME.jpg and ImageSets/Main/SET.txt, with masks also SegmentationObject/NAME.png and ImageSets/Segmentation/SET.txt";
/** Images whose files are read at a time: sharp decodes as many. */
const WIDTH = 4;
const PROGRESS_MS = 100;
const NAMES_SHOWN = 20;
/** Bytes of a mask file, a hundred times those of VOC. */
const LARGEST_MASKS = 2 ** 22;
/** Bytes of a list of names: a million names. */
const LARGEST_LIST = 2 ** 24;

/**
 * Reads an image set in the layout of Pascal VOC. Boxes become x1, y1, x2, y2 from 0, without the last pixel's extra 1:
 * xmin − 1, ymin − 1, xmax, ymax. Category ids count from 1 in the order of the classes, image ids from 1 in the order
 * of the set, whose file names are relative to `JPEGImages`.
 *
 * With `masks`, the images are those of `ImageSets/Segmentation`, and an object's area is that of its mask. Masks are
 * decoded by sharp, an optional peer dependency, and kept as run lengths.
 *
 * @throws ReviewKdError `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT` (with file and object), `FILE_UNSUPPORTED`,
 * `ABORTED`, `INVALID_ARGUMENT`, `DEPENDENCY_MISSING` (masks require sharp)
 *
 * @example
 * ```ts
 * const train = await readVocAnnotations("VOCdevkit/VOC2012", { set: "train" });
 * const classNames = train.categories.map(({ name }) => name);
 * const val = await readVocAnnotations("VOCdevkit/VOC2012", { set: "val", classNames });
 * ```
 */
export async function readVocAnnotations(root: string, options: ReadVocOptions = {}): Promise<DetectionAnnotations> {
  return atCall(readAnnotations(root, options));
}

async function readAnnotations(root: string, options: ReadVocOptions): Promise<DetectionAnnotations> {
  assertObject(options, "options of readVocAnnotations");
  const { signal, onProgress, ...rest } = options;
  throwIfAborted(signal, "reading annotations");
  const { set, classNames, invalidBoxes, masks } = parse(Options, rest, "options of readVocAnnotations");
  const listed = await listSet(parse(FilePath, root, "directory of the annotations"), set, masks);
  const source = new RecordSource("FILE_CORRUPT", (position) => `in ${listed[position]?.xml ?? root}`,
    "Correct the file.");
  const sharp = masks ? await loadSharp() : undefined;
  const images: ReadImage[] = [];
  let reported = performance.now();
  const read = (position: number): Promise<ReadImage> =>
    readImage(listed[position] as ListedImage, { position, source, sharp });
  for await (const image of mapInOrder(listed.keys(), WIDTH, read)) {
    if (signal?.aborted === true)
      throw new ReviewKdError("ABORTED", `reading ${root} was stopped by its signal.`, { cause: signal.reason });
    images.push(image);
    if (performance.now() - reported < PROGRESS_MS && images.length < listed.length) continue;
    reported = performance.now();
    onProgress?.({ images: images.length, totalImages: listed.length });
  }
  return build(listed, images, new AnnotationsBuilder(source, invalidBoxes), { source, classNames });
}

async function readImage({ xml, masks: path }: ListedImage,
  { position, source, sharp }: { position: number; source: RecordSource; sharp: Sharp | undefined }
): Promise<
  ReadImage
> {
  const image = parseVocXml(await readWhole(xml, LARGEST_XML), xml, position, source);
  if (sharp === undefined) return image;
  const { width, height, objects } = image;
  const file = await readWhole(path, LARGEST_MASKS);
  return { ...image, masks: await decodeObjectMasks(sharp, file, { path, xml, width, height, count: objects.length }) };
}

function build(listed: readonly ListedImage[], images: readonly ReadImage[], builder: AnnotationsBuilder,
  { source, classNames }: { source: RecordSource; classNames: string[] | undefined }): Promise<DetectionAnnotations> {
  const names = classNames?.map((name) => name.normalize("NFC")) ?? namesIn(images);
  const ids = new Map(names.map((name, index) => [name, index + 1]));
  for (const [index, name] of names.entries()) builder.addCategory({ id: index + 1, name }, index);
  for (const [position, { width, height, objects, masks }] of images.entries()) {
    const { fileName } = listed[position] as ListedImage;
    builder.addImage({ id: position + 1, fileName, width, height }, position);
    for (const [index, { name, box, difficult }] of objects.entries()) {
      const categoryId = ids.get(name);
      if (categoryId === undefined) {
        const unknown = namesIn(images).filter((found) => !ids.has(found)).slice(0, NAMES_SHOWN);
        return source.fail("name", { what: "object", id: index + 1, position }, `one of ${names.join(", ")}`, name,
          `Pass classNames with all classes of both sets, or correct the files. Not among them: ${unknown.join(", ")}.`);
      }
      const mask = masks?.[index];
      builder.addAnnotation({ id: builder.annotationCount + 1, imageId: position + 1, categoryId, box, crowd: false,
        difficult, area: mask?.area, outline: masks === undefined ? undefined
          : mask === undefined ? "missing" : { kind: "rle", characters: mask.characters, height, width } }, position);
    }
  }
  return builder.finish();
}

/** The names of all classes, sorted. */
function namesIn(images: readonly ReadImage[]): string[] {
  return [...new Set(images.flatMap(({ objects }) => objects.map(({ name }) => name)))].sort();
}

/** The path of an image set. */
export function vocSetPath(root: string, set: VocSet, masks: boolean): string {
  return join(root, "ImageSets", masks ? "Segmentation" : "Main", `${set}.txt`);
}

/**
 * The files of the images by their names without ending, in Unicode's composed form. Programs that label images write
 * files of other types next to them.
 */
async function imagesByName(root: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  const entries = await withFileErrors(root, () => readdir(join(root, "JPEGImages"), { withFileTypes: true }));
  for (const entry of entries) {
    const type = entry.isDirectory() || isHidden(entry.name) ? "other" : typeByName(entry.name);
    const name = parsePath(entry.name).name.normalize("NFC");
    if (type === "decoded" || (type === "undecoded" && !files.has(name))) files.set(name, entry.name);
  }
  return files;
}

/** The images of a set, with the files that exist for them. */
async function listSet(root: string, set: VocSet, masks: boolean): Promise<ListedImage[]> {
  const path = vocSetPath(root, set, masks);
  const lines = (await readWhole(path, LARGEST_LIST)).toString("utf8").split(/\r?\n/);
  // Sets of one class have a second column.
  const names = lines.map((line) => line.trim().split(/\s+/, 1)[0] ?? "").filter((name) => name !== "");
  const files = await imagesByName(root);
  const seen = new Set<string>();
  return names.map((name) => {
    const fileName = files.get(name.normalize("NFC"));
    if (fileName === undefined) {
      throw new ReviewKdError("FILE_NOT_FOUND",
        `invalid name in ${path}: expected one of the images in JPEGImages${files.has(parsePath(name).name) ? " without its ending" : ""}, received ${JSON.stringify(name.slice(0, 60))}. Arrange the files as ${LAYOUT}.`);
    }
    if (seen.has(name)) {
      throw new ReviewKdError("FILE_CORRUPT",
        `invalid name in ${path}: expected each image once, received ${name} twice. Remove one of the lines.`);
    }
    seen.add(name);
    return { fileName, xml: join(root, "Annotations", `${name}.xml`),
      masks: join(root, "SegmentationObject", `${name}.png`) };
  });
}

/** The bytes of a file that is no larger than `limit`. */
async function readWhole(path: string, limit: number): Promise<Buffer> {
  return withFileErrors(path, async () => {
    const found = await stat(path);
    if (!found.isFile() || found.size > limit) {
      throw new ReviewKdError("FILE_UNSUPPORTED",
        `invalid annotations ${path}: expected a file of at most ${limit} bytes, received ` +
          `${found.isFile() ? found.size : "something else"}. Arrange the files as ${LAYOUT}.`);
    }
    return readFile(path);
  });
}

async function withFileErrors<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isReviewKdError(error)) throw error;
    throw causedBy(isMissing(error) ? "FILE_NOT_FOUND" : "FILE_ACCESS", `cannot read ${path}`, error,
      `Arrange the files as ${LAYOUT}.`);
  }
}
