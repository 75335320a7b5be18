import { expect } from "chai";
import { assertNormalized } from "../../../lib/datasets/float-images.js";
import { loadDataset, type Normalization } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";

const IMAGENET: Normalization = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const IDENTITY: Normalization = { mean: [0, 0, 0], std: [1, 1, 1] };
const pixels = Float32Array.from({ length: 192 }, (_, at) => (at * 37.5) % 255);

describe("float images", () => {
  it("are refused if they are certainly the values of pixels", async () => {
    for (const normalization of [undefined, IMAGENET]) {
      const { message } = await failureOf("INVALID_ARGUMENT", () => {
        assertNormalized("train.images", pixels, normalization);
      });
      expect(message).to.match(/^invalid train\.images: expected normalized floats, received values from 0 to 2\d\d/);
    }
    const split = { images: pixels, labels: [0] };
    await failureOf("INVALID_ARGUMENT",
      () => loadDataset({ kind: "arrays", numClasses: 2, height: 8, width: 8, train: split, test: split }));
  });

  it("are accepted if they may be anything else", () => {
    const accepted = {
      bytes: Uint8Array.from(pixels),
      scaled: pixels.map((value) => value / 255),
      normalized: pixels.map((value) => (value / 255 - 0.5) / 0.05),
      "without their mean": pixels.map((value) => value - 104),
      empty: new Float32Array(),
      "of wide range": Float32Array.of(0, 20, 60),
    };
    for (const images of Object.values(accepted)) assertNormalized("images", images, undefined);
    assertNormalized("images", pixels, IDENTITY);
  });

  it("are refused at the first image of a stream", async () => {
    const items = [{ image: pixels, label: 0 }];
    const stream = { samples: 1, items };
    using data = await loadDataset({ kind: "stream", numClasses: 2, height: 8, width: 8, train: stream, test: stream });
    const { message } = await failureOf("INVALID_ARGUMENT", async () => {
      for await (const batch of data.test.batches({ batchSize: 1 })) batch.images.dispose();
    });
    expect(message).to.include("invalid image 0 of a stream");
  });
});
