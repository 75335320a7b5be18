import { createContext, runInContext } from "node:vm";
import { expect } from "chai";
import { isLabelList, isNative, toNativeLabels, type Labels } from "../../../lib/datasets/labels.js";
import { failureOf } from "../../support/errors.js";

const place = (index: number): string => `train.labels[${index}]`;
const native = (labels: Labels): BigInt64Array => toNativeLabels(labels, "labels of train", place, 10);

describe("labels", () => {
  const lists: readonly Labels[] = [[7, 0], [7n, 0n], Int8Array.of(7, 0), Uint8Array.of(7, 0),
    Uint8ClampedArray.of(7, 0), Int16Array.of(7, 0), Uint16Array.of(7, 0), Int32Array.of(7, 0), Uint32Array.of(7, 0),
    Float32Array.of(7, 0), Float64Array.of(7, 0), BigInt64Array.of(7n, 0n), BigUint64Array.of(7n, 0n),
    runInContext("new Uint16Array([7, 0])", createContext({})) as Uint16Array];
  for (const list of lists) {
    it(`of ${typeof list[0]} in ${list.constructor.name} are taken if they are whole`, () => {
      expect(isLabelList(list)).to.equal(true);
      expect(native(list)).to.deep.equal(BigInt64Array.of(7n, 0n));
    });
  }

  it("of the form that native code takes are known in any realm", () => {
    expect(isNative(runInContext("new BigInt64Array(1)", createContext({})) as BigInt64Array)).to.equal(true);
    expect([isNative(BigUint64Array.of(1n)), isNative([1])]).to.deep.equal([false, false]);
  });

  const wrong = [
    [[0, 1, 2, 1.5], "INVALID_ARGUMENT", "train.labels[3] is 1.5"],
    [[0, "1"], "INVALID_ARGUMENT", 'train.labels[1] is "1"'],
    [[NaN], "INVALID_ARGUMENT", "train.labels[0] is NaN"],
    [new Array<number>(2), "INVALID_ARGUMENT", "train.labels[0] is nothing"],
    [[0, Symbol("s")], "INVALID_ARGUMENT", "train.labels[1] is a symbol"],
    [Float32Array.of(1, 2.5), "INVALID_ARGUMENT", "train.labels[1] is 2.5"],
    [[1, -1], "LABEL_OUT_OF_RANGE", "train.labels[1] is -1"],
    [[1, 10], "LABEL_OUT_OF_RANGE", "train.labels[1] is 10"],
    [BigUint64Array.of(2n ** 64n - 1n), "LABEL_OUT_OF_RANGE", "train.labels[0] is 18446744073709551615n"],
  ] as const;
  for (const [labels, code, says] of wrong) {
    it(`are refused with ${code} where ${says}`, async () => {
      const { message } = await failureOf(code, () => native(labels as unknown as Labels));
      expect(message).to.include(`invalid labels of train: ${says}: expected an integer from 0 to 9.`);
    });
  }

  it("are no other values", () => {
    for (const value of ["0, 1", { length: 2 }, new Map(), new DataView(new ArrayBuffer(8)), 1, null])
      expect(isLabelList(value)).to.equal(false);
  });
});
