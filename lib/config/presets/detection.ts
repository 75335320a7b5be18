import type { PresetInput, PresetMark } from "../schemas/preset.js";
import { PAPER, type PresetEntry, type PresetPair } from "./entry.js";

type Training = PresetInput["training"];
type Detector = NonNullable<NonNullable<PresetInput["detectors"]>["student"]>;

/** detectron2's "1×" at half its batch: 8 images, 180,000 steps. The rate is that of R-CNNs. */
const OFFICIAL = {
  epochs: null,
  maxSteps: 180_000,
  batchSize: 8,
  optimizer: { kind: "sgd", learningRate: 0.01, momentum: 0.9, nesterov: false, weightDecay: 1e-4, normWeightDecay: 0 },
  schedule: { kind: "multi-step", milestones: [], milestoneSteps: [120_000, 160_000], factor: 0.1, warmupSteps: 1000,
    warmupFactor: 0.001 },
  augment: true,
} satisfies Training;

const RETINANET = { ...OFFICIAL, optimizer: { ...OFFICIAL.optimizer, learningRate: 0.005 } } satisfies Training;

/** Short sides of the training images. */
const DATA = { trainSizes: [640, 672, 704, 736, 768, 800] };

/** The weight is full from the first step; only the learning rate warms up. */
const METHOD = { kind: "review", warmupEpochs: 0 } as const;

const OFFICIAL_SOURCE = `${PAPER} and its published detection code`;

interface DetectionPair extends PresetPair {
  readonly weight: number;
  readonly training?: Training;
  readonly student?: Detector;
  readonly teacher?: Detector;
  readonly source?: string;
}

function pair(teacher: string, student: string,
  { weight, training = OFFICIAL, source, published, marks = [], ...detectors }: DetectionPair): PresetEntry {
  return {
    description: `${student} under ${teacher} on COCO.`,
    origin: "published",
    source:
      `${OFFICIAL_SOURCE}; results of teacher and student that are not marked: detectron2's model zoo (teachers 3×, ResNet50 students 1×)${source === undefined ? "" : `; ${source}`}`,
    dataset: "coco",
    data: DATA,
    teacher,
    student,
    detectors: { student: { flavor: "detectron2", ...detectors.student }, teacher: { ...detectors.teacher } },
    method: { ...METHOD, weight },
    training,
    published,
    marks: [...marks],
  };
}

const fromMemory = (...figures: string[]): PresetMark[] =>
  figures.map((figure) => ({ field: `published.${figure}`, origin: "memory" }));

const quirk = (note: string, fields: readonly string[], network: "student" | "teacher" = "student"): PresetMark[] =>
  fields.map((field) => ({ field: `detectors.${network}.detection.${field}`, origin: "quirk", note }));

const REVERSED = { detection: { reverseImageStats: true } } as const;
const REVERSED_NOTE =
  "the published configuration reads RGB, but has mean and std in the order of BGR: red and blue are off by 20 of 255";

/** Of ResNet18 students: both networks read images with the statistics of red and blue exchanged. */
const RESNET18 = {
  student: REVERSED,
  teacher: REVERSED,
  marks: [
    ...quirk(REVERSED_NOTE, ["reverseImageStats"]),
    ...quirk("the teacher reads BGR there, but has mean and std in the order of RGB", ["reverseImageStats"], "teacher"),
  ],
} as const;

/** Of MobileNetV2 students: no stage is frozen, though the norms are. */
const MOBILENETV2 = {
  student: {
    detection: { trainableLayers: 5, channelOrder: "bgr", pixelScale: 255, imageMean: [103.53, 116.28, 123.675],
      imageStd: [1, 1, 1] },
  },
  marks: quirk(
    "for weights that were converted to BGR from 0 to 255; torchvision's read RGB from 0 to 1 with std",
    ["channelOrder", "pixelScale", "imageMean", "imageStd"],
  ),
} as const;

/** Presets for detectors on COCO: the schedule for any pair, then the published pairs. */
export const COCO_PRESETS = {
  coco: {
    description:
      "The official COCO schedule for any pair of detectors, detectron2's 1× at half batch; RetinaNet needs a learning rate of 0.005.",
    origin: "published",
    source: OFFICIAL_SOURCE,
    dataset: "coco",
    data: DATA,
    method: METHOD,
    training: OFFICIAL,
  },
  "faster-rcnn-resnet101-resnet18": pair("faster-rcnn-resnet101-fpn", "faster-rcnn-resnet18-fpn", {
    weight: 1.2,
    ...RESNET18,
    published: { metric: "box AP", teacher: 42, student: 33.26, review: 36.75, ap50: { student: 53.61, review: 56.72 },
      ap75: { student: 35.26, review: 34 } },
    marks: [
      ...RESNET18.marks,
      ...fromMemory("student", "review", "ap50.student", "ap50.review", "ap75.student"),
      { field: "published.ap75.review", origin: "memory", note: "surely a misprint" },
    ],
  }),
  "faster-rcnn-resnet101-resnet50": pair("faster-rcnn-resnet101-fpn", "faster-rcnn-resnet50-fpn", {
    weight: 1,
    published: { metric: "box AP", teacher: 42, student: 37.9, review: 40.36, ap50: { review: 60.97 },
      ap75: { review: 44.08 } },
    marks: fromMemory("review", "ap50.review", "ap75.review"),
  }),
  "faster-rcnn-resnet50-mobilenetv2": pair("faster-rcnn-resnet50-fpn", "faster-rcnn-mobilenetv2-fpn", {
    weight: 2,
    ...MOBILENETV2,
    published: { metric: "box AP", teacher: 40.2, student: 29.47, review: 33.71,
      ap50: { student: 48.87, review: 53.15 }, ap75: { student: 30.9, review: 36.13 } },
    marks: [
      ...MOBILENETV2.marks,
      ...fromMemory("student", "review", "ap50.student", "ap50.review", "ap75.student", "ap75.review"),
    ],
  }),
  "retinanet-resnet101-resnet50": pair("retinanet-resnet101-fpn", "retinanet-resnet50-fpn", {
    weight: 1,
    training: RETINANET,
    student: { detection: { boxLoss: "smoothL1", boxLossBeta: 0.1 } },
    source: "the published configuration fails as it is, because its package never imports its RetinaNet",
    published: { metric: "box AP", teacher: 40.4, student: 37.4, studentInPaper: 36.15, review: 38.48,
      ap50: { review: 58.22 }, ap75: { review: 41.46 } },
    marks: [
      ...quirk("the default of the published code's library; detectron2's own configuration of RetinaNet has 0", [
        "boxLossBeta",
      ]),
      ...fromMemory("studentInPaper", "review", "ap50.review", "ap75.review"),
    ],
  }),
  "mask-rcnn-resnet101-resnet18": pair("mask-rcnn-resnet101-fpn", "mask-rcnn-resnet18-fpn", {
    weight: 1.5,
    ...RESNET18,
    published: { metric: "mask AP", teacher: 38.6, student: 31.25, review: 33.62 },
    marks: [...RESNET18.marks, ...fromMemory("student", "review")],
  }),
  "mask-rcnn-resnet101-resnet50": pair("mask-rcnn-resnet101-fpn", "mask-rcnn-resnet50-fpn", {
    weight: 0.8,
    published: { metric: "mask AP", teacher: 38.6, student: 35.2, review: 36.98 },
    marks: fromMemory("review"),
  }),
  "mask-rcnn-resnet50-mobilenetv2": pair("mask-rcnn-resnet50-fpn", "mask-rcnn-mobilenetv2-fpn", {
    weight: 1,
    ...MOBILENETV2,
    published: { metric: "mask AP", teacher: 37.2, student: 28.37, review: 31.56 },
    marks: [...MOBILENETV2.marks, ...fromMemory("student", "review")],
  }),
} satisfies Record<string, PresetEntry>;
