// Masks and evaluations compared with pycocotools, and with Pascal VOC's rules in plain Python.
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { evaluateDetections, masks, Tensor, type CocoDetection, type CocoGroundTruth, type CocoStats, type Rle,
  type VocStats } from "../../../lib/index.js";
import { expectAllNear, expectNear, normOf, sumOf, valuesOf } from "../../support/numeric.js";

// The same operations in float64; only means are summed in another order, over at most 40,000 values.
const TOLERANCE = 1e-12;

function read(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../fixtures/goldens/detection/${name}.json`, import.meta.url), "utf8"));
}

describe("the goldens of masks", () => {
  const golden = read("masks") as {
    size: [number, number];
    crowd: number[];
    iou: number[][];
    boxIou: number[][];
    union: string;
    intersection: string;
    cases: { polygons: number[][]; counts: string; runs: number[]; area: number; box: number[] }[];
  };
  const [height, width] = golden.size;
  const rles = golden.cases.map(({ counts }): Rle => ({ size: golden.size, counts }));
  const crowd = golden.crowd.map(Boolean);

  it("have the strings, runs, areas and boxes of pycocotools", async () => {
    for (const { polygons, counts, runs, area, box } of golden.cases) {
      const mask = await masks.fromPolygons(polygons, height, width);
      expect(mask).to.deep.equal({ size: [height, width], counts });
      expect((await masks.decompress(mask)).counts).to.deep.equal(runs);
      expect(await masks.encode(await masks.decode(mask))).to.deep.equal(mask);
      expect(await masks.area(mask)).to.equal(area);
      expect(await masks.toBox(mask)).to.deep.equal(box);
    }
  });

  it("have its overlaps, union and intersection", async () => {
    const first = rles.slice(0, crowd.length);
    expect(valuesOf(await masks.iou(first, first, crowd))).to.deep.equal(golden.iou.flat());
    const boxes = Tensor.from(Float64Array.from(golden.cases.slice(0, crowd.length).flatMap(({ box }) => box)), [
      crowd.length,
      4,
    ]);
    expect(valuesOf(await masks.boxIou(boxes, boxes, crowd))).to.deep.equal(golden.boxIou.flat());
    expect((await masks.merge(first)).counts).to.equal(golden.union);
    expect((await masks.merge(first.slice(3, 5), { intersect: true })).counts).to.equal(golden.intersection);
  });
});

interface Data {
  readonly groundTruth: CocoGroundTruth;
  readonly detections: readonly CocoDetection[];
}

describe("the goldens of COCO's evaluation", () => {
  interface Summary {
    readonly shape: number[];
    readonly sum: number;
    readonly norm: number;
    readonly weightedSum: number;
  }
  interface Case extends Data {
    readonly kind: "bbox" | "segm";
    readonly stats: number[];
    readonly precision: Summary;
    readonly recall: Summary;
    readonly scores: Summary;
  }
  const ORDER: readonly (keyof CocoStats)[] = ["ap", "ap50", "ap75", "apSmall", "apMedium", "apLarge", "ar1", "ar10",
    "ar100", "arSmall", "arMedium", "arLarge"];

  for (const [index, golden] of (read("evaluation") as { cases: Case[] }).cases.entries()) {
    it(`have pycocotools' numbers: case ${index}, ${golden.kind}`, async () => {
      const { groundTruth, detections, kind } = golden;
      const result = await evaluateDetections({ groundTruth, detections, kind });
      expectAllNear(ORDER.map((name) => result.stats[name]), golden.stats, TOLERANCE, "stats");
      for (const name of ["precision", "recall", "scores"] as const) {
        const want = golden[name];
        const values = valuesOf(result[name]);
        expect(result[name].shape, name).to.deep.equal(want.shape);
        expectNear(sumOf(values), want.sum, TOLERANCE, `sum of ${name}`, want.norm);
        expectNear(normOf(values), want.norm, TOLERANCE, `norm of ${name}`);
        const weighted = sumOf(values.map((value, i) => value * Math.cos(i)));
        expectNear(weighted, want.weightedSum, TOLERANCE, `order of ${name}`, want.norm);
      }
    });
  }
});

describe("the goldens of Pascal VOC's evaluation", () => {
  interface Case extends Data {
    readonly metric: "voc2007" | "voc2010";
    readonly stats: VocStats;
    readonly perCategory: (VocStats & { readonly id: number })[];
  }

  for (const [index, golden] of (read("voc") as { cases: Case[] }).cases.entries()) {
    it(`have the numbers of plain Python: case ${index}, ${golden.metric}`, async () => {
      const { groundTruth, detections, metric } = golden;
      const { stats, perCategory } = await evaluateDetections({ groundTruth, detections, kind: "bbox", metric });
      expect(perCategory.map(({ id }) => id)).to.deep.equal(golden.perCategory.map(({ id }) => id));
      for (const name of ["ap", "ap50", "ap75"] as const) {
        expectNear(stats[name], golden.stats[name], TOLERANCE, name);
        for (const [k, want] of golden.perCategory.entries())
          expectNear(perCategory[k]![name], want[name], TOLERANCE, `${name} of category ${want.id}`);
      }
    });
  }
});
