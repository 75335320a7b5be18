import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { throwIfAborted } from "../../api/abort.js";
import { assertObject, parse } from "../../config/validation.js";
import { FilePath } from "../../config/file-path.js";
import { ReadAnnotationsOptions, type ReadAnnotationsOptionsInput } from "../../config/schemas/detection/data.js";
import { atCall, causedBy, isMissing, isReviewKdError, ReviewKdError } from "../../errors.js";
import type { DetectionAnnotations } from "./annotations.js";
import { AnnotationsBuilder } from "./annotations-builder.js";
import { COCO_LISTS, CocoRecords } from "./coco-records.js";
import { JsonRecords } from "./json-records.js";
import { RecordSource } from "./record-source.js";

/** Progress of {@link readCocoAnnotations}. */
export interface AnnotationProgress {
  readonly bytes: number;
  readonly totalBytes: number;
  readonly images: number;
  readonly annotations: number;
}

/** Options of {@link readCocoAnnotations}. */
export interface ReadCocoOptions extends ReadAnnotationsOptionsInput {
  /** Stops reading. */
  readonly signal?: AbortSignal | undefined;
  /** Called at most every 100 ms, and at the end. */
  readonly onProgress?: ((progress: AnnotationProgress) => void) | undefined;
}

/** Bytes read at a time; they are parsed in about a millisecond, so that the event loop stays responsive. */
const CHUNK = 2 ** 16;
const PROGRESS_MS = 100;
/** 4 GiB, nine times train2017: columns count in 32 bits. */
const LARGEST_FILE = 2 ** 32;

const FIX = "Correct the file, or download it again.";

/**
 * Reads COCO's instances, `instances_train2017.json` for example, as a stream: memory stays below the size of the file,
 * and the event loop is free after each chunk. Keys beyond those of images, categories and annotations are skipped. A
 * missing `iscrowd` is 0, a missing `area` the box's; of duplicate keys of a record the last counts, as for
 * `JSON.parse`.
 *
 * @throws ReviewKdError `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT` (with byte, image and annotation),
 * `FILE_UNSUPPORTED`, `ABORTED`, `INVALID_ARGUMENT`
 *
 * @example
 * ```ts
 * const annotations = await readCocoAnnotations("coco/annotations/instances_train2017.json", {
 *   invalidBoxes: "drop",
 *   onProgress: ({ bytes, totalBytes }) => console.log(`${Math.round((100 * bytes) / totalBytes)} %`),
 * });
 * console.log(annotations.imageCount, annotations.count, annotations.report.droppedBoxes);
 * ```
 */
export async function readCocoAnnotations(path: string, options: ReadCocoOptions = {}): Promise<DetectionAnnotations> {
  return atCall(readAnnotations(path, options));
}

async function readAnnotations(file: string, options: ReadCocoOptions): Promise<DetectionAnnotations> {
  assertObject(options, "options of readCocoAnnotations");
  const { signal, onProgress, ...rest } = options;
  throwIfAborted(signal, "reading annotations");
  const { invalidBoxes } = parse(ReadAnnotationsOptions, rest, "options of readCocoAnnotations");
  const path = parse(FilePath, file, "path of the annotations");
  const source = new RecordSource("FILE_CORRUPT", (position) => `at byte ${position} of ${path}`, FIX);
  const builder = new AnnotationsBuilder(source, invalidBoxes);
  const coco = new CocoRecords(builder, source);
  const records = new JsonRecords(path, COCO_LISTS, (list, record, position) => {
    coco.add(list, record, position);
  });
  const stopIfAborted = (): void => {
    if (signal?.aborted !== true) return;
    throw new ReviewKdError("ABORTED", `reading ${path} was stopped by its signal.`, { cause: signal.reason });
  };
  try {
    const totalBytes = await sizeOf(path);
    const report = (bytes: number): void => {
      onProgress?.({ bytes, totalBytes, images: builder.imageCount, annotations: builder.annotationCount });
    };
    let [bytes, reported] = [0, performance.now()];
    for await (const chunk of createReadStream(path, { highWaterMark: CHUNK, end: totalBytes - 1 }) as AsyncIterable<
      Buffer
    >) {
      stopIfAborted();
      if (bytes === 0) assertText(chunk, path);
      records.write(chunk);
      bytes += chunk.length;
      if (performance.now() - reported < PROGRESS_MS) continue;
      reported = performance.now();
      report(bytes);
    }
    records.end();
    const annotations = await builder.finish(stopIfAborted);
    report(bytes);
    return annotations;
  } catch (error) {
    throw explain(error, path);
  }
}

/** The size of a regular file; a pipe could block, and a device never end. */
async function sizeOf(path: string): Promise<number> {
  const found = await stat(path);
  if (!found.isFile())
    throw unsupported(path, found.isDirectory() ? "a directory" : "a device or pipe",
      "Pass the path of the JSON file.");
  if (found.size === 0) {
    throw new ReviewKdError("FILE_CORRUPT",
      `invalid annotations ${path}: expected JSON, received an empty file. Download it again.`);
  }
  if (found.size > LARGEST_FILE) {
    throw new ReviewKdError("FILE_UNSUPPORTED",
      `invalid annotations ${path}: expected at most ${LARGEST_FILE} bytes, received ${found.size}. Split the file.`);
  }
  return found.size;
}

/** First bytes of files that are often found in place of JSON, and what to do about them. */
const OTHER_CONTENTS: readonly (readonly [start: string, received: string, fix: string])[] = [
  ["version https://git-lfs", "a pointer of Git LFS", "Fetch the file itself with `git lfs pull`."],
  ["<", "HTML or XML", "A download may have returned an error page; download the file again."],
  ["[", "a list", "COCO's results are a list; pass a file of instances with images, annotations and categories."],
  ["\x1f\x8b", "gzip", "Decompress it first."],
  ["PK", "a zip archive", "Unpack it first."],
  ["\xff\xfe", "UTF-16", "Save it as UTF-8."],
  ["\xfe\xff", "UTF-16", "Save it as UTF-8."],
  ["{\0", "UTF-16", "Save it as UTF-8."],
  ["\0", "binary data", "Pass the path of the JSON file."],
];

function assertText(chunk: Buffer, path: string): void {
  const start = chunk.toString("latin1", 0, 64).trimStart();
  const other = OTHER_CONTENTS.find(([prefix]) => start.startsWith(prefix));
  if (other !== undefined) throw unsupported(path, other[1], other[2]);
}

function unsupported(path: string, received: string, fix: string): ReviewKdError {
  return new ReviewKdError("FILE_UNSUPPORTED",
    `invalid annotations ${path}: expected COCO's instances as JSON in UTF-8, received ${received}. ${fix}`);
}

function explain(error: unknown, path: string): unknown {
  if (isReviewKdError(error)) return error;
  if (isMissing(error)) {
    return new ReviewKdError("FILE_NOT_FOUND", `no annotations at ${path}. Check the path of the JSON file.`, {
      cause: error,
    });
  }
  const { syscall } = error as NodeJS.ErrnoException;
  return syscall === undefined ? error
    : causedBy("FILE_ACCESS", `cannot read the annotations ${path}`, error, "Check its permissions.");
}
