import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { createDetector, createModel, listDetectors, loadDataset, Tensor, type Detector,
  type DetectorOptionsInput } from "../../../../lib/index.js";
import { filledDetector, namedImage } from "../../../support/detectors.js";
import { failureOf } from "../../../support/errors.js";
import { valuesOf } from "../../../support/numeric.js";

const SMALL = { numClasses: 3, detection: { minSize: 64, maxSize: 128 } } as const;

describe("createDetector", () => {
  for (const name of ["faster-rcnn-resnet81-fpn", "fasterrcnn-resnet18-fpn", "faster-rcnn-resnet18", "resnet18", ""]) {
    it(`refuses the name "${name}" and says what names look like`, async () => {
      const { message } = await failureOf("UNKNOWN_NAME", () => createDetector(name));
      expect(message).to.include("faster-rcnn-BACKBONE-fpn, mask-rcnn-BACKBONE-fpn or retinanet-BACKBONE-fpn");
      expect(message).to.include(`"${name}"`);
    });
  }

  for (const [name, meant] of [
    ["faster-rcnn-resnet5-fpn", "faster-rcnn-resnet50-fpn"],
    ["mask_rcnn_resnet50_fpn", "mask-rcnn-resnet50-fpn"],
    ["fasterrcnn_resnet50_fpn", "faster-rcnn-resnet50-fpn"],
    ["retinanet_resnet50_fpn_v2", "retinanet-resnet50-fpn"],
  ] as const) {
    it(`suggests ${meant} for ${name}, also where a classifier is expected`, async () => {
      const error = await failureOf("UNKNOWN_NAME", () => createDetector(name));
      expect(error.message).to.match(new RegExp(`received "${name}"; did you mean "${meant}"\\?$`));
      expect(error.valid).to.include(meant);
      const { message } = await failureOf("UNKNOWN_NAME", () => createModel(name));
      expect(message).to.include(`did you mean "${meant}"?`);
    });
  }

  for (const backbone of ["resnet20", "vgg16", "shufflenetv2"]) {
    it(`refuses ${backbone}, which lacks the stages of a pyramid`, async () => {
      await failureOf("UNKNOWN_NAME", () => createDetector(`faster-rcnn-${backbone}-fpn`));
    });
  }

  it("is another function than createModel, which refuses detectors and says so", async () => {
    const { message } = await failureOf("UNKNOWN_NAME", () => createModel("faster-rcnn-resnet18-fpn"));
    expect(message).to.match(/received the detector "faster-rcnn-resnet18-fpn"\. Create it with createDetector\.$/);
    expect((await failureOf("UNKNOWN_NAME", () => createModel("resnet-8"))).message).to.include(
      'did you mean "resnet8"?',
    );
  });

  for (const [name, levels] of [["retinanet-resnet18-fpn", "p3, p4, p5, p6, p7"], ["faster-rcnn-resnet18-fpn",
    "p2, p3, p4, p5, p6"]] as const) {
    it(`refuses anchors for other levels than those of ${name}`, async () => {
      const create = (anchorSizes: number[][]): Promise<string> =>
        failureOf("INVALID_ARGUMENT", () => createDetector(name, { detection: { anchorSizes } })).then(({ message }) =>
          message
        );
      expect(await create([[32], [64], [128]])).to.include(`the 5 levels ${levels}, received 3`);
      expect(await create([[8], [16], [32], [64], [128], [256]])).to.include("received 6");
      expect(await create([[8], [16], [32, 40], [64], [128]])).to.match(
        /as many sides for p[45] as for p[23], 1, received 2/,
      );
    });
  }

  it("takes its classes, and the size of drawn scenes, from data", async () => {
    using scenes = await loadDataset({ kind: "scenes", numClasses: 2, trainSamples: 1, testSamples: 1 });
    for (const [name, classes] of [["retinanet-resnet18-fpn", 2], ["faster-rcnn-resnet18-fpn", 3]] as const) {
      using detector = await createDetector(name, { data: scenes });
      expect([detector.numClasses, detector.detection.minSize]).to.deep.equal([classes, null]);
    }
    using other = await createDetector("retinanet-resnet18-fpn", { data: scenes, numClasses: 9,
      detection: { minSize: 96 } });
    expect([other.numClasses, other.detection.minSize]).to.deep.equal([9, 96]);
    using alone = await createDetector("retinanet-resnet18-fpn", { numClasses: 2 });
    expect(alone.detection.minSize).to.equal(800);
  });

  it("refuses data of a classifier, and what is no data", async () => {
    using labelled = await loadDataset({ kind: "synthetic", trainSamples: 8, testSamples: 4 });
    await failureOf("INVALID_ARGUMENT", () => createDetector("retinanet-resnet18-fpn", { data: labelled }));
    await failureOf("INVALID_ARGUMENT", () => createDetector("retinanet-resnet18-fpn", { data: {} as never }));
  });

  for (const [name, option] of [
    ["retinanet-resnet18-fpn", { rpnNmsThresh: 0.5 }],
    ["retinanet-resnet18-fpn", { boxScoreThresh: 0.5 }],
    ["faster-rcnn-resnet18-fpn", { boxLoss: "giou" }],
    ["mask-rcnn-resnet18-fpn", { topkCandidates: 5 }],
  ] as const) {
    it(`names ${Object.keys(option)[0]}, which ${name} does not have`, async () => {
      const { message } = await failureOf("INVALID_ARGUMENT", () => createDetector(name, { detection: option }));
      expect(message).to.match(/^invalid detection options: expected one of the keys/);
      expect(message).to.include(Object.keys(option)[0]);
    });
  }

  for (const options of [
    { numClasses: 0 },
    { flavor: "mmdetection" },
    { detection: { minSize: 0 } },
    { detection: { trainableLayers: 6 } },
    { detection: { imageStd: [1, 0, 1] } },
    { detection: { anchorSizes: [] } },
    { detection: { boxNmsThresh: 1.1 } },
    { detection: "none" },
  ]) {
    it(`refuses ${JSON.stringify(options)}`, async () => {
      await failureOf("INVALID_ARGUMENT", () =>
        createDetector("faster-rcnn-resnet18-fpn", options as unknown as DetectorOptionsInput));
    });
  }

  it("knows the names that listDetectors lists", async () => {
    const names = listDetectors();
    expect(names).to.include("mask-rcnn-resnet101-fpn").and.include("faster-rcnn-mobilenetv2-fpn");
    using detector = await createDetector(names.find((name) => name.startsWith("retinanet-"))!, SMALL);
    expect(names).to.include(detector.name);
  });

  it("gives the same weights for the same seed", async () => {
    const bytes = async (seed: number): Promise<Buffer> => {
      using detector = await createDetector("retinanet-resnet18-fpn", { ...SMALL, seed });
      const state = await detector.stateDict();
      return Buffer.concat(Object.values(state).map((entry) => Buffer.from(entry.toTypedArray().buffer)));
    };
    const first = await bytes(1);
    expect(first.equals(await bytes(1))).to.equal(true);
    expect(first.equals(await bytes(2))).to.equal(false);
  });

  it("starts RetinaNet with scores of 1 %", async () => {
    using detector = await createDetector("retinanet-resnet18-fpn", SMALL);
    const { "head.classification_head.cls_logits.bias": bias } = await detector.stateDict();
    for (const value of valuesOf(bias!)) expect(value).to.be.closeTo(-Math.log(99), 1e-6); // float32
  });
});

describe("the flavor of a detector", () => {
  const forward = async (flavor: "torchvision" | "detectron2") => {
    using detector = await createDetector("retinanet-resnet18-fpn", { ...SMALL, flavor });
    const gray = Tensor.from(new Float64Array(3 * 64 * 64).fill(0.5), [3, 64, 64]);
    return valuesOf((await detector.forward([gray])).input);
  };

  it("decides the channels' order, scale and mean", async () => {
    const [torchvision, detectron2] = [await forward("torchvision"), await forward("detectron2")];
    // float32
    expect(torchvision[0]).to.be.closeTo((0.5 - 0.485) / 0.229, 1e-5);
    expect(detectron2[0]).to.be.closeTo(127.5 - 103.53, 1e-4);
  });

  it("decides what p6 of RetinaNet is computed from", async () => {
    for (const [flavor, channels] of [["torchvision", 256], ["detectron2", 512]] as const) {
      using detector = await createDetector("retinanet-resnet18-fpn", { ...SMALL, flavor });
      const { "backbone.fpn.extra_blocks.p6.weight": p6 } = await detector.stateDict();
      expect(p6!.shape, flavor).to.deep.equal([256, channels, 3, 3]);
    }
  });

  it("is overridden by single options", async () => {
    using detector = await createDetector("retinanet-resnet18-fpn", { ...SMALL, flavor: "detectron2",
      detection: { ...SMALL.detection, p6Source: "p5", channelOrder: "rgb", pixelScale: 1, imageMean: [0.5, 0, 0] } });
    const { "backbone.fpn.extra_blocks.p6.weight": p6 } = await detector.stateDict();
    expect(p6!.shape[1]).to.equal(256);
    const red = Tensor.from(Float64Array.from({ length: 3 * 4096 }, (_, i) => (i < 4096 ? 1 : 0)), [3, 64, 64]);
    expect(valuesOf((await detector.forward([red])).input)[0]).to.equal(0.5);
  });

  for (const flavor of ["torchvision", "detectron2"] as const) {
    it(`of ${flavor} has mean and std in reverse with reverseImageStats, also from its file`, async () => {
      const path = join(await mkdtemp(join(tmpdir(), "reviewkd-stats-")), "reversed.safetensors");
      const pixels = 64 * 64;
      const image = Tensor.from(Float64Array.from({ length: 3 * pixels }, (_, i) => 0.2 + 0.3 * Math.floor(i / pixels)),
        [3, 64, 64]);
      const detection = { ...SMALL.detection, imageStd: [0.5, 2, 4] } as const;
      using plain = await createDetector("retinanet-resnet18-fpn", { ...SMALL, flavor, detection });
      using reversed = await createDetector("retinanet-resnet18-fpn", { ...SMALL, flavor,
        detection: { ...detection, reverseImageStats: true } });
      const { imageMean, pixelScale } = plain.detection as {
        imageMean: readonly [number, number, number];
        pixelScale: number;
      };
      const channels = (flavor === "torchvision" ? [0.2, 0.5, 0.8] : [0.8, 0.5, 0.2]).map((value) =>
        value * pixelScale
      );
      const expectInput = async (detector: Detector, mean: readonly number[],
        std: readonly number[]): Promise<void> => {
        const input = valuesOf((await detector.forward([image])).input);
        channels.forEach((value, channel) => {
          // float32, of values up to 255
          expect(input[channel * pixels]).to.be.closeTo((value - mean[channel]!) / std[channel]!, 1e-4);
        });
      };
      await expectInput(plain, imageMean, [0.5, 2, 4]);
      await expectInput(reversed, [...imageMean].reverse(), [4, 2, 0.5]);
      await reversed.save(path);
      using restored = await createDetector("retinanet-resnet18-fpn", { weights: path });
      expect(restored.detection).to.include({ reverseImageStats: true });
      using student = await createDetector("retinanet-resnet18-fpn", { ...SMALL, backboneWeights: path });
      expect(student.detection).to.include({ reverseImageStats: true });
      await rm(dirname(path), { recursive: true });
    });
  }

  it("has names of its own, with the background last and no row for it in boxes", async () => {
    using detector = await createDetector("mask-rcnn-resnet18-fpn", SMALL);
    const names = await detector.stateDict({ names: "detectron2" });
    expect(names["roi_heads.box_predictor.cls_score.bias"]!.shape).to.deep.equal([3]);
    expect(names["roi_heads.box_predictor.bbox_pred.bias"]!.shape).to.deep.equal([8]);
    expect(names["roi_heads.mask_head.predictor.bias"]!.shape).to.deep.equal([2]);
    const ours = valuesOf((await detector.stateDict())["roi_heads.box_predictor.cls_score.bias"]!);
    expect(valuesOf(names["roi_heads.box_predictor.cls_score.bias"]!)).to.deep.equal([ours[1], ours[2], ours[0]]);
  });
});

describe("detect", () => {
  let detector: Detector;

  before(async () => {
    detector = await filledDetector("mask-rcnn-resnet18-fpn", { dtype: "float32", numClasses: 4,
      detection: { ...SMALL.detection, boxScoreThresh: 0.2, boxDetectionsPerImg: 5 } });
  });
  after(() => {
    detector.dispose();
  });

  it("finds objects of images of odd sizes in their own pixels, by falling score", async () => {
    const sizes = [[1, 1], [37, 61], [7, 300]] as const;
    const found = await detector.detect(sizes.map(([height, width], i) => namedImage(`image${i}`, height, width)));
    expect(found).to.have.length(3);
    for (const [i, [height, width]] of sizes.entries()) {
      const { boxes, scores, labels, masks } = found[i]!;
      const count = scores.shape[0]!;
      expect(count).to.be.at.most(5);
      expect(masks!.shape).to.deep.equal([count, height, width]);
      expect(masks!.dtype).to.equal("uint8");
      for (const [at, value] of valuesOf(boxes).entries()) expect(value).to.be.within(0, at % 2 ? height : width);
      expect(valuesOf(scores)).to.deep.equal(valuesOf(scores).toSorted((a, b) => b - a));
      for (const label of valuesOf(labels)) expect(label).to.be.within(1, 3);
    }
    expect(found.some(({ scores }) => scores.shape[0]! > 0)).to.equal(true);
  });

  it("gives masks as probabilities if it has no threshold", async () => {
    const image = namedImage("image", 64, 64);
    const [soft] = await detector.detect([image], { maskThreshold: null });
    const [hard] = await detector.detect([image], { maskThreshold: 0.5 });
    expect(soft!.masks!.dtype).to.equal("float32");
    expect(valuesOf(soft!.masks!).map((value) => Number(value > 0.5))).to.deep.equal(valuesOf(hard!.masks!));
  });

  it("gives empty lists of an image without detections", async () => {
    using strict = await filledDetector("mask-rcnn-resnet18-fpn", { dtype: "float32", numClasses: 4,
      detection: { ...SMALL.detection, boxScoreThresh: 1 } });
    const [found] = await strict.detect([namedImage("image", 40, 50)]);
    expect(found!.boxes.shape).to.deep.equal([0, 4]);
    expect(found!.scores.shape).to.deep.equal([0]);
    expect(found!.labels.dtype).to.equal("int64");
    expect(found!.masks!.shape).to.deep.equal([0, 40, 50]);
  });

  it("finds the same in a batch as in an image alone", async () => {
    const images = [namedImage("a", 64, 96), namedImage("b", 64, 64)];
    const [together] = await detector.detect(images);
    const [alone] = await detector.detect(images.slice(0, 1));
    expect(valuesOf(together!.labels)).to.deep.equal(valuesOf(alone!.labels));
  });

  it("refuses no images, other shapes and types, and other values", async () => {
    const detect = (images: unknown) => () => detector.detect(images as Tensor[]);
    await failureOf("INVALID_ARGUMENT", detect([1]));
    await failureOf("INVALID_ARGUMENT", detect(1));
    await failureOf("SHAPE_MISMATCH", detect([Tensor.from(new Float64Array(64), [1, 8, 8])]));
    await failureOf("SHAPE_MISMATCH", detect([Tensor.from(new Float64Array(192), [1, 3, 8, 8])]));
    await failureOf("SHAPE_MISMATCH", detect([Tensor.from(new Float64Array(0), [3, 0, 8])]));
    const { message } = await failureOf("DTYPE_MISMATCH", detect([Tensor.from(new Uint8Array(192), [3, 8, 8])]));
    expect(message).to.include("Divide bytes by 255");
  });

  it("survives an image of values that are not numbers", async () => {
    const [found] = await detector.detect([Tensor.from(new Float64Array(192).fill(Number.NaN), [3, 8, 8])]);
    expect(valuesOf(found!.scores).every(Number.isFinite)).to.equal(true);
  });

  it("refuses a detector or image that was disposed", async () => {
    const disposed = await createDetector("retinanet-resnet18-fpn", SMALL);
    disposed.dispose();
    await failureOf("DISPOSED", () => disposed.detect([namedImage("image", 8, 8)]));
    const image = namedImage("image", 8, 8);
    image.dispose();
    await failureOf("DISPOSED", () => detector.detect([image]));
  });
});
