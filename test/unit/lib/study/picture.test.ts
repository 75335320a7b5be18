import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { drawPicture } from "../../../../lib/study/results/picture.js";
import type { StudyResult } from "../../../../lib/config/schemas/study.js";
import { DETECTION } from "../../../support/tasks.js";
import { resultOf, spread } from "./study-results.js";

async function svgOf(result: StudyResult): Promise<string> {
  const picture = await drawPicture(result);
  if ("svg" in picture) return picture.svg;
  throw new Error(`missing picture: ${picture.missing}`);
}

/** The tags of an XML text; throws unless each is closed in order. */
function elements(svg: string): string[] {
  const names: string[] = [];
  const open: string[] = [];
  const rest = svg.replaceAll(/<(\/?)([\w:]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g,
    (_, closing: string, name: string, _attributes, alone: string) => {
      if (closing === "/") {
        if (open.pop() !== name) throw new Error(`</${name}> closes nothing`);
        return "";
      }
      names.push(name);
      if (alone !== "/") open.push(name);
      return "";
    });
  if (open.length > 0 || /[<>]|&(?!\w+;|#\d+;)/.test(rest))
    throw new Error(`not well-formed: ${open.join(", ")} ${rest}`);
  return names;
}

/** The texts in the picture, with entities resolved. */
function texts(svg: string): string[] {
  return [...svg.matchAll(/<(?:text|tspan)[^>]*>([^<]*)</g)].map(([, text = ""]) =>
    text.replaceAll("&amp;", "&").trim()
  ).filter((text) => text !== "");
}

const ablation = resultOf("ablation", ({ method }, index) => ({
  last: spread(60 + index),
  gain: method === null ? null : spread(index === 2 ? -0.5 : index),
}));
const stages = resultOf("stages", ({ stage, teacherStage }) => {
  if (stage === null || teacherStage === null) return { last: spread(60) };
  return stage === 2 && teacherStage === 2 ? {} : { gain: spread(stage - 1.5 * teacherStage) };
});
const seeds = resultOf("seeds",
  (_, index) => ({ last: spread(60 + 5 * index, 0.25), best: spread(61 + 5 * index, 0.5) }), { teacherMetric: 72.34 });

/** A grid over these values of two or more settings of a method on logits. */
const grid = (vary: Record<string, readonly unknown[]>): StudyResult =>
  resultOf("grid",
    ({ baseline }, index) => ({ last: spread(60 + index, 0.5), gain: baseline === null ? null : spread(index - 2) }),
    {}, { method: { kind: "kd" }, vary });

describe("the picture of a study", () => {
  for (const [name, result] of [["an ablation", ablation], ["stages", stages], ["seeds", seeds]] as const) {
    it(`is well-formed, deterministic SVG for ${name}`, async () => {
      const svg = await svgOf(result);
      expect(elements(svg)[0]).to.equal("svg");
      expect(elements(svg)).to.include("title").and.not.include("style");
      expect(await svgOf(result)).to.equal(svg);
    });
  }

  it("has bars of gains, labelled with sign, unit and accuracy", async () => {
    const shown = texts(await svgOf(ablation));
    expect(shown).to.include.members([
      "Gain in top-1 accuracy over the student alone (points)",
      "student alone",
      "60.0 %",
      "same stages, L2",
      "+1.0  (61.0 %)",
      "−0.5  (62.0 %)",
      "residual (d), ABF, HCL",
      "+6.0  (66.0 %)",
      "0",
    ]);
  });

  it("has a matrix of stages, values in its cells and a symmetric scale", async () => {
    const shown = texts(await svgOf(stages));
    expect(shown).to.include.members(["Teacher stage", "Student stage", "Difference to the student alone (points)",
      "layer1", "block2", "1", "2"]);
    expect(shown).to.include.members(["−0.5", "−2.0", "+0.5", "–", "0.0", "+2.0"]);
  });

  it("of a grid has bars of one setting, a matrix of two, and bars of gains of more", async () => {
    const one = texts(await svgOf(grid({ "method.weight": [0.5, 1], "method.temperature": [4] })));
    expect(one).to.include.members(["last epoch", "student alone", "weight 0.5, temperature 4", "61.0 ± 0.5 %"]);
    const svg = await svgOf(grid({ "method.weight": [0.5, 1], "method.temperature": [1, 2, 4] }));
    const two = texts(svg);
    expect(two).to.include.members(["method.weight", "method.temperature", "0.5", "1", "2", "4",
      "Difference to the student alone (points)"]);
    expect(two).to.include.members(["−1.0", "0.0", "+1.0", "+2.0", "+3.0", "+4.0"]);
    expect(svg).to.include("difference to the student alone in points, by method.weight and method.temperature:");
    const three = texts(
      await svgOf(grid({ "method.weight": [0.5, 1], "method.temperature": [1, 2], "method.warmupEpochs": [0, 5] })),
    );
    expect(three).to.include.members(["weight 0.5, temperature 1, warmupEpochs 0", "−1.0  (61.0 %)"]);
  });

  it("colours better cells blue, worse ones red, and cells without a result grey", async () => {
    const svg = await svgOf(stages);
    const fills = [...svg.matchAll(/<path[^>]* fill="(rgb\([^)]*\)|#[0-9a-f]{6})"[^>]* stroke="#ffffff"/g)].map((
      [, fill = ""],
    ) => fill);
    expect(fills).to.have.lengthOf(4);
    const [same, deeper, shallower, missing] = fills.map((fill) =>
      [...fill.matchAll(fill.startsWith("#") ? /[0-9a-f]{2}/g : /\d+/g)]
        .map(([part]) => Number.parseInt(part, fill.startsWith("#") ? 16 : 10))
    );
    expect(same?.[0]).to.be.above(same?.[2] ?? 0);
    expect(deeper?.[0]).to.be.above(deeper?.[2] ?? 0);
    expect(shallower?.[2]).to.be.above(shallower?.[0] ?? 0);
    expect(new Set(missing).size).to.equal(1);
  });

  it("has accuracies with deviations for last and best epoch, and the teacher's", async () => {
    const shown = texts(await svgOf(seeds));
    expect(shown).to.include.members([
      "Top-1 accuracy (%)",
      "last epoch",
      "best epoch (chosen on the test set)",
      "60.0 ± 0.3 %",
      "61.0 ± 0.5 %",
      "65.0 ± 0.3 %",
      "teacher 72.3 %",
    ]);
  });

  it("shows precisions from 0 to 1 with three decimals, on axes of their size", async () => {
    const overrides = { taskInfo: DETECTION, teacherMetric: 0.4123 };
    const bars = texts(
      await svgOf(
        resultOf("seeds", (_, index) => ({ last: spread(0.3314 + 0.02 * index, 0.0042), best: spread(0.34) }),
          overrides),
      ),
    );
    expect(bars).to.include.members(["Average precision of boxes", "0.331 ± 0.004", "0.351 ± 0.004", "0.340",
      "teacher 0.412", "0", "0.1", "0.2", "0.3", "0.4", "0.5"]);
    const gains = texts(
      await svgOf(
        resultOf("ablation",
          ({ method }, index) => ({ last: spread(0.3 + index / 1000),
            gain: method === null ? null : spread(index / 1000) }), overrides),
      ),
    );
    expect(gains).to.include.members(["Gain in average precision of boxes over the student alone", "+0.001  (0.301)",
      "+0.006  (0.306)", "0.002", "0.006"]);
    const matrix = texts(
      await svgOf(
        resultOf("stages", ({ stage, teacherStage }) =>
          stage === null || teacherStage === null ? { last: spread(0.3) }
            : { gain: spread(0.0104 * (stage - teacherStage), 0.0021) }, overrides),
      ),
    );
    expect(matrix).to.include.members(["Difference to the student alone", "+0.010", "−0.010", "± 0.002", "0.000",
      "+0.011", "−0.011"]);
  });

  it("has an axis also for results that are all 0", async () => {
    const zero = { last: spread(0, 0), best: spread(0, 0) };
    expect(texts(await svgOf(resultOf("seeds", () => zero)))).to.include.members(["0.0 ± 0.0 %", "0", "0.1"]);
    expect(texts(await svgOf(resultOf("seeds", () => zero, { taskInfo: DETECTION })))).to.include.members([
      "0.000 ± 0.000",
      "0",
      "0.001",
    ]);
  });

  it("draws error bars only for deviations", async () => {
    const strokes = async (deviation: number | null): Promise<number> => {
      const result = resultOf("ablation",
        ({ method }) => ({ last: spread(60, deviation), gain: method === null ? null : spread(1, deviation) }));
      return [...(await svgOf(result)).matchAll(/stroke-width="1\.2"/g)].length;
    };
    expect(await strokes(null)).to.equal(0);
    expect(await strokes(0.2)).to.equal(6 * 3);
  });

  it("has an accessible title", async () => {
    expect(await svgOf(seeds)).to.include(
      "<title>Top-1 accuracy, mean and standard deviation over 3 seeds: resnet20 under resnet56 on synthetic</title>",
    );
  });

  it("is omitted with a reason if the library is missing or too few cells are done", async () => {
    const missing = await drawPicture(seeds, () => Promise.resolve(undefined));
    expect(missing).to.deep.equal({
      missing:
        "no picture was drawn: the package echarts is not installed. Run `npm install echarts`, then the same study again.",
    });
    for (const kind of ["ablation", "stages", "seeds"] as const) {
      expect(await drawPicture(resultOf(kind, () => ({})))).to.deep.equal({
        missing: "no picture was drawn: too few cells are done",
      });
    }
  });

  it("loads its library only when drawing", () => {
    const sources = readdirSync("lib", { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"))
      .map((name) => readFileSync(join("lib", name), "utf8"));
    const imports = sources.flatMap((source) => source.split("\n")).filter((line) =>
      line.includes('"echarts"') && line.includes("import")
    );
    expect(imports.filter((line) => !line.startsWith("import type "))).to.deep.equal([
      '    return await import("echarts");',
    ]);
  });
});
