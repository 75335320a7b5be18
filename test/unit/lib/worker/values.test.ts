import { expect } from "chai";
import { z } from "zod";
import { decode, encode, reference, transferListOf } from "../../../../lib/worker/values.js";
import { failureOf } from "../../../support/errors.js";

const plain = (): undefined => undefined;

describe("values between processes", () => {
  it("have references where a schema expects objects, and are data elsewhere", () => {
    const object = { name: "one" };
    const sent = encode({ here: object, list: [object] },
      (value) => (value === object ? { kind: "Thing", handle: 4 } : undefined), false);
    expect(sent).to.deep.equal({ here: { kind: "Thing", handle: 4 }, list: [{ kind: "Thing", handle: 4 }] });
    const schema = z.strictObject({ here: reference("Thing"), list: z.array(z.unknown()) });
    expect(decode(schema, sent, "value", () => object)).to.deep.equal({ here: object,
      list: [{ kind: "Thing", handle: 4 }] });
  });

  it("are refused with another class, a handle that is none, or more than a reference has", async () => {
    for (const value of [{ kind: "Other", handle: 4 }, { kind: "Thing", handle: "4" }, { kind: "Thing", handle: 4,
      more: 1 }, null]) {
      const { message } = await failureOf("INVALID_ARGUMENT", () =>
        decode(z.tuple([reference("Thing")]), [value], "value", () => ({})));
      expect(message).to.include("a Thing");
    }
  });

  it("have no functions, and copies of what several threads see", async () => {
    await failureOf("INVALID_ARGUMENT", () => encode({ callback: () => 1 }, plain, false));
    const shared = new Float32Array(new SharedArrayBuffer(8)).fill(2);
    const copy = encode(shared, plain, false) as Float32Array;
    expect(copy.buffer).to.be.instanceOf(ArrayBuffer);
    expect(copy).to.deep.equal(new Float32Array([2, 2]));
  });

  it("hand a whole buffer over, and copy one that stays in use or a part of one", () => {
    const values = new Float32Array([1, 2, 3]);
    expect(transferListOf([encode(values, plain, false)])).to.deep.equal([values.buffer]);
    const part = encode([values.subarray(1)], plain, false) as [Float32Array];
    expect([part[0].byteLength, part[0].buffer.byteLength]).to.deep.equal([8, 8]);
    const kept = encode({ values }, plain, true) as { values: Float32Array };
    expect(kept.values.buffer).not.to.equal(values.buffer);
    expect(transferListOf([kept, 1, null, {}])).to.deep.equal([kept.values.buffer]);
    expect(encode(Buffer.from([1, 2]), plain, false)).to.deep.equal(new Uint8Array([1, 2]));
  });
});
