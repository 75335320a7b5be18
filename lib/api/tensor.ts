import { ReviewKdError } from "../errors.js";
import { addon, type NativeEntries, type NativeTensor, type TensorValues, type TypedArray } from "../native.js";
import { DType, Shape } from "../config/schemas/common.js";
import { parse } from "../config/validation.js";

/** What {@link Tensor.from} accepts as values. */
export type TensorInput = TensorValues | readonly number[];

const DTYPE_OF: readonly (readonly [new (length: number) => TensorValues, DType])[] = [
  [Float64Array, "float64"],
  [Float32Array, "float32"],
  [BigInt64Array, "int64"],
  [Int32Array, "int64"],
  [Int16Array, "int64"],
  [Int8Array, "int64"],
  [Uint8Array, "uint8"],
];

/** @internal What a tensor is made of, checked as far as can be without making it. */
export function tensorParts(
  values: TensorInput, shape: Shape, options: { dtype?: DType } = {},
): { readonly values: TensorValues; readonly shape: readonly number[]; readonly dtype: DType } {
  const lengths = parse(Shape, shape, "shape");
  const array = Array.isArray(values) ? Float32Array.from(values as readonly number[]) : (values as TensorValues);
  const own = DTYPE_OF.find(([type]) => array instanceof type)?.[1];
  if (own === undefined) {
    throw new ReviewKdError("DTYPE_MISMATCH", "expected a typed array or numbers for a tensor's values, got something else");
  }
  return { values: array, shape: lengths, dtype: options.dtype === undefined ? own : parse(DType, options.dtype, "dtype") };
}

/**
 * A dense array of numbers in native memory, row by row. It is never changed after it was made.
 *
 * Memory goes with the object; `dispose()` or `using` frees it at once.
 *
 * @example
 * ```ts
 * using images = Tensor.from(new Float32Array(3 * 32 * 32), [1, 3, 32, 32]);
 * console.log(images.shape, images.dtype);
 * ```
 */
export class Tensor {
  readonly #native: NativeTensor;
  /** One length per dimension. */
  readonly shape: Shape;
  /** Type of the elements. */
  readonly dtype: DType;

  private constructor(native: NativeTensor) {
    this.#native = native;
    this.shape = Object.freeze(native.shape());
    this.dtype = native.dtype();
  }

  /**
   * Copies values into a new tensor.
   *
   * @param values - a typed array or numbers, row by row; as many as `shape` asks for.
   * @param shape - one length per dimension; `[]` for a scalar.
   * @param options - `dtype` of the tensor. Default: the typed array's own, float32 for numbers, int64 for the smaller
   * integers.
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

  /** @internal */
  get native(): NativeTensor {
    return this.#native;
  }

  /**
   * Copies the elements, row by row. bfloat16 becomes a `Float32Array`.
   *
   * @throws ReviewKdError `DISPOSED`.
   */
  toTypedArray(): TypedArray {
    return this.#native.toTypedArray();
  }

  /**
   * The one element of a tensor with a single element.
   *
   * @throws ReviewKdError `SHAPE_MISMATCH` for more or fewer elements, `DISPOSED`.
   */
  item(): number {
    const values = this.toTypedArray();
    const value = values[0];
    if (values.length !== 1 || value === undefined) {
      throw new ReviewKdError("SHAPE_MISMATCH", `expected a tensor with one element for item(), got shape [${this.shape.join(", ")}]`);
    }
    return Number(value);
  }

  /** Frees the memory. Using the tensor afterwards is an error with the code `DISPOSED`; disposing twice is none. */
  dispose(): void {
    this.#native.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** A network's parameters and buffers by their published names, in PyTorch's order. */
export type StateDict = Record<string, Tensor>;

/** @internal */
export function toStateDict(entries: NativeEntries): StateDict {
  return Object.fromEntries(entries.map(([name, native]) => [name, Tensor.wrap(native)]));
}

/** @internal */
export function toEntries(state: Readonly<StateDict>): NativeEntries {
  return Object.entries(state).map(([name, tensor]) => {
    if (!(tensor instanceof Tensor)) throw new ReviewKdError("INVALID_ARGUMENT", `expected a Tensor for the entry ${name} of a state dict`);
    return [name, tensor.native];
  });
}
