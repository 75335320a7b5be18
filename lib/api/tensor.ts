import { z } from "zod";
import { ReviewKdError } from "../errors.js";
import { addon } from "../native.js";
import type { NativeEntries, NativeTensor, TensorValues, TypedArray } from "../native-types.js";
import { CLASS_NAME, isForeign, NativeObject, ONE_COPY, receivedText } from "./native-object.js";
import { DType, Shape } from "../config/schemas/common.js";
import { assertAttached, bytesOf, isTypedArray, typedArrayName, type TypedArrayName } from "../config/typed-arrays.js";
import { assertObject, parse, readValues, valueText } from "../config/validation.js";

/** Values that {@link Tensor.from} accepts. */
export type TensorInput = TensorValues | readonly number[];

/** The dtype of each class of arrays, which may be of any realm. */
const DTYPE_OF: ReadonlyMap<unknown, DType> = new Map<TypedArrayName, DType>([
  ["Float64Array", "float64"],
  ["Float32Array", "float32"],
  ["BigInt64Array", "int64"],
  ["Int32Array", "int64"],
  ["Int16Array", "int64"],
  ["Int8Array", "int64"],
  ["Uint8Array", "uint8"],
  ["Uint8ClampedArray", "uint8"],
]);

/** @internal The parts of a tensor, validated as far as possible without creating it. */
export function tensorParts(
  values: TensorInput,
  shape: Shape,
  options: { dtype?: DType } = {},
): { readonly values: TensorValues; readonly shape: readonly number[]; readonly dtype: DType } {
  const lengths = parse(Shape, shape, "shape");
  assertObject(options, "tensor options");
  const wanted = options.dtype === undefined ? undefined : parse(DType, options.dtype, "dtype");
  const array = readValues(() => Array.isArray(values) ? fromNumbers(values, wanted) : values as TensorValues,
    "tensor values");
  const own = DTYPE_OF.get(typedArrayName(array));
  if (own === undefined) {
    throw new ReviewKdError("DTYPE_MISMATCH",
      `invalid tensor values: expected an array of numbers or a ${[...DTYPE_OF.keys()].join(", ")}, received ${valueText(values)}. Convert them, for example with Float32Array.from().`);
  }
  assertAttached(array, "tensor values");
  const isClamped = isTypedArray(array as unknown, "Uint8ClampedArray");
  const dtype = wanted ?? own;
  if (dtype !== own) assertRange(array, dtype);
  return { values: isClamped ? bytesOf(array as Uint8Array) : array, shape: lengths, dtype };
}

/** The least and the largest number of integer types. */
const RANGES: Readonly<Partial<Record<DType, readonly [least: bigint, largest: bigint]>>> = {
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint8: [0n, 255n],
};

/** @throws ReviewKdError `INVALID_ARGUMENT` for a value that an integer type does not have. */
function assertRange(values: TensorValues, dtype: DType): void {
  const range = RANGES[dtype];
  if (range === undefined) return;
  const [least, largest] = range;
  for (let index = 0; index < values.length; ++index) {
    const value = values[index] as number | bigint;
    if ((typeof value === "bigint" || Number.isInteger(value)) && value >= least && value <= largest) continue;
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid tensor values: values[${index}] is ${valueText(value)}: expected an integer from ${least} to ${largest}. Round or clip the values first, or pass another dtype.`);
  }
}

/** The numbers as float32, or as float64 for a type that holds more digits. */
function fromNumbers(values: readonly unknown[], dtype: DType = "float32"): Float32Array | Float64Array {
  const isSingle = dtype === "float32" || dtype === "bfloat16";
  const result = isSingle ? new Float32Array(values.length) : new Float64Array(values.length);
  for (let index = 0; index < values.length; ++index) {
    const value = values[index];
    if (typeof value !== "number") {
      const fix = typeof value === "bigint" ? " Pass them as a BigInt64Array." : "";
      throw new ReviewKdError("INVALID_ARGUMENT",
        `invalid tensor values: values[${index}] is ${valueText(value)}: expected a number.${fix}`);
    }
    result[index] = value;
  }
  return result;
}

/**
 * A dense, immutable, row-major array of numbers in native memory.
 *
 * The memory is freed with the object; `dispose()` or `using` frees it immediately.
 *
 * @example
 * ```ts
 * using images = Tensor.from(new Float32Array(3 * 32 * 32), [1, 3, 32, 32]);
 * console.log(images.shape, images.dtype);
 * ```
 */
export class Tensor extends NativeObject<NativeTensor> {
  /** One length per dimension. */
  readonly shape: Shape;
  /** Type of the elements. */
  readonly dtype: DType;

  private constructor(native: NativeTensor) {
    super(native);
    this.shape = Object.freeze(native.shape());
    this.dtype = native.dtype();
  }

  /** @internal */
  override get [CLASS_NAME](): string {
    return "Tensor";
  }

  /**
   * Copies values into a new tensor.
   *
   * @param values - a typed array or numbers in row-major order; as many as `shape` requires.
   * @param shape - one length per dimension; `[]` for a scalar.
   * @param options - `dtype` of the tensor. Default: that of the typed array, float32 for numbers, int64 for narrower
   * signed integers. Values of another type must be integers in its range for int64 and uint8.
   * @throws ReviewKdError `SHAPE_MISMATCH`, `DTYPE_MISMATCH`, `INVALID_ARGUMENT`.
   */
  static from(values: TensorInput, shape: Shape, options: { dtype?: DType } = {}): Tensor {
    const parts = tensorParts(values, shape, options);
    return new Tensor(addon().tensorFrom(parts.values, parts.shape, parts.dtype));
  }

  /** @internal */
  static wrap(native: NativeTensor): Tensor {
    return new Tensor(native);
  }

  /**
   * Copies the elements in row-major order. bfloat16 becomes a `Float32Array`.
   *
   * @throws ReviewKdError `DISPOSED`.
   */
  toTypedArray(): TypedArray {
    return this.native.toTypedArray();
  }

  /**
   * The value of a tensor with a single element.
   *
   * @throws ReviewKdError `SHAPE_MISMATCH` for more or fewer elements, `DISPOSED`.
   */
  item(): number {
    const values = this.toTypedArray();
    const value = values[0];
    if (values.length !== 1 || value === undefined) {
      throw new ReviewKdError("SHAPE_MISMATCH",
        `invalid tensor for item(): expected one element, received shape [${this.shape.join(", ")}]. Use toTypedArray() instead.`);
    }
    return Number(value);
  }
}

/**
 * The native half of a value that must be a Tensor.
 *
 * @internal
 * @throws ReviewKdError `INVALID_ARGUMENT`
 */
export function nativeTensor(value: unknown, what: string): NativeTensor {
  if (value instanceof Tensor) return value.native;
  const fix = isForeign(value, "Tensor") ?
    `${ONE_COPY} Or copy it: \`Tensor.from(tensor.toTypedArray(), tensor.shape)\`.`
    : "Make one with Tensor.from().";
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid ${what}: expected a Tensor, received ${receivedText(value, "Tensor")}. ${fix}`);
}

/** A network's parameters and buffers keyed by their published names, in PyTorch's order. */
export type StateDict = Record<string, Tensor>;

/** @internal */
export function toStateDict(entries: NativeEntries): StateDict {
  return Object.fromEntries(entries.map(([name, native]) => [name, Tensor.wrap(native)]));
}

/** No collection, whose entries are no properties. The entries are checked one by one. */
const AnyStateDict = z.custom<object>(
  (value) => typeof value === "object" && value !== null && !(Symbol.iterator in value),
).describe("an object of Tensors by name");

/** @internal */
export function toEntries(state: Readonly<StateDict>): NativeEntries {
  parse(AnyStateDict, state, "state dict");
  return Object.entries(state).map(([name, tensor]) => [name, nativeTensor(tensor, `state dict entry ${name}`)]);
}
