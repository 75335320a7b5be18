/** Pickles of NumPy arrays assembled by hand, independently of the native code. */
import { bytes, global, long, text, tuple, u32, type Part } from "./pytorch-files.js";

export interface ArrayParts {
  /** NumPy's code of the elements; float32 by default. */
  readonly code?: string;
  readonly shape?: readonly (number | bigint)[];
  /** An opcode and the elements; three float32 by default. */
  readonly elements?: Part;
}

/** BINBYTES. */
export const binary = (content: Uint8Array): Buffer => bytes("B", u32(content.length), content);

/** An array, row by row, as NumPy 1 writes it with protocol 3. */
export function array({ code = "f4", shape = [3], elements = binary(new Uint8Array(12)) }: ArrayParts = {}): Buffer {
  const state = tuple("K\x03", text("<"), "NNN", "J", u32(0xffffffff), "J", u32(0xffffffff), "K\x00");
  const type = bytes(global("numpy", "dtype"), tuple(text(code), "\x89\x88"), "R", state, "b");
  const empty = bytes(global("numpy.core.multiarray", "_reconstruct"),
    tuple(global("numpy", "ndarray"), "K\x00\x85", "C\x01b"), "R");
  return bytes(empty, tuple("K\x01", tuple(...shape.map((length) => long(length))), type, "\x89", elements), "b");
}

/** An array of these float32 values. */
export function floats(shape: readonly number[], values: ArrayLike<number>): Buffer {
  return array({ shape, elements: binary(new Uint8Array(Float32Array.from(values).buffer)) });
}
