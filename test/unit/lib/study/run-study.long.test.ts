import { readdir, readFile, rm, truncate, writeFile, mkdir } from "node:fs/promises";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { readRunConfig } from "../../../../lib/config/config-file.js";
import { runExperiment } from "../../../../lib/runs/experiment.js";
import { createModel } from "../../../../lib/api/model.js";
import { StudyEvent, StudyResult, type StudyConfigInput } from "../../../../lib/config/schemas/study.js";
import { planStudy } from "../../../../lib/study/plan-study.js";
import { runStudyCell } from "../../../../lib/study/run-study-cell.js";
import { runStudy, type StudyOptions } from "../../../../lib/study/run-study.js";
import { drain, failureOf, scratchDirectory, SMALL_DATA } from "../small-run.js";

type SeedsInput = Extract<StudyConfigInput, { kind: "seeds" }>;
type EventOf<Type extends StudyEvent["type"]> = Extract<StudyEvent, { type: Type }>;

const STUDY = {
  kind: "seeds",
  teacher: { name: "resnet8" },
  student: { name: "resnet8" },
  data: SMALL_DATA,
  method: { kind: "review", warmupEpochs: 0 },
  training: { epochs: 1, batchSize: 16, threads: 1, schedule: { kind: "constant" } },
  seeds: [0, 1],
} as const satisfies SeedsInput;

const CELLS = ["teacher", "student-alone-seed0", "distilled-seed0", "student-alone-seed1", "distilled-seed1"];

/** Runs a study to its end and returns all events and the result. */
async function study(
  directory: string,
  overrides: Partial<SeedsInput> = {},
  options: Partial<StudyOptions> = {},
  onEvent: (event: StudyEvent) => void = () => undefined,
): Promise<{ events: StudyEvent[]; result: StudyResult }> {
  const run = runStudy({ ...STUDY, ...overrides }, { directory, ...options });
  const events: StudyEvent[] = [];
  for (;;) {
    const next = await run.next();
    if (next.done === true) return { events, result: next.value };
    events.push(next.value);
    onEvent(next.value);
  }
}

function ofType<Type extends StudyEvent["type"]>(events: readonly StudyEvent[], type: Type): EventOf<Type>[] {
  return events.filter((event): event is EventOf<Type> => event.type === type);
}

const statuses = (result: StudyResult): string[] => result.cells.map(({ status }) => status);

describe("runStudy", () => {
  const scratch = scratchDirectory();

  it("trains the teacher and every cell as ordinary runs, and writes the results", async () => {
    const { events, result } = await study(scratch("study"));
    for (const event of events) expect(StudyEvent.parse(event)).to.deep.equal(event);
    expect(ofType(events, "study-start")[0]).to.deep.include({ kind: "seeds", directory: scratch("study"),
      trainsTeacher: true });
    expect(ofType(events, "cell-start").map(({ cell, index, cells, resumed }) => [cell, index, cells, resumed]))
      .to.deep.equal(CELLS.map((cell, index) => [cell, index, 5, false]));
    expect(ofType(events, "cell-end").map(({ cell, skipped }) => [cell, skipped])).to.deep.equal(
      CELLS.map((cell) => [cell, false]),
    );
    expect(ofType(events, "study-file").map(({ kind, path }) => [kind, path])).to.deep.equal([
      ["csv", scratch("study", "results.csv")],
      ["json", scratch("study", "results.json")],
      ["picture", scratch("study", "seeds.svg")],
    ]);
    expect(events.at(-1)).to.deep.equal({ type: "study-end", result });
    expect((await readdir(scratch("study"))).sort()).to.deep.equal(
      [...CELLS, "results.csv", "results.json", "seeds.svg", "study.json", "system.json"].sort(),
    );
    expect(StudyResult.parse(JSON.parse(await readFile(scratch("study", "results.json"), "utf8")))).to.deep.equal(
      result,
    );
    expect((await readFile(scratch("study", "results.csv"), "utf8")).trimEnd().split("\n")).to.have.lengthOf(
      1 + CELLS.length,
    );
    expect(await readFile(scratch("study", "seeds.svg"), "utf8")).to.include("student distilled");

    const ends = ofType(events, "cell-run").flatMap(({ run }) => (run.type === "end" ? [run] : []));
    expect(result.cells.map(({ last, best, seconds }) => ({ last, best, seconds })))
      .to.deep.equal(ends.map(({ last, best, seconds }) => ({ last, best, seconds })));
    const [teacher, alone0, distilled0, alone1, distilled1] = ends.map(({ last }) => last.top1) as [number, number,
      number, number, number];
    expect(result.teacherMetric).to.equal(teacher);
    expect(result.conditions.map(({ last }) => last?.mean)).to.deep.equal([(alone0 + alone1) / 2,
      (distilled0 + distilled1) / 2]);
  });

  for (const teacherMode of ["eval", "train"] as const) {
    it(`shares data and a teacher in ${teacherMode} mode without side effects: each cell equals a run of its config.json`, async () => {
      await study(scratch("study"), { method: { ...STUDY.method, teacherMode } });
      const cell = "distilled-seed1";
      await drain(
        runExperiment(await readRunConfig(scratch("study", cell, "config.json")), { runDirectory: scratch(cell) }),
      );
      const [inStudy, alone] = await Promise.all(
        [scratch("study", cell), scratch(cell)].map((run) => readFile(join(run, "student.safetensors"))),
      );
      expect(inStudy!.equals(alone!)).to.equal(true);
    });
  }

  it("warns of a teacher that is worse than the student alone", async () => {
    const training = { ...STUDY.training, epochs: 4 };
    const weak = { training, teacherTraining: { epochs: 1, learningRate: 1e-9 }, seeds: [0] };
    const { events, result } = await study(scratch("weak"), weak);
    const alone = result.cells.find(({ id }) => id === "student-alone-seed0")?.last?.top1 ?? 0;
    expect(ofType(events, "study-notice").map(({ message }) => message)).to.deep.equal([
      `warning: the teacher is worse than the student alone: top-1 accuracy ${result.teacherMetric?.toFixed(2)} % against ${alone.toFixed(2)} % with seed 0. Distilled students may become worse, too. Begin a new study with better weights of the teacher, or with more epochs or other seeds if the study trains it.`,
    ]);
    const strong = { teacherTraining: { epochs: 4, learningRate: 0.05 },
      training: { ...training, optimizer: { kind: "sgd", learningRate: 1e-9 } } } as const;
    const { events: others } = await study(scratch("strong"), { ...strong, seeds: [0] });
    expect(ofType(others, "study-notice")).to.deep.equal([]);
  });

  it("skips finished cells, and draws the same picture again", async () => {
    const { result } = await study(scratch("study"), { seeds: [0] });
    const picture = await readFile(scratch("study", "seeds.svg"), "utf8");
    await rm(scratch("study", "seeds.svg"));
    const again = await study(scratch("study"), { seeds: [0] });
    expect(ofType(again.events, "study-start")[0]?.cells.map(({ state }) => state)).to.deep.equal(["done", "done",
      "done"]);
    expect(ofType(again.events, "cell-start")).to.deep.equal([]);
    expect(ofType(again.events, "cell-end").map(({ skipped }) => skipped)).to.deep.equal([true, true, true]);
    expect(again.result).to.deep.equal(result);
    expect(await readFile(scratch("study", "seeds.svg"), "utf8")).to.equal(picture);
  });

  it("skips cells that have ended after a number of steps", async () => {
    const training = { batchSize: 16, threads: 1, schedule: { kind: "constant" }, maxSteps: 6 } as const;
    const { events, result } = await study(scratch("study"), { training, seeds: [0] });
    const last = ofType(events, "cell-run").flatMap(({ run }) => (run.type === "progress" ? [run] : [])).at(-1);
    expect(last).to.include({ epoch: 1, step: 2, trainingStep: 6, trainingSteps: 6 });
    const again = await study(scratch("study"), { training, seeds: [0] });
    expect(ofType(again.events, "cell-start")).to.deep.equal([]);
    expect(again.result).to.deep.equal(result);
  });

  it("resumes where it was stopped, to the result of an uninterrupted study", async () => {
    const training = { ...STUDY.training, epochs: 2 };
    const controller = new AbortController();
    const error = await failureOf(
      study(scratch("study"), { training, seeds: [0] }, { signal: controller.signal }, (event) => {
        if (event.type === "cell-run" && event.cell === "distilled-seed0" && event.run.type === "epoch")
          controller.abort();
      }),
    );
    expect(error.code).to.equal("ABORTED");
    expect(error.message).to.include(scratch("study")).and.include("same command");
    expect(
      StudyResult.parse(JSON.parse(await readFile(scratch("study", "results.json"), "utf8"))).cells.map(({ status }) =>
        status
      ),
    )
      .to.deep.equal(["done", "done", "waiting"]);

    const { events, result } = await study(scratch("study"), { training, seeds: [0] });
    expect(ofType(events, "cell-end").map(({ cell, skipped }) => [cell, skipped]))
      .to.deep.equal([["teacher", true], ["student-alone-seed0", true], ["distilled-seed0", false]]);
    expect(ofType(events, "cell-start").map(({ cell, resumed }) => [cell, resumed])).to.deep.equal([["distilled-seed0",
      true]]);
    expect(statuses(result)).to.deep.equal(["done", "done", "done"]);
    await study(scratch("whole"), { training, seeds: [0] });
    const [resumed, whole] = await Promise.all(
      ["study", "whole"].map((name) => readFile(scratch(name, "distilled-seed0", "student.safetensors"))),
    );
    expect(resumed!.equals(whole!)).to.equal(true);
  });

  it("does not start if its signal is aborted", async () => {
    expect((await failureOf(study(scratch("study"), {}, { signal: AbortSignal.abort() }))).code).to.equal("ABORTED");
  });

  for (const [state, damage] of [
    ["that ended before it saved a checkpoint", (path: string): Promise<void> => rm(path, { force: true })],
    ["that has only its previous checkpoint",
      (path: string): Promise<void> => path.endsWith("last.safetensors") ? rm(path) : Promise.resolve()],
    ["whose last checkpoint is truncated",
      (path: string): Promise<void> => path.endsWith("last.safetensors") ? truncate(path, 1000) : Promise.resolve()],
  ] as const) {
    it(`resumes a cell ${state} to the same result`, async () => {
      const settings = { seeds: [0], training: { ...STUDY.training, epochs: 2 } };
      const before = await study(scratch("study"), settings);
      for (const name of ["last", "previous"]) await damage(scratch("study", "distilled-seed0", `${name}.safetensors`));
      const { events, result } = await study(scratch("study"), settings);
      expect(ofType(events, "cell-start").map(({ cell, resumed }) => [cell, resumed])).to.deep.equal([[
        "distilled-seed0",
        true,
      ]]);
      expect(statuses(result)).to.deep.equal(["done", "done", "done"]);
      expect(result.cells.map(({ last, best }) => ({ last, best }))).to.deep.equal(
        before.result.cells.map(({ last, best }) => ({ last, best })),
      );
    });
  }

  it("continues if its results cannot be written for a while, and reports it", async () => {
    const csv = scratch("study", "results.csv");
    const { events } = await study(scratch("study"), { seeds: [0] }, {}, (event) => {
      if (event.type === "cell-start" && event.index === 0) mkdirSync(csv);
      if (event.type === "study-notice") rmSync(csv, { recursive: true, force: true });
    });
    expect(ofType(events, "study-notice")[0]?.message).to.include("cannot write the results so far").and.to.include(
      scratch("study"),
    );
    expect((await readFile(csv, "utf8")).split("\n")).to.have.length.above(3);
  });

  it("shares its cells with a second study in its directory: each is trained by one of them", async () => {
    let second: Promise<Awaited<ReturnType<typeof study>>> | undefined;
    const first = await study(scratch("study"), {}, {}, (event) => {
      if (event.type === "cell-start") second ??= study(scratch("study"));
    });
    const both = [first, await second!];
    const trained = both.flatMap(({ events }) =>
      ofType(events, "cell-end").flatMap(({ cell, skipped }) => (skipped ? [] : [cell]))
    );
    expect(trained.sort()).to.deep.equal([...CELLS].sort());
    for (const { events, result } of both) {
      expect(ofType(events, "cell-failed")).to.deep.equal([]);
      expect(statuses(result)).to.deep.equal(CELLS.map(() => "done"));
      const started = ofType(events, "cell-start").map(({ cell }) => cell);
      const ended = ofType(events, "cell-end").flatMap(({ cell, skipped }) => (skipped ? [] : [cell]));
      expect(started, "only cells that it trains begin").to.deep.equal(ended);
      for (const event of ofType(events, "cell-locked")) expect(StudyEvent.parse(event)).to.deep.equal(event);
    }
    const locked = both.flatMap(({ events }) => ofType(events, "cell-locked"));
    expect(locked[0]?.message).to.match(/is locked by process \d+ on .* \(since [^)]*\)\. Wait/);
    expect((await readdir(scratch("study"), { recursive: true })).filter((name) => name.endsWith("run.lock"))).to.deep
      .equal([]);
    await study(scratch("alone"));
    for (const cell of CELLS) {
      const [shared, alone] = await Promise.all(
        ["study", "alone"].map((name) => readFile(scratch(name, cell, "student.safetensors"))),
      );
      expect(shared!.equals(alone!), cell).to.equal(true);
    }
  });

  it("is stopped as such while another process trains the teacher of its cells", async () => {
    const controller = new AbortController();
    await planStudy({ ...STUDY, seeds: [0] }, { directory: scratch("study") });
    for await (const event of runStudyCell(scratch("study"), 0)) {
      if (event.type !== "cell-start") continue;
      const error = await failureOf(
        study(scratch("study"), { seeds: [0] }, { signal: controller.signal }, ({ type }) => {
          if (type === "cell-locked") controller.abort();
        }),
      );
      expect(error).to.include({ code: "ABORTED" });
    }
  });

  it("waits for a cell that another process trains, until that has ended or the study is stopped", async () => {
    const controller = new AbortController();
    await planStudy({ ...STUDY, seeds: [0] }, { directory: scratch("study") });
    let waiting: Promise<Error> | undefined;
    let other: ReturnType<typeof study> | undefined;
    for await (const event of runStudyCell(scratch("study"), 1)) {
      if (event.type !== "cell-start") continue;
      // They have no other cell to train while this one is locked.
      waiting = failureOf(
        study(scratch("study"), { seeds: [0] }, { signal: controller.signal }, ({ type }) => {
          if (type === "study-waiting") controller.abort();
        }),
      );
      const error = await waiting;
      expect(error).to.include({ code: "ABORTED" });
      let isWaiting: (() => void) | undefined;
      const seen = new Promise<void>((resolve) => {
        isWaiting = resolve;
      });
      other = study(scratch("study"), { seeds: [0] }, {}, ({ type }) => {
        if (type === "study-waiting") isWaiting?.();
      });
      await seen;
    }
    const { events, result } = await other!;
    expect(ofType(events, "cell-locked").map(({ cell, index }) => [cell, index])).to.deep.equal([[
      "student-alone-seed0",
      1,
    ]]);
    expect(ofType(events, "study-waiting")).to.deep.equal([{ type: "study-waiting", left: 1, cells: 3 }]);
    expect(ofType(events, "cell-end").map(({ cell, skipped }) => [cell, skipped])).to.deep.equal([["teacher", true], [
      "distilled-seed0",
      true,
    ], ["student-alone-seed0", true]]);
    expect(statuses(result)).to.deep.equal(["done", "done", "done"]);
  });

  it("fails a student whose teacher was damaged after it was trained", async () => {
    const { events, result } = await study(scratch("study"), { seeds: [0] }, {}, (event) => {
      if (event.type !== "cell-end" || event.cell !== "student-alone-seed0") return;
      rmSync(scratch("study", "teacher", "previous.safetensors"), { force: true });
      writeFileSync(scratch("study", "teacher", "last.safetensors"), "damaged");
    });
    expect(ofType(events, "cell-failed").map(({ cell, code }) => [cell, code])).to.deep.equal([["distilled-seed0",
      "TEACHER_FAILED"]]);
    expect(statuses(result)).to.deep.equal(["done", "done", "failed"]);
  });

  it("refuses to resume with another configuration, and lists the differences", async () => {
    await study(scratch("study"), { seeds: [0] });
    const error = await failureOf(
      study(scratch("study"), { seeds: [0, 1], training: { ...STUDY.training, batchSize: 8, threads: 2 } }),
    );
    expect(error.code).to.equal("RUN_MISMATCH");
    expect(error.message).to.include("received 2 differences").and.include("training.batchSize: was 16, now 8").and
      .include("seeds: was [0], now [0,1]")
      .and.include("another directory");
  });

  it("rejects a cell's directory that holds another run", async () => {
    await study(scratch("study"), { seeds: [0] });
    const path = scratch("study", "distilled-seed0", "config.json");
    await writeFile(path, (await readFile(path, "utf8")).replace('"batchSize": 16', '"batchSize": 4'));
    expect((await failureOf(study(scratch("study"), { seeds: [0] }))).message).to.include(
      "training.batchSize: was 4, now 16",
    );
  });

  it("explains what to do if its study.json is not JSON", async () => {
    await mkdir(scratch("study"));
    await writeFile(scratch("study", "study.json"), "{");
    const error = await failureOf(study(scratch("study")));
    expect(error.code).to.equal("RUN_DIRECTORY");
    expect(error.message).to.include("study.json").and.include("Restore");
  });

  it("reports a failed cell, keeps the others, and retries it", async () => {
    // Large enough for the loss to overflow.
    const method = { ...STUDY.method, weight: 1e38 };
    const { events, result } = await study(scratch("study"), { method });
    const failed = ofType(events, "cell-failed");
    expect(failed.map(({ cell, code }) => [cell, code])).to.deep.equal([["distilled-seed0", "NON_FINITE_LOSS"], [
      "distilled-seed1",
      "NON_FINITE_LOSS",
    ]]);
    expect(statuses(result)).to.deep.equal(["done", "done", "failed", "done", "failed"]);
    expect(result.cells[2]?.error).to.deep.equal({ code: "NON_FINITE_LOSS", message: failed[0]?.message });
    expect(result.conditions.map(({ seeds }) => seeds)).to.deep.equal([[0, 1], []]);
    expect(await readFile(scratch("study", "results.csv"), "utf8")).to.match(
      /^distilled-seed0,.*,failed,.*NON_FINITE_LOSS$/m,
    );
    const again = await study(scratch("study"), { method });
    expect(ofType(again.events, "cell-failed")).to.have.lengthOf(2);
    expect(ofType(again.events, "cell-end").every(({ skipped }) => skipped)).to.equal(true);
  });

  it("reports a checkpoint that cannot be read, and how to train its cell again", async () => {
    await study(scratch("study"), { seeds: [0] });
    await writeFile(scratch("study", "student-alone-seed0", "last.safetensors"), "garbage");
    const { events, result } = await study(scratch("study"), { seeds: [0] });
    expect(ofType(events, "cell-failed")[0]).to.include({ cell: "student-alone-seed0", code: "FILE_CORRUPT" });
    expect(ofType(events, "cell-failed")[0]?.message).to.include(`Remove ${scratch("study", "student-alone-seed0")}`);
    expect(statuses(result)).to.deep.equal(["done", "failed", "done"]);
  });

  it("trains only undistilled students if the teacher fails, and lets the others wait", async () => {
    const { events, result } = await study(scratch("study"), { teacherTraining: { learningRate: 1e30, epochs: 3 },
      seeds: [0] });
    expect(ofType(events, "cell-failed")[0]).to.include({ cell: "teacher", code: "NON_FINITE_LOSS" });
    expect(statuses(result)).to.deep.equal(["failed", "done", "waiting"]);
    expect(result.teacherMetric).to.equal(null);
  });

  describe("with teacher weights", () => {
    const teacher = (): { name: string; weights: string } => ({ name: "resnet8",
      weights: scratch("teacher.safetensors") });

    it("evaluates the given teacher instead of training one", async () => {
      using model = await createModel("resnet8", { numClasses: 4, seed: 9 });
      await model.save(teacher().weights);
      const { events, result } = await study(scratch("study"), { teacher: teacher(), seeds: [0] });
      expect(ofType(events, "study-start")[0]).to.include({ trainsTeacher: false });
      expect(result.cells.map(({ id }) => id)).to.deep.equal(["student-alone-seed0", "distilled-seed0"]);
      expect(result.teacherMetric).to.be.within(0, 100);
      const [first, second] = events.map(({ type }) => type);
      expect([first, second]).to.deep.equal(["study-start", "study-teacher"]);
      expect(ofType(events, "study-teacher")[0]).to.deep.include({ name: "resnet8", metric: result.teacherMetric });
      // Once known it needs no evaluation, and no file.
      await rm(teacher().weights);
      expect((await study(scratch("study"), { teacher: teacher(), seeds: [0] })).result).to.deep.equal(result);
    });

    it("detects missing or wrong weights before the first cell", async () => {
      expect((await failureOf(study(scratch("none"), { teacher: teacher() }))).code).to.equal("FILE_NOT_FOUND");
      using model = await createModel("resnet14", { numClasses: 4 });
      await model.save(teacher().weights);
      expect((await failureOf(study(scratch("other"), { teacher: teacher() }))).code).to.equal("STATE_DICT_MISMATCH");
      expect(await readdir(scratch("other"))).to.deep.equal(["study.json"]);
    });
  });

  for (const [problem, overrides, code] of [
    ["an unknown student", { student: { name: "resnet9" } }, "UNKNOWN_NAME"],
    ["an unknown teacher", { teacher: { name: "resnet57" } }, "UNKNOWN_NAME"],
    ["seeds that are not distinct", { seeds: [0, 0] }, "CONFIG_INVALID"],
    ["missing data", { data: { kind: "cifar100", root: "none" } }, "FILE_NOT_FOUND"],
  ] as const) {
    it(`rejects ${problem}`, async () => {
      expect((await failureOf(study(scratch("study"), overrides as Partial<SeedsInput>))).code).to.equal(code);
    });
  }
});
