// Labels as programs have them, and as native code takes them.
import { isTypedArray, typedArrayName } from "../config/typed-arrays.js";
import { valueText } from "../config/validation.js";
import { ReviewKdError } from "../errors.js";

/** Class indices, one per image: numbers, or any typed array of whole numbers. */
export type Labels = ArrayLike<number | bigint>;

/** Whether a value is a list of labels, whatever its elements are. */
export function isLabelList(value: unknown): value is Labels {
  return Array.isArray(value) || typedArrayName(value) !== undefined;
}

/** Whether native code takes labels as they are. It checks their range as well, but does not know where they are. */
export function isNative(labels: Labels): labels is BigInt64Array {
  return isTypedArray(labels, "BigInt64Array");
}

/**
 * Labels as native code takes them, each checked.
 *
 * @param what - Names them in messages: "labels of train".
 * @param place - Names the label at an index: "train.labels[7]".
 * @param classes - The number of classes.
 * @throws ReviewKdError `INVALID_ARGUMENT` for what is no whole number, `LABEL_OUT_OF_RANGE`.
 */
export function toNativeLabels(labels: Labels, what: string, place: (index: number) => string,
  classes: number): BigInt64Array {
  const result = new BigInt64Array(labels.length);
  for (let index = 0; index < labels.length; ++index) {
    const label = labels[index];
    const number = typeof label === "bigint" ? Number(label) : label;
    if (!Number.isInteger(number) || (number as number) < 0 || (number as number) >= classes)
      throw wrongLabel(label, what, place(index), classes);
    result[index] = BigInt(number as number);
  }
  return result;
}

function wrongLabel(label: unknown, what: string, place: string, classes: number): ReviewKdError {
  const isWhole = typeof label === "bigint" || Number.isInteger(label);
  const fix = isWhole ? "Correct the label, or pass the right numClasses." : "Pass the index of the image's class.";
  return new ReviewKdError(isWhole ? "LABEL_OUT_OF_RANGE" : "INVALID_ARGUMENT",
    `invalid ${what}: ${place} is ${valueText(label)}: expected an integer from 0 to ${classes - 1}. ${fix}`);
}
