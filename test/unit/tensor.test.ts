import { createContext, runInContext } from "node:vm";
import { expect } from "chai";
import { Tensor } from "../../lib/index.js";
import { failureOf } from "../support/errors.js";

describe("Tensor", () => {
  const arrays = [
    { values: Float64Array.of(1.1, -2, Math.PI), dtype: "float64", back: Float64Array.of(1.1, -2, Math.PI) },
    { values: Float32Array.of(1.5, -0, Infinity), dtype: "float32", back: Float32Array.of(1.5, -0, Infinity) },
    { values: BigInt64Array.of(-(2n ** 63n), 0n, 2n ** 63n - 1n), dtype: "int64",
      back: BigInt64Array.of(-(2n ** 63n), 0n, 2n ** 63n - 1n) },
    { values: Uint8Array.of(0, 127, 255), dtype: "uint8", back: Uint8Array.of(0, 127, 255) },
    { values: Int32Array.of(-(2 ** 31), 5, 2 ** 31 - 1), dtype: "int64",
      back: BigInt64Array.of(-(2n ** 31n), 5n, 2n ** 31n - 1n) },
    { values: Int16Array.of(-32768, 0, 32767), dtype: "int64", back: BigInt64Array.of(-32768n, 0n, 32767n) },
    { values: Int8Array.of(-128, 0, 127), dtype: "int64", back: BigInt64Array.of(-128n, 0n, 127n) },
    { values: [1, 2.5, -3], dtype: "float32", back: Float32Array.of(1, 2.5, -3) },
  ] as const;
  for (const { values, dtype, back } of arrays) {
    it(`takes ${values.constructor.name} as ${dtype} and gives ${back.constructor.name}`, () => {
      using tensor = Tensor.from(values, [3]);
      expect([tensor.dtype, tensor.shape]).to.deep.equal([dtype, [3]]);
      expect(tensor.toTypedArray()).to.deep.equal(back);
    });
  }

  it("takes arrays of another realm, subclasses, Buffers, clamped bytes and frozen lists", () => {
    class Pixels extends Uint8Array {}
    const realm = createContext({});
    const given = [runInContext("new Float32Array([1, 2])", realm), runInContext("[1, 2]", realm),
      Object.freeze([1, 2]), Pixels.of(1, 2), Buffer.from([0, 1, 2]).subarray(1), Uint8ClampedArray.of(1, 2),
      new Float32Array(new ArrayBuffer(16), 4, 2).fill(1)] as Float32Array[];
    for (const [index, values] of given.entries()) {
      using tensor = Tensor.from(values, [2]);
      expect(Array.from(tensor.toTypedArray(), Number)).to.deep.equal(index === 6 ? [1, 1] : [1, 2]);
    }
  });

  it("copies shared memory, which other threads may change afterwards", () => {
    const values = new Float32Array(new SharedArrayBuffer(8)).fill(3);
    using tensor = Tensor.from(values, [2]);
    values.fill(4);
    expect(tensor.toTypedArray()).to.deep.equal(Float32Array.of(3, 3));
  });

  it("names the value that is no number, memory that is gone, and what is no list", async () => {
    const gone = new Float32Array(2);
    structuredClone(gone, { transfer: [gone.buffer] });
    for (const [values, code, says] of [
      [[1, "2"], "INVALID_ARGUMENT", /^invalid tensor values: values\[1\] is "2": expected a number\./],
      [[1n], "INVALID_ARGUMENT", /values\[0\] is 1n: .*BigInt64Array/],
      [new Array<number>(2), "INVALID_ARGUMENT", /values\[0\] is nothing/],
      [gone, "INVALID_ARGUMENT", /expected an array with its memory/],
      [new DataView(new ArrayBuffer(8)), "DTYPE_MISMATCH", /received a DataView/],
      [new Uint16Array(2), "DTYPE_MISMATCH", /received a Uint16Array of 2 elements/],
    ] as const) {
      const { message } = await failureOf(code, () => Tensor.from(values as unknown as number[], [2]));
      expect(message).to.match(says);
    }
  });

  it("rounds to bfloat16's eight bits and gives them as Float32Array", () => {
    using tensor = Tensor.from([1, 1 + 2 ** -7, 1 + 2 ** -9, 3.140625, -257], [5], { dtype: "bfloat16" });
    expect(tensor.dtype).to.equal("bfloat16");
    // To nearest, ties to even.
    expect(tensor.toTypedArray()).to.deep.equal(Float32Array.of(1, 1 + 2 ** -7, 1, 3.140625, -256));
  });

  it("converts to the requested type", () => {
    const cases = [
      [Float64Array.of(0.1), "float32", Float32Array.of(0.1)],
      [Float32Array.of(0.1), "float64", Float64Array.of(Math.fround(0.1))],
      [[7, -2], "int64", BigInt64Array.of(7n, -2n)],
      [Uint8Array.of(200), "float32", Float32Array.of(200)],
      [BigInt64Array.of(3n), "uint8", Uint8Array.of(3)],
    ] as const;
    for (const [values, dtype, expected] of cases) {
      using tensor = Tensor.from(values, [values.length], { dtype });
      expect(tensor.dtype).to.equal(dtype);
      expect(tensor.toTypedArray()).to.deep.equal(expected);
    }
  });

  it("keeps all digits of numbers that its type has", () => {
    const cases = [
      [[0.1, -Math.PI], "float64", Float64Array.of(0.1, -Math.PI)],
      [[2 ** 24 + 1, -(2 ** 63), -0], "int64", BigInt64Array.of(2n ** 24n + 1n, -(2n ** 63n), 0n)],
      [[0, 255], "uint8", Uint8Array.of(0, 255)],
    ] as const;
    for (const [values, dtype, expected] of cases)
      expect(Tensor.from(values, [values.length], { dtype }).toTypedArray()).to.deep.equal(expected);
  });

  it("names the first value that an integer type does not have", async () => {
    const [least, largest] = [-(2n ** 63n), 2n ** 63n - 1n];
    for (const [values, dtype, says] of [
      [[NaN, 1.7, 1e30], "int64", `values[0] is NaN: expected an integer from ${least} to ${largest}.`],
      [[1, 1.7], "int64", "values[1] is 1.7:"],
      [[2 ** 63], "int64", "values[0] is 9223372036854776000:"],
      [Float64Array.of(0, -Infinity), "int64", "values[1] is -Infinity:"],
      [[0, 300, -1, 1.5], "uint8", "values[1] is 300: expected an integer from 0 to 255."],
      [Float32Array.of(1.5), "uint8", "values[0] is 1.5:"],
      [Int32Array.of(0, -1), "uint8", "values[1] is -1:"],
      [BigInt64Array.of(256n), "uint8", "values[0] is 256n:"],
    ] as const) {
      const { message } = await failureOf("INVALID_ARGUMENT", () => Tensor.from(values, [values.length], { dtype }));
      expect(message).to.include(`invalid tensor values: ${says}`);
    }
  });

  it("says that values throw when they are read", async () => {
    const unread = Object.defineProperty([1, 2], 1, { get: () => {
      throw new Error("boom");
    } });
    const revoked = Proxy.revocable([1], {});
    revoked.revoke();
    for (const [values, reason] of [[unread, "boom"], [revoked.proxy, "revoked"]] as const) {
      const { message } = await failureOf("INVALID_ARGUMENT", () => Tensor.from(values, [2]));
      expect(message).to.include("invalid tensor values: expected values that can be read, received one that throws: ")
        .and.to.include(reason);
    }
  });

  it("copies in and out: later changes do not reach it", () => {
    const values = Float32Array.of(1, 2);
    using tensor = Tensor.from(values, [2]);
    values[0] = 9;
    (tensor.toTypedArray() as Float32Array)[1] = 9;
    expect(tensor.toTypedArray()).to.deep.equal(Float32Array.of(1, 2));
  });

  it("takes a view for what it shows", () => {
    using tensor = Tensor.from(Float64Array.of(0, 1, 2, 3, 4).subarray(1, 4), [3]);
    expect(tensor.toTypedArray()).to.deep.equal(Float64Array.of(1, 2, 3));
  });

  it("has as many dimensions as its shape, none for a scalar", () => {
    for (const shape of [[], [1], [1, 1, 1]]) {
      using tensor = Tensor.from([4.5], shape);
      expect(tensor.shape).to.deep.equal(shape);
      expect(tensor.item()).to.equal(4.5);
    }
    using empty = Tensor.from(new Float32Array(0), [0, 3]);
    expect(empty.shape).to.deep.equal([0, 3]);
    expect(empty.toTypedArray()).to.deep.equal(new Float32Array(0));
  });

  it("does not let its shape be changed", () => {
    using tensor = Tensor.from([1, 2], [2]);
    expect(() => {
      (tensor.shape as number[])[0] = 1;
    }).to.throw(TypeError);
  });

  it("gives its one element as a number, whatever its type", async () => {
    expect(Tensor.from(BigInt64Array.of(-7n), [1]).item()).to.equal(-7);
    expect(Tensor.from(Uint8Array.of(7), [1, 1]).item()).to.equal(7);
    expect(Tensor.from([0.5], [], { dtype: "bfloat16" }).item()).to.equal(0.5);
    for (const shape of [[2], [0]]) {
      const error = await failureOf("SHAPE_MISMATCH", () => Tensor.from(new Float32Array(shape[0]!), shape).item());
      expect(error.message).to.include(`[${shape.join()}]`);
    }
  });

  it("needs as many values as its shape has places", async () => {
    for (const [count, shape] of [[5, [2, 3]], [7, [2, 3]], [0, []], [1, [0]], [4, [2 ** 40, 2 ** 40]]] as const) {
      await failureOf("SHAPE_MISMATCH", () => Tensor.from(new Float32Array(count), shape));
    }
    const { message } = await failureOf("SHAPE_MISMATCH", () => Tensor.from(new Float32Array(5), [2, 3]));
    expect(message).to.include("invalid tensor values: expected 6 for shape [2, 3], received 5.");
  });

  it("refuses what is no shape, no type and no array", async () => {
    for (const shape of [[-1], [1.5], [NaN], "3", undefined, [2 ** 60]]) {
      await failureOf("INVALID_ARGUMENT", () => Tensor.from([1], shape as never));
    }
    const { valid } = await failureOf("INVALID_ARGUMENT", () => Tensor.from([1], [1], { dtype: "float16" as never }));
    expect(valid).to.deep.equal(["float64", "float32", "bfloat16", "int64", "uint8"]);
    for (const values of ["1", 1, null, new DataView(new ArrayBuffer(4)), new Uint32Array(1), new BigUint64Array(1),
      new ArrayBuffer(4)]) {
      await failureOf("DTYPE_MISMATCH", () => Tensor.from(values as never, [1]));
    }
  });

  it("frees its memory when it is disposed", () => {
    const values = new Uint8Array(32 * 2 ** 20);
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 30; ++i) Tensor.from(values, [values.length]).dispose();
    // Freed blocks may be kept for reuse, but the next tensor takes them: far less than thirty of them.
    expect(process.memoryUsage.rss() - before).to.be.below(10 * values.length);
  });
});
