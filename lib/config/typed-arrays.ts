// Typed arrays of any realm: those of a `vm` context, of Jest's or of an Electron window are no instances of this
// realm's classes.
import { types } from "node:util";
import { z } from "zod";
import { ReviewKdError } from "../errors.js";
import { listed } from "./nearest-name.js";
import { valueText } from "./validation.js";

/** The classes of typed arrays by name. */
interface TypedArrays {
  Uint8Array: Uint8Array;
  Uint8ClampedArray: Uint8ClampedArray;
  Uint16Array: Uint16Array;
  Uint32Array: Uint32Array;
  Int8Array: Int8Array;
  Int16Array: Int16Array;
  Int32Array: Int32Array;
  Float32Array: Float32Array;
  Float64Array: Float64Array;
  BigInt64Array: BigInt64Array;
  BigUint64Array: BigUint64Array;
}

/** The name of a class of typed arrays. */
export type TypedArrayName = keyof TypedArrays;

/** The tag of a typed array, which no value can forge: `undefined` for anything else. */
const { get: tagOf } = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype) as object,
  Symbol.toStringTag) as { readonly get: (this: unknown) => string | undefined };

/** The class of a typed array, whatever its realm is; `undefined` for other values, a `DataView` included. */
export function typedArrayName(value: unknown): string | undefined {
  return tagOf.call(value);
}

/** Whether a value is a typed array of one of these classes. A Buffer is a Uint8Array. */
export function isTypedArray<Name extends TypedArrayName>(value: unknown,
  ...names: readonly Name[]): value is TypedArrays[Name] {
  return (names as readonly unknown[]).includes(typedArrayName(value));
}

/**
 * Bytes, on the same memory, as this realm's `Uint8Array`: for libraries that compare classes, and for native code,
 * which takes no clamped ones.
 */
export function bytesOf(value: Uint8Array | Uint8ClampedArray): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

/** A copy of an array on shared memory, which other threads may write to at any time; others are returned. */
export function unshared<View extends Uint8Array | Float32Array>(value: View): View {
  return types.isSharedArrayBuffer(value.buffer) ? value.slice() as View : value;
}

/** Whether the memory of an array was transferred to another thread, or handed over by `ArrayBuffer.transfer`. */
function isDetached({ buffer, byteLength }: ArrayBufferView): boolean {
  if (byteLength > 0 || buffer.byteLength > 0 || types.isSharedArrayBuffer(buffer)) return false;
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

/** @throws ReviewKdError `INVALID_ARGUMENT` for an array whose memory is gone. */
export function assertAttached(value: ArrayBufferView, what: string): void {
  if (!isDetached(value)) return;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid ${what}: expected an array with its memory, received ${valueText(value)} whose memory was transferred. Pass a copy (\`slice()\`) to whom it was transferred.`);
}

/** Accepts typed arrays of these classes, of any realm. */
export function typedArray<Name extends TypedArrayName>(...names: readonly Name[]): z.ZodType<TypedArrays[Name]> {
  return z.custom<TypedArrays[Name]>((value) => isTypedArray(value, ...names), {
    error: listed(names.map((name) => (name.startsWith("Int") ? `an ${name}` : `a ${name}`))),
  });
}
