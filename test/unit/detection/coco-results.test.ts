import { expect } from "chai";
import { detectedObjects, evaluateDetections, masks, Tensor, toCocoResults,
  type Detections } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";

const [WIDTH, HEIGHT] = [20, 16];

/** Two objects, whose masks fill their boxes. */
function found(): Detections {
  const pixels = new Uint8Array(2 * WIDTH * HEIGHT);
  const fill = (index: number, [x1, y1, x2, y2]: readonly [number, number, number, number]): void => {
    for (let y = y1; y < y2; ++y)
      pixels.fill(1, (index * HEIGHT + y) * WIDTH + x1, (index * HEIGHT + y) * WIDTH + x2);
  };
  fill(0, [2, 3, 8, 9]);
  fill(1, [10, 4, 19, 15]);
  return { boxes: Tensor.from(Float32Array.of(2, 3, 8, 9, 10, 4, 19, 15), [2, 4]),
    scores: Tensor.from(Float32Array.of(0.75, 0.5), [2]), labels: Tensor.from(BigInt64Array.of(1n, 2n), [2]),
    masks: Tensor.from(pixels, [2, HEIGHT, WIDTH]) };
}

describe("detectedObjects", () => {
  it("gives class, score and corners as plain numbers", () => {
    expect(detectedObjects(found())).to.deep.equal([
      { label: 1, score: 0.75, box: [2, 3, 8, 9] },
      { label: 2, score: 0.5, box: [10, 4, 19, 15] },
    ]);
  });

  it("refuses detections of different lengths, and values that are not finite", async () => {
    const { boxes, ...rest } = found();
    const one = Tensor.from(Float32Array.of(0.5), [1]);
    const { message } = await failureOf("SHAPE_MISMATCH", () => detectedObjects({ boxes, ...rest, scores: one }));
    expect(message).to.include("scores").and.include("[2]").and.include("[1]");
    const broken = Tensor.from(Float32Array.of(2, 3, 8, NaN, 10, 4, 19, 15), [2, 4]);
    const { message: reason } = await failureOf("INVALID_ARGUMENT", () => detectedObjects({ ...rest, boxes: broken }));
    expect(reason).to.include("boxes[0]");
  });
});

describe("toCocoResults", () => {
  it("gives x, y, width and height, the label as category, and the mask as a string", async () => {
    const { masks: pixels, ...boxes } = found();
    expect(await toCocoResults(7, boxes)).to.deep.equal([
      { image_id: 7, category_id: 1, bbox: [2, 3, 6, 6], score: 0.75 },
      { image_id: 7, category_id: 2, bbox: [10, 4, 9, 11], score: 0.5 },
    ]);
    const [first] = await toCocoResults(7, { ...boxes, masks: pixels! });
    expect(first?.segmentation).to.deep.equal(await masks.fromBox([2, 3, 6, 6], HEIGHT, WIDTH));
  });

  it("takes the id of each label's category, and names a label without one", async () => {
    const results = await toCocoResults(7, found(), [0, 18, 44]);
    expect(results.map(({ category_id: id }) => id)).to.deep.equal([18, 44]);
    for (const ids of [[0, 18], [0, 18, undefined]]) {
      const { message } = await failureOf("INVALID_ARGUMENT", () => toCocoResults(7, found(), ids));
      expect(message).to.include("expected one for label 2");
    }
    await failureOf("INVALID_ARGUMENT", () => toCocoResults(1.5, found()));
  });

  it("is what the evaluation reads: true boxes and masks score 1", async () => {
    const detections = await toCocoResults(7, found());
    const groundTruth = { images: [{ id: 7, width: WIDTH, height: HEIGHT }], categories: [{ id: 1 }, { id: 2 }],
      annotations: detections.map((truth, index) => ({ ...truth, id: index + 1, area: 40 })) };
    // The mean of ones over 101 recalls, whose division rounds.
    for (const kind of ["bbox", "segm"] as const)
      expect((await evaluateDetections({ groundTruth, detections, kind })).stats.ap).to.be.closeTo(1, 1e-12);
  });

  it("is empty without detections", async () => {
    const none = { boxes: Tensor.from(new Float32Array(0), [0, 4]), scores: Tensor.from(new Float32Array(0), [0]),
      labels: Tensor.from(new BigInt64Array(0), [0]), masks: Tensor.from(new Uint8Array(0), [0, 4, 5]) };
    expect(await toCocoResults(7, none)).to.deep.equal([]);
  });
});

describe("masks.encodeAll", () => {
  it("encodes each mask as encode does", async () => {
    const { masks: pixels } = found();
    const all = await masks.encodeAll(pixels!, { compressed: false });
    const second = Tensor.from((pixels!.toTypedArray() as Uint8Array).slice(WIDTH * HEIGHT), [HEIGHT, WIDTH]);
    expect(all).to.have.length(2);
    expect(all[1]).to.deep.equal(await masks.encode(second, { compressed: false }));
  });

  it("refuses other types and shapes", async () => {
    await failureOf("DTYPE_MISMATCH", () => masks.encodeAll(Tensor.from(new Float32Array(8), [2, 2, 2])));
    await failureOf("SHAPE_MISMATCH", () => masks.encodeAll(Tensor.from(new Uint8Array(4), [2, 2])));
  });
});
