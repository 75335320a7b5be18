import { expect } from "chai";
import { classColor, textColor, tint } from "../../../lib/detection/draw-colors.js";

/** Distance of two colours of sRGB, from 0 to 442. */
function distance(a: readonly number[], b: readonly number[]): number {
  return Math.hypot(...a.map((value, channel) => value - (b[channel] ?? 0)));
}

describe("colours of classes", () => {
  it("are bytes, and always the same for a label", () => {
    for (let label = 0; label < 100; ++label) {
      const color = classColor(label);
      expect(color).to.have.length(3);
      for (const value of color) expect(value).to.satisfy(Number.isInteger).and.be.within(0, 255);
      expect(classColor(label)).to.deep.equal(color);
    }
  });

  it("differ for all of COCO's labels, and much for neighbours", () => {
    const colors = Array.from({ length: 91 }, (_, label) => classColor(label));
    expect(new Set(colors.map(String)).size).to.equal(91);
    // 60 of 442 separates red from orange.
    for (let label = 1; label < 91; ++label)
      expect(distance(colors[label - 1]!, colors[label]!), String(label)).to.be.greaterThan(60);
  });

  it("have text that is readable by WCAG's ratio of 4.5", () => {
    expect(textColor([255, 255, 255])).to.equal("#111");
    expect(textColor([0, 0, 120])).to.equal("#fff");
  });

  it("are mixed with white", () => {
    expect(tint([0, 100, 255], 0.5)).to.deep.equal([128, 178, 255]);
  });
});
