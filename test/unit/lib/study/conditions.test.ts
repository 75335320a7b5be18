import { expect } from "chai";
import { conditionsOf, isRerun } from "../../../../lib/study/plan/conditions.js";
import { configOf } from "./study-results.js";

const STAGES = { student: ["layer1", "layer2"], teacher: ["block1", "block2"] };

describe("the conditions of a study", () => {
  it("are the student alone and the six published steps for an ablation", () => {
    const rows = conditionsOf(configOf("ablation"), STAGES).map(({ method, published }) => {
      const { kind, distance, fusion } = { kind: undefined, distance: undefined, fusion: undefined, ...method };
      return [kind, distance, fusion, published];
    });
    expect(rows).to.deep.equal([
      [undefined, undefined, undefined, 69.06],
      ["multi-layer", "l2", undefined, 69.5],
      ["review-pairs", "l2", undefined, 69.53],
      ["review", "l2", "sum", 69.92],
      ["review", "l2", "abf", 71.28],
      ["review", "hcl", "sum", 71.51],
      ["review", "hcl", "abf", 71.79],
    ]);
  });

  it("share the settings that are not varied, if their methods support them", () => {
    const method = { weight: 0.7, warmupEpochs: 3, warmupFrom: 1, teacherMode: "train", midChannels: 32,
      studentFeatures: "before" };
    for (const { method: own } of conditionsOf(configOf("ablation", { method }), STAGES).slice(1)) {
      const { midChannels, ...common } = method;
      expect(own).to.deep.include(own?.kind === "review" ? { ...common, midChannels } : common);
      if (own?.kind !== "review") expect(own).to.not.have.property("midChannels");
    }
  });

  it("are all pairs of a matched student stage and a matched teacher stage", () => {
    const pairs = conditionsOf(configOf("stages", { method: { distance: "hcl", weight: 2 } }), STAGES).slice(1);
    expect(pairs.map(({ id, stage, teacherStage }) => [id, stage, teacherStage])).to.deep.equal([
      ["stage-1-from-1", 1, 1],
      ["stage-1-from-2", 1, 2],
      ["stage-2-from-1", 2, 1],
      ["stage-2-from-2", 2, 2],
    ]);
    for (const { method, stage, teacherStage } of pairs)
      expect(method).to.deep.include({ kind: "single-layer", distance: "hcl", weight: 2, stage, teacherStage });
  });

  it("are with and without the teacher for a study of seeds", () => {
    const [alone, distilled, ...rest] = conditionsOf(configOf("seeds", { method: { kind: "kd" } }), STAGES);
    expect(rest).to.deep.equal([]);
    expect(alone?.method).to.equal(null);
    expect(distilled?.method).to.deep.include({ kind: "kd", temperature: 4 });
  });

  it("have unique ids that are valid directory names", () => {
    for (const kind of ["ablation", "stages", "seeds"] as const) {
      const ids = conditionsOf(configOf(kind), STAGES).map(({ id }) => id);
      expect(new Set(ids).size).to.equal(ids.length);
      for (const id of ids) expect(id).to.match(/^[a-z0-9-]+$/);
    }
  });

  it("are compared with the re-run only for the same networks, data and number of epochs", () => {
    const data = { kind: "cifar100", root: "data" };
    expect(isRerun(configOf("ablation", { data }))).to.equal(true);
    expect(isRerun(configOf("ablation", { data, training: { epochs: 10 } }))).to.equal(false);
    expect(isRerun(configOf("ablation", { data, student: { name: "resnet32" } }))).to.equal(false);
    expect(isRerun(configOf("ablation"))).to.equal(false);
  });
});
