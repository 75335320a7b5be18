/**
 * COCO's compressed run lengths (cocoapi, common/maskApi.c, `rleToString`): each count from the fourth on as its
 * difference to the count two before, in groups of 5 bits from the lowest, with a bit that says whether more follow.
 */

const FIRST_CHARACTER = 48;
const BITS = 5;
const MORE = 0x20;
const SIGN = 0x10;
const LOW = 0x1f;
/** Six groups hold every difference of two counts of an image of up to 2^28 pixels. */
const MOST_GROUPS = 6;

/** The characters of runs, as bytes. */
export function compressRuns(runs: ArrayLike<number>): Uint8Array {
  const bytes: number[] = [];
  for (let index = 0; index < runs.length; ++index) {
    let rest = (runs[index] as number) - (index > 2 ? runs[index - 2] as number : 0);
    for (let more = true; more;) {
      const group = rest & LOW;
      rest >>= BITS;
      more = rest !== ((group & SIGN) === 0 ? 0 : -1);
      bytes.push(group + (more ? MORE : 0) + FIRST_CHARACTER);
    }
  }
  return Uint8Array.from(bytes);
}

/** The sum of the runs of a compressed string, or what is wrong with it. */
export function sumOfRuns(text: string): number | string {
  let sum = 0;
  let [twoBefore, before] = [0, 0];
  let at = 0;
  for (let index = 0; at < text.length; ++index) {
    let value = 0;
    for (let group = 0;; ++group) {
      const bits = text.charCodeAt(at++) - FIRST_CHARACTER;
      // The code of a character beyond the end is NaN, which no comparison accepts.
      if (!(bits >= 0 && bits <= (MORE | LOW))) return at > text.length ? "an incomplete string" : "other characters";
      if (group === MOST_GROUPS) return "a longer run";
      value |= (bits & LOW) << (BITS * group);
      if ((bits & MORE) !== 0) continue;
      if ((bits & SIGN) !== 0) value |= -1 << (BITS * (group + 1));
      break;
    }
    if (index > 2) value += twoBefore;
    if (value < 0) return "a negative run";
    sum += value;
    [twoBefore, before] = [before, value];
  }
  return sum;
}

/** The runs of a bitmap `[height, width]`, column by column, beginning with zeros. */
export function runsOfBitmap(bitmap: ArrayLike<number>, height: number, width: number): number[] {
  const runs: number[] = [];
  let [value, run] = [0, 0];
  for (let column = 0; column < width; ++column) {
    for (let row = 0; row < height; ++row) {
      const pixel = bitmap[row * width + column] === 0 ? 0 : 1;
      if (pixel !== value) {
        runs.push(run);
        [value, run] = [pixel, 0];
      }
      ++run;
    }
  }
  return [...runs, run];
}
