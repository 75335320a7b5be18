import { expect } from "chai";
import { PagedArray, PagedText } from "../../../../lib/datasets/detection/paged-array.js";

describe("paged arrays", () => {
  it("have what was pushed, across pages", () => {
    const numbers = new PagedArray(Float64Array);
    for (let i = 0; i < 50_000; ++i) numbers.push(i / 3);
    expect(numbers.length).to.equal(50_000);
    for (const i of [0, 16_383, 16_384, 32_768, 49_999]) expect(numbers.at(i)).to.equal(i / 3);
  });

  it("can be changed in place", () => {
    const numbers = new PagedArray(Int32Array);
    numbers.push(1);
    numbers.set(0, -2);
    expect([numbers.at(0), numbers.length]).to.deep.equal([-2, 1]);
  });

  it("keep texts, empty and beyond ASCII", () => {
    const texts = new PagedText();
    const all = ["a.jpg", "", "ü/日本.png", "x".repeat(20_000), "z"];
    for (const text of all) texts.push(text);
    expect(all.map((_, index) => texts.at(index))).to.deep.equal(all);
  });
});
