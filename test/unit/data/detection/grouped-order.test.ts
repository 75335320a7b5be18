import { expect } from "chai";
import { drawFlip, drawSize, groupedOrder, ratioEdges } from "../../../../lib/datasets/detection/grouped-order.js";
import { addon } from "../../../../lib/native.js";
import { failureOf } from "../../../support/errors.js";

/** Ratios of 103 images: two thirds wide, the others upright. */
const RATIOS = Array.from({ length: 103 }, (_, i) => i % 3 === 0 ? 0.75 : 4 / 3 + i / 1000);
const OPTIONS = { batchSize: 8, seed: 5, epoch: 2 };

describe("grouped order", () => {
  it("has each image once, in batches of which only the last is smaller", async () => {
    const batches = await groupedOrder(RATIOS, OPTIONS);
    expect(batches.map(({ length }) => length)).to.deep.equal([...Array<number>(12).fill(8), 7]);
    expect(batches.flatMap((batch) => [...batch]).sort((a, b) => a - b)).to.deep.equal([...RATIOS.keys()]);
  });

  it("mixes groups only in the batches at the end, which complete those that remain", async () => {
    const batches = await groupedOrder(RATIOS, OPTIONS);
    const mixed = batches.map((batch) => new Set([...batch].map((index) => RATIOS[index]! < 1)).size > 1);
    // 35 upright images are 4 batches and 3 images, 68 wide ones 8 batches and 4 images.
    expect(mixed).to.deep.equal([...Array<boolean>(12).fill(false), true]);
  });

  it("depends on seed and epoch alone, and takes the images of a group in the order of the data set", async () => {
    const batches = await groupedOrder(RATIOS, OPTIONS);
    expect(await groupedOrder(RATIOS, OPTIONS)).to.deep.equal(batches);
    expect(await groupedOrder(RATIOS, { ...OPTIONS, epoch: 3 })).not.to.deep.equal(batches);
    expect(await groupedOrder(RATIOS, { ...OPTIONS, seed: 6 })).not.to.deep.equal(batches);
    const upright = [...await addon().dataOrder(RATIOS.length, 5, 2, true)].filter((index) => RATIOS[index]! < 1);
    const found = batches.flatMap((batch) => [...batch]).filter((index) => RATIOS[index]! < 1);
    expect(found).to.deep.equal(upright);
  });

  it("keeps the order of the images without shuffling, and without groups", async () => {
    const batches = await groupedOrder([2, 1, 0.5], { batchSize: 2, shuffle: false, groups: [] });
    expect(batches.map((batch) => [...batch])).to.deep.equal([[0, 1], [2]]);
  });

  it("assigns a ratio at an edge to the group above it", async () => {
    const batches = await groupedOrder([0.5, 1, 0.9, 2], { batchSize: 2, shuffle: false });
    expect(batches.map((batch) => [...batch])).to.deep.equal([[0, 2], [1, 3]]);
  });

  it("is empty without images", async () => {
    expect(await groupedOrder([], { batchSize: 2 })).to.deep.equal([]);
  });

  it("has torchvision's edges", () => {
    // torchvision: 2 ** np.linspace(-1, 1, 2 * k + 1)
    expect(ratioEdges(1)).to.deep.equal([0.5, 1, 2]);
    expect(ratioEdges(3).map((edge) => edge.toFixed(12))).to.deep.equal(["0.500000000000", "0.629960524947",
      "0.793700525984", "1.000000000000", "1.259921049895", "1.587401051968", "2.000000000000"]);
    expect(ratioEdges(0)).to.deep.equal([1]);
    expect(() => ratioEdges(-1)).to.throw("invalid factor");
  });

  it("refuses ratios that are none, and edges that do not ascend", async () => {
    for (const ratio of [0, -1, NaN, Infinity]) {
      expect((await failureOf("INVALID_ARGUMENT", () => groupedOrder([1, ratio], { batchSize: 1 }))).message).to
        .include(
          "invalid aspectRatios[1]",
        );
    }
    await failureOf("INVALID_ARGUMENT", () => groupedOrder([1], { batchSize: 1, groups: [1, 1] }));
    await failureOf("INVALID_ARGUMENT", () => groupedOrder([1], { batchSize: 0 }));
    await failureOf("INVALID_ARGUMENT", () => groupedOrder(undefined as never, { batchSize: 1 }));
  });
});

describe("draws of training images", () => {
  const SIZES = [640, 672, 704, 736, 768, 800];
  const DRAWS = 6000;

  it("give each size about as often, and depend on seed, epoch and index", () => {
    const drawn = Array.from({ length: DRAWS }, (_, index) => drawSize(SIZES, 1, 0, index));
    // Five standard deviations of a binomial count.
    const margin = 5 * Math.sqrt(DRAWS * (1 / 6) * (5 / 6));
    for (const size of SIZES)
      expect(drawn.filter((other) => other === size).length, String(size)).to.be.closeTo(DRAWS / 6, margin);
    expect(Array.from({ length: DRAWS }, (_, index) => drawSize(SIZES, 1, 0, index))).to.deep.equal(drawn);
    for (const [seed, epoch] of [[2, 0], [1, 1]] as const)
      expect(Array.from({ length: 50 }, (_, index) => drawSize(SIZES, seed, epoch, index))).not.to.deep.equal(
        drawn.slice(0, 50),
      );
  });

  it("reach every one of many sizes", () => {
    for (const count of [1, 2, 3, 7, 49, 161]) {
      const sizes = Array.from({ length: count }, (_, i) => i);
      const drawn = new Set(Array.from({ length: 20 * count }, (_, index) => drawSize(sizes, 3, 1, index)));
      // Each is missed with a probability of e^-20.
      expect(drawn.size).to.equal(count);
    }
  });

  it("mirror half of the images, independently of the size", () => {
    const flips = Array.from({ length: DRAWS }, (_, index) => drawFlip(1, 0, index));
    const margin = 5 * Math.sqrt(DRAWS / 4);
    expect(flips.filter(Boolean).length).to.be.closeTo(DRAWS / 2, margin);
    const small = flips.filter((flip, index) => flip && drawSize(SIZES, 1, 0, index) < 736);
    expect(small.length).to.be.closeTo(DRAWS / 4, margin);
    expect(drawFlip(1, 0, 17)).to.equal(
      addon().randomResizedCrop(1, 0, 17, 300, 400, { scale: [0.08, 1], ratio: [1, 2] }).flip,
    );
  });

  it("need a size", () => {
    for (const [sizes, received] of [[[], "none"], [undefined, "nothing"], ["800", '"800"']] as const) {
      expect(() => drawSize(sizes as never, 1, 0, 0)).to.throw(
        `invalid sizes: expected at least one, received ${received}.`,
      );
    }
  });
});
