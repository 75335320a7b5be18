import { createContext, runInContext } from "node:vm";
import { expect } from "chai";
import { assertAttached, bytesOf, isTypedArray, typedArray, typedArrayName,
  unshared } from "../../../lib/config/typed-arrays.js";
import { parse } from "../../../lib/config/validation.js";
import { failureOf } from "../../support/errors.js";

const realm = createContext({});
const elsewhere = (code: string): unknown => runInContext(code, realm);

describe("typed arrays", () => {
  it("are known by their tags in any realm, and subclasses by those of their class", () => {
    class Pixels extends Uint8Array {}
    expect(["new Float32Array(1)", "new BigInt64Array(1)"].map((code) => typedArrayName(elsewhere(code)))).to.deep
      .equal(["Float32Array", "BigInt64Array"]);
    expect([new Pixels(1), Buffer.alloc(1)].map(typedArrayName)).to.deep.equal(["Uint8Array", "Uint8Array"]);
  });

  it("cannot be forged", () => {
    const forged = { [Symbol.toStringTag]: "Uint8Array", length: 1, 0: 7, __proto__: Uint8Array.prototype };
    for (const value of [forged, new Proxy(new Uint8Array(1), {}), new DataView(new ArrayBuffer(1)), [1], "a", null,
      undefined]) {
      expect(typedArrayName(value)).to.equal(undefined);
      expect(isTypedArray(value, "Uint8Array")).to.equal(false);
    }
  });

  it("of a realm become this one's bytes on the same memory", () => {
    const foreign = elsewhere("new Uint8Array([9, 1, 2, 9]).subarray(1, 3)") as Uint8Array;
    const bytes = bytesOf(foreign);
    expect(bytes).to.be.instanceOf(Uint8Array).and.to.deep.equal(Uint8Array.of(1, 2));
    foreign[0] = 5;
    expect(bytes[0]).to.equal(5);
    expect(bytesOf(Uint8ClampedArray.of(300))).to.be.instanceOf(Uint8Array).and.to.deep.equal(Uint8Array.of(255));
  });

  it("on shared memory are copied, and others are not", () => {
    const shared = new Uint8Array(new SharedArrayBuffer(2)).fill(1);
    const copy = unshared(shared);
    shared.fill(2);
    expect(copy).to.deep.equal(Uint8Array.of(1, 1));
    const own = new Uint8Array(2);
    expect(unshared(own)).to.equal(own);
  });

  it("are refused once their memory was transferred, and not while they are empty", async () => {
    const array = new Float32Array(4);
    structuredClone(array, { transfer: [array.buffer] });
    const { message } = await failureOf("INVALID_ARGUMENT", () => {
      assertAttached(array, "images");
    });
    expect(message).to.match(/^invalid images: expected an array with its memory, received a Float32Array/);
    for (const empty of [new Uint8Array(0), new Uint8Array(new SharedArrayBuffer(0)), new Uint8Array(4).subarray(4)])
      assertAttached(empty, "images");
  });

  it("of other classes are refused by a schema, which lists those that it takes", async () => {
    const schema = typedArray("Uint8Array", "Int16Array");
    expect(parse(schema, elsewhere("new Int16Array(3)"), "values")).to.have.length(3);
    const { message } = await failureOf("INVALID_ARGUMENT", () => parse(schema, new Float64Array(2), "values"));
    expect(message).to.equal(
      "invalid values: expected a Uint8Array or an Int16Array, received a Float64Array of 2 elements.",
    );
  });
});
