// Checks of the tensors that inner parts of detectors get, whose native code relies on their shapes and types.
import { assertObject } from "../../config/validation.js";
import { ReviewKdError } from "../../errors.js";
import { nativeTensor, type Tensor } from "../tensor.js";

/** A length, or the name of one that all tensors share. */
type Dimension = number | string;
type Kind = "float" | "int64" | "uint8";

/** Shapes of several tensors that belong together: dimensions of one name have one length. */
export class Shapes {
  readonly #lengths = new Map<string, number>();

  /** The length of a dimension that was seen. */
  of(dimension: string): number {
    return this.#lengths.get(dimension) ?? 0;
  }

  /** Throws SHAPE_MISMATCH, DTYPE_MISMATCH, or INVALID_ARGUMENT for another value. */
  expect(name: string, value: unknown, dimensions: readonly Dimension[], kind: Kind = "float"): void {
    nativeTensor(value, name);
    const { shape, dtype } = value as Tensor;
    const fits = shape.length === dimensions.length &&
      dimensions.every((dimension, i) =>
        shape[i] === (typeof dimension === "number" ? dimension : this.#lengths.get(dimension) ?? shape[i])
      );
    if (!fits) {
      const expected = dimensions.map((dimension) => this.#described(dimension)).join(", ");
      throw new ReviewKdError("SHAPE_MISMATCH",
        `invalid ${name}: expected the shape [${expected}], received [${shape.join(", ")}]. Pass tensors that belong together.`);
    }
    if (kind === "float" ? !/^b?float/.test(dtype) : dtype !== kind) {
      throw new ReviewKdError("DTYPE_MISMATCH",
        `invalid ${name}: expected ${kind === "float" ? "floating-point numbers" : kind}, received ${dtype}. Convert the values.`);
    }
    dimensions.forEach((dimension, i) => {
      if (typeof dimension === "string") this.#lengths.set(dimension, shape[i] as number);
    });
  }

  #described(dimension: Dimension): Dimension {
    const length = typeof dimension === "string" ? this.#lengths.get(dimension) : undefined;
    return length === undefined ? dimension : `${dimension} = ${length}`;
  }
}

/** Throws SHAPE_MISMATCH unless the list has this many entries, at least one. */
export function expectCount(name: string, list: unknown, count?: number): void {
  const length = Array.isArray(list) ? list.length : undefined;
  if (length !== undefined && length > 0 && length === (count ?? length)) return;
  throw new ReviewKdError(length === undefined ? "INVALID_ARGUMENT" : "SHAPE_MISMATCH",
    `invalid ${name}: expected a list of ${count ?? "one or more"} entries, received ${length ?? "another value"}. Pass one for each image or level.`);
}

/** Maps of a pyramid: [N, C, h, w] by level. */
export function expectMaps(shapes: Shapes, maps: readonly Tensor[]): void {
  expectCount("maps", maps);
  maps.forEach((map, level) => {
    shapes.expect(`maps[${level}]`, map, ["N", "C", `height ${level}`, `width ${level}`]);
  });
}

/** Throws LABEL_OUT_OF_RANGE unless labels are from 0 to `classes` - 1. */
export function expectLabels(name: string, labels: Tensor, classes: number): void {
  const values: ArrayLike<number | bigint> = labels.toTypedArray();
  for (let index = 0; index < values.length; ++index) {
    const label = values[index] as number | bigint;
    if (label >= 0 && label < classes) continue;
    throw new ReviewKdError("LABEL_OUT_OF_RANGE",
      `invalid labels: ${name}[${index}] is ${label}: expected an integer from 0 to ${classes - 1}. Check the number of classes.`);
  }
}

/** Objects of images: boxes [K, 4], labels [K] and masks [K, H, W], as far as they are there. */
export function expectTargets(
  targets: readonly { readonly boxes: Tensor; readonly labels?: Tensor; readonly masks?: Tensor }[],
  images: number,
  sizes?: readonly (readonly [number, number])[],
): void {
  expectCount("targets", targets, images);
  targets.forEach((target, i) => {
    assertObject(target, `targets[${i}]`);
    const { boxes, labels, masks } = target;
    const shapes = new Shapes();
    shapes.expect(`boxes of targets[${i}]`, boxes, ["K", 4]);
    if (labels !== undefined) shapes.expect(`labels of targets[${i}]`, labels, ["K"], "int64");
    if (masks !== undefined)
      shapes.expect(`masks of targets[${i}]`, masks, ["K", ...(sizes?.[i] ?? ["H", "W"])], "uint8");
  });
}
