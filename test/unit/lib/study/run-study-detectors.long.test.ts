import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { createDetector } from "../../../../lib/api/detection/create-detector.js";
import { StudyEvent, StudyResult } from "../../../../lib/config/schemas/study.js";
import { runStudy, type StudyOptions } from "../../../../lib/study/run-study.js";
import { failureOf, scratchDirectory } from "../small-run.js";

/** The smallest detectors on images of two batches. */
const STUDENT = { name: "retinanet-mobilenetv2-fpn" };
const STUDY = {
  teacher: { name: "retinanet-mobilenetv1-fpn" },
  student: STUDENT,
  data: { kind: "scenes", numClasses: 2, trainSamples: 4, testSamples: 2, imageSize: 64 },
  training: { epochs: 1, batchSize: 2, evaluationBatchSize: 2, threads: 1, schedule: { kind: "constant" } },
} as const;

type EventOf<Type extends StudyEvent["type"]> = Extract<StudyEvent, { type: Type }>;

function ofType<Type extends StudyEvent["type"]>(events: readonly StudyEvent[], type: Type): EventOf<Type>[] {
  return events.filter((event): event is EventOf<Type> => event.type === type);
}

describe("runStudy with detectors", function () {
  this.timeout(300_000);
  this.slow(60_000);
  const scratch = scratchDirectory();

  /** Runs a study to its end. The events are kept in `events` also if it fails. */
  async function study(overrides: object, { events = [], onEvent, ...options }: Partial<StudyOptions> & {
    readonly events?: StudyEvent[];
    readonly onEvent?: (event: StudyEvent) => void;
  } = {}): Promise<{ events: StudyEvent[]; result: StudyResult }> {
    const run = runStudy({ ...STUDY, ...overrides }, { directory: scratch("study"), ...options });
    for (;;) {
      const next = await run.next();
      if (next.done === true) return { events, result: next.value };
      expect(StudyEvent.parse(next.value)).to.deep.equal(next.value);
      events.push(next.value);
      onEvent?.(next.value);
    }
  }

  const cellConfig = async (cell: string): Promise<Record<string, Record<string, unknown>>> =>
    JSON.parse(await readFile(scratch("study", cell, "config.json"), "utf8")) as never;

  it("trains the teacher and compares seeds by average precision, also after a stop", async () => {
    const settings = { kind: "seeds", seeds: [3], training: { ...STUDY.training, epochs: 2 } };
    const controller = new AbortController();
    const stopped: StudyEvent[] = [];
    const failure = await failureOf(study(settings, { events: stopped, signal: controller.signal, onEvent: (event) => {
      if (event.type === "cell-run" && event.cell === "distilled-seed3" && event.run.type === "epoch")
        controller.abort();
    } }));
    expect(failure.code).to.equal("ABORTED");
    const { events, result } = await study(settings);
    expect(ofType(events, "cell-end").map(({ cell, skipped, taskInfo }) => [cell, skipped, taskInfo.primaryMetric]))
      .to.deep.equal([["teacher", true, "ap"], ["student-alone-seed3", true, "ap"], ["distilled-seed3", false, "ap"]]);
    expect(ofType(events, "cell-start").map(({ cell, resumed }) => [cell, resumed])).to.deep.equal([["distilled-seed3",
      true]]);

    const whole = await study(settings, { directory: scratch("whole") });
    const values = ({ cells }: StudyResult) => cells.map(({ last, best }) => ({ last, best }));
    expect(values(result)).to.deep.equal(values(whole.result));
    expect(result.taskInfo).to.include({ name: "one-stage-detection", primaryMetric: "ap" });
    expect(result.teacherMetric).to.be.within(0, 1);
    expect(result.stages).to.deep.equal({ student: ["p3", "p4", "p5", "p6", "p7"],
      teacher: ["p3", "p4", "p5", "p6", "p7"] });
    const [alone, distilled] = result.conditions;
    expect(distilled?.gain?.mean).to.be.closeTo((distilled?.last?.mean ?? 0) - (alone?.last?.mean ?? 0), 1e-12);
    expect(StudyResult.parse(JSON.parse(await readFile(scratch("study", "results.json"), "utf8"))))
      .to.deep.equal(result);
    const [head, ...rows] = (await readFile(scratch("study", "results.csv"), "utf8")).trimEnd().split("\n");
    expect(head).to.include("last_ap,last_ap50,").and.include(",best_ap,best_epoch,");
    expect(rows).to.have.lengthOf(3);
    const picture = await readFile(scratch("study", "seeds.svg"), "utf8");
    expect(picture).to.include("Average precision of boxes").and.match(/>teacher 0\.\d{3}</);
    // The study measures the teacher: its cells do not.
    expect(stopped.filter((event) => event.type === "cell-run" && event.run.type === "teacher")).to.deep.equal([]);
    expect((await cellConfig("distilled-seed3"))["method"]).to.include({ kind: "review", warmupEpochs: 0 });
  });

  it("compares the design steps of the paper under a teacher for other classes, whose precision it leaves out", async () => {
    const weights = scratch("teacher.safetensors");
    {
      using teacher = await createDetector(STUDY.teacher.name, { numClasses: 7, seed: 9 });
      await teacher.save(weights);
    }
    const { events, result } = await study({ kind: "ablation", teacher: { ...STUDY.teacher, weights } });
    expect(ofType(events, "study-teacher")).to.have.length(1);
    expect(ofType(events, "study-teacher")[0]).to.deep.include({ name: STUDY.teacher.name, metric: null });
    expect(result.cells.map(({ id, status }) => [id, status])).to.deep.equal(
      ["student-alone", "same-stage-l2", "pairs-l2", "residual-sum-l2", "residual-abf-l2", "residual-sum-hcl",
        "residual-abf-hcl"].map((id) => [`${id}-seed0`, "done"]),
    );
    expect(result.teacherMetric).to.equal(null);
    for (const { last, published } of result.conditions) {
      expect(last?.mean).to.be.within(0, 1);
      expect(published).to.equal(null);
    }
    expect(await readFile(scratch("study", "ablation.svg"), "utf8")).to.include(
      "Gain in average precision of boxes over the student alone<",
    ).and.match(/>0\.\d{3}</);
    expect((await cellConfig("residual-abf-hcl-seed0"))["method"]).to.include({ kind: "review", fusion: "abf",
      distance: "hcl", warmupEpochs: 0 });
  });

  it("lists all pairs of five levels, and reports the first gains", async () => {
    const controller = new AbortController();
    const events: StudyEvent[] = [];
    await failureOf(
      study({ kind: "stages", method: { distance: "hcl" } }, { events, signal: controller.signal, onEvent: (event) => {
        if (event.type === "cell-end" && event.cell === "stage-1-from-2-seed0") controller.abort();
      } }),
    );
    const numbers = [1, 2, 3, 4, 5];
    expect(ofType(events, "study-start")[0]?.cells.map(({ id }) => id)).to.deep.equal(["teacher", "student-alone-seed0",
      ...numbers.flatMap((stage) => numbers.map((teacher) => `stage-${stage}-from-${teacher}-seed0`))]);
    const result = StudyResult.parse(JSON.parse(await readFile(scratch("study", "results.json"), "utf8")));
    const gains = result.conditions.filter(({ gain }) => gain !== null);
    expect(gains.map(({ stage, teacherStage }) => [stage, teacherStage])).to.deep.equal([[1, 1], [1, 2]]);
  });

  it("refuses data without boxes, and a teacher that is a classifier, without a directory", async () => {
    for (const overrides of [{ data: { kind: "synthetic" } }, { teacher: { name: "resnet18" } }]) {
      const { code } = await failureOf(study({ kind: "seeds", ...overrides }));
      expect(code).to.equal("INVALID_ARGUMENT");
    }
    expect(existsSync(scratch("study"))).to.equal(false);
  });
});
