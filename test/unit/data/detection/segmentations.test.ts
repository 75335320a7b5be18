import { expect } from "chai";
import { Segmentations } from "../../../../lib/datasets/detection/segmentations.js";

describe("compact outlines", () => {
  const POLYGONS = [[1.01, 2.07, 3.7, 0.3, 639.99, 0.7], [1 / 3, 2, 3, 4, 5, 6], [-0.5, 1e6, 21_474_836.48, 0, 1, 1], [
    1,
    2,
    3,
    4,
    5,
    0.005,
  ]];

  it("give back each coordinate bit for bit, with two decimals or more", () => {
    const outlines = new Segmentations();
    const indices = POLYGONS.map((polygon) => outlines.addPolygon(polygon));
    expect(indices.map((index) => outlines.polygon(index))).to.deep.equal(POLYGONS);
  });

  it("are exact for every coordinate of two decimals up to 2,000", () => {
    const outlines = new Segmentations();
    const numbers = Array.from({ length: 200_000 }, (_, hundredths) => Number((hundredths / 100).toFixed(2)));
    outlines.addPolygon(numbers);
    expect(outlines.polygon(0)).to.deep.equal(numbers);
  });

  it("give back masks with their sizes", () => {
    const outlines = new Segmentations();
    outlines.addRle(Buffer.from("0X1X1"), 8, 10);
    outlines.addRle(Buffer.from(":"), 2, 5);
    expect([0, 1].map((index) => outlines.rle(index))).to.deep.equal([{ size: [8, 10], counts: "0X1X1" }, {
      size: [2, 5],
      counts: ":",
    }]);
    expect(outlines.rleSize(1)).to.deep.equal([2, 5]);
  });
});
