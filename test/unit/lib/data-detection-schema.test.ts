import { expect } from "chai";
import { CocoSource, VocSource } from "../../../lib/config/schemas/detection/data.js";
import { parse } from "../../../lib/config/validation.js";
import { failureOf } from "../../support/errors.js";

describe("sources of detection data", () => {
  const DEFAULTS = { flip: true, invalidBoxes: "error", exif: "ignore", onDecodeError: "fail" };

  it("have the defaults of both reference implementations", () => {
    expect(parse(CocoSource, { kind: "coco", root: "coco" }, "source")).to.deep.equal({ kind: "coco", root: "coco",
      ...DEFAULTS });
    expect(parse(VocSource, { kind: "voc", root: "voc" }, "source")).to.deep.equal({ kind: "voc", root: "voc",
      trainSet: "train", testSet: "val", masks: false, ...DEFAULTS });
  });

  const WRONG: readonly (readonly [source: object, says: string])[] = [
    [{ kind: "coco" }, "expected either root, or images and annotations"],
    [{ kind: "coco", root: "a", images: "b", annotations: { train: "c", val: "d" } },
      "expected either root, or images"],
    [{ kind: "coco", images: "b" }, "expected either root, or images"],
    [{ kind: "coco", images: "b", annotations: { train: "c" } }, "invalid annotations.val in source"],
    [{ kind: "coco", root: "a", trainSizes: [0] }, "invalid trainSizes[0] in source"],
    [{ kind: "coco", root: "a", trainSizes: [] }, "invalid trainSizes in source"],
    [{ kind: "coco", root: "a", exif: true }, 'expected "ignore" or "rotate"'],
  ];

  for (const [source, says] of WRONG) {
    it(`refuse ${JSON.stringify(source)}`, async () => {
      expect((await failureOf("INVALID_ARGUMENT", () => parse(CocoSource, source, "source"))).message).to.include(says);
    });
  }

  it("refuse image sets that VOC does not have", async () => {
    expect(
      (await failureOf("INVALID_ARGUMENT",
        () => parse(VocSource, { kind: "voc", root: "a", trainSet: "all" }, "source")))
        .message,
    ).to.include('expected "train", "val", "trainval" or "test", received "all"');
  });
});
