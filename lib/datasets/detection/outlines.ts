import { typedArrayName } from "../../config/typed-arrays.js";
import { LONGEST_SIDE, type Outline } from "./annotations-builder.js";
import { compressRuns, sumOfRuns } from "./rle-string.js";
import type { RecordName, RecordSource } from "./record-source.js";

const FORMS = "polygons [[x1, y1, x2, y2, …], …] or a mask { size: [height, width], counts }";

/** The outline that COCO's `segmentation` describes; `undefined` if it is absent or an empty list. */
export function parseOutline(value: unknown, field: string, record: RecordName, source: RecordSource):
  | Outline
  | undefined {
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value)) {
    if (!value.every(isList)) source.fail(field, record, FORMS, value.find((part) => !isList(part)));
    return value.length === 0 ? undefined : { kind: "polygons", polygons: value };
  }
  if (typeof value === "object" && "size" in value && "counts" in value)
    return parseRle(value.size, value.counts, { field, record, source });
  return source.fail(field, record, FORMS, value);
}

/** Where a mask stands, for messages. */
interface Place {
  readonly field: string;
  readonly record: RecordName;
  readonly source: RecordSource;
}

function parseRle(size: unknown, counts: unknown, { field, record, source }: Place): Outline {
  const isSide = (side: unknown): side is number =>
    Number.isInteger(side) && (side as number) >= 1 && (side as number) <= LONGEST_SIDE;
  const [height, width] = isList(size) && size.length === 2 ? Array.from(size) : [];
  if (!isSide(height) || !isSide(width))
    return source.fail(`${field}.size`, record, `a height and a width up to ${LONGEST_SIDE}`,
      isList(size) ? height : size);
  const compressed = typeof counts === "string" ? counts : undefined;
  const sum = compressed === undefined ? sumOf(counts) : sumOfRuns(compressed);
  if (typeof sum === "string")
    source.failWith(`${field}.counts`, record, "runs of pixels, as numbers or as COCO's string", sum);
  if (sum !== height * width) {
    source.failWith(`${field}.counts`, record, `runs of ${height * width} pixels in total for ${height}×${width}`,
      String(sum));
  }
  return { kind: "rle", height, width,
    characters: compressed === undefined ? compressRuns(counts as number[]) : Buffer.from(compressed, "latin1") };
}

/** The sum of runs, or what is wrong with them. */
function sumOf(counts: unknown): number | string {
  if (!isList(counts)) return "something else";
  let sum = 0;
  for (const run of Array.from(counts)) {
    if (!Number.isSafeInteger(run) || run < 0) return `the run ${String(run)}`;
    sum += run;
  }
  return sum;
}

function isList(value: unknown): value is ArrayLike<number> {
  return Array.isArray(value) || typedArrayName(value) !== undefined;
}
