// planStudy, runStudyCell and collectStudy: the cells of a study one by one.
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { StudyEvent, StudyPlan, StudyResult, type CellResult,
  type StudyConfigInput } from "../../../../lib/config/schemas/study.js";
import { collectStudy } from "../../../../lib/study/collect-study.js";
import { planStudy } from "../../../../lib/study/plan-study.js";
import { queueStudy, type QueueStudyOptions } from "../../../../lib/study/queue/queue-study.js";
import { workOnStudies, type WorkOptions } from "../../../../lib/study/queue/work-on-studies.js";
import { runStudyCell, trainCell } from "../../../../lib/study/run-study-cell.js";
import { runStudy } from "../../../../lib/study/run-study.js";
import { Study } from "../../../../lib/study/study.js";
import type { CellOptions } from "../../../../lib/study/train-cell.js";
import { cifarRecords } from "../../../support/cifar-records.js";
import { failureOf, scratchDirectory, SMALL_DATA } from "../small-run.js";

type SeedsInput = Extract<StudyConfigInput, { kind: "seeds" }>;

const STUDY = {
  kind: "seeds",
  teacher: { name: "resnet8" },
  student: { name: "resnet8" },
  data: SMALL_DATA,
  method: { kind: "review", warmupEpochs: 0 },
  training: { epochs: 2, batchSize: 16, threads: 1, schedule: { kind: "constant" } },
  seeds: [0, 1],
} as const satisfies SeedsInput;

const CELLS = ["teacher", "student-alone-seed0", "distilled-seed0", "student-alone-seed1", "distilled-seed1"];

/** Trains a cell to its end; returns its events and its result. */
async function cell(directory: string, index: number, options: CellOptions = {},
  onEvent: (event: StudyEvent) => void = () => undefined): Promise<{ events: StudyEvent[]; result: CellResult }> {
  const run = runStudyCell(directory, index, options);
  const events: StudyEvent[] = [];
  for (;;) {
    const next = await run.next();
    if (next.done === true) return { events, result: next.value };
    events.push(StudyEvent.parse(next.value));
    onEvent(next.value);
  }
}

async function collected(directory: string): Promise<StudyResult> {
  const run = collectStudy(directory);
  for (;;) {
    const next = await run.next();
    if (next.done === true) return StudyResult.parse(next.value);
  }
}

const types = (events: readonly StudyEvent[]): string[] => events.map(({ type }) => type);

describe("the cells of a study one by one", () => {
  const scratch = scratchDirectory();
  const plan = (overrides: Partial<SeedsInput> = {}): Promise<StudyPlan> =>
    planStudy({ ...STUDY, ...overrides }, { directory: scratch("study") });
  const whole = async (): Promise<StudyResult> => {
    const run = runStudy(STUDY, { directory: scratch("whole") });
    for (;;) {
      const next = await run.next();
      if (next.done === true) return next.value;
    }
  };
  const student = (study: string, id: string): Promise<Buffer> => readFile(scratch(study, id, "student.safetensors"));

  it("take settings that change no result from the newest plan, others from the first", async () => {
    await plan();
    using first = await Study.open(scratch("study"));
    expect(first.config.training.threads).to.equal(1);
    expect(await first.isCurrent()).to.equal(true);
    const again = await plan({ training: { ...STUDY.training, threads: 2 } });
    expect(again.config.training.threads).to.equal(2);
    expect(await first.isCurrent(), "a worker opens the study again").to.equal(false);
    using second = await Study.open(scratch("study"));
    expect(second.config.training.threads).to.equal(2);
    expect(await second.isCurrent()).to.equal(true);
    const other = await failureOf(plan({ training: { ...STUDY.training, epochs: 3, threads: 1 } }));
    expect(other.code).to.equal("RUN_MISMATCH");
    using kept = await Study.open(scratch("study"));
    expect(kept.config.training).to.deep.include({ epochs: 2, threads: 2 });
  });

  it("are planned without training any, and the plan shows how far they are", async () => {
    const first = StudyPlan.parse(await plan());
    expect(first).to.deep.include({ kind: "seeds", directory: scratch("study") });
    expect(first.cells.map(({ index, id, state, waitsFor }) => [index, id, state, waitsFor])).to.deep.equal(
      CELLS.map((id, index) => [index, id, "new", id.startsWith("distilled") ? 0 : null]),
    );
    expect(await readdir(scratch("study"))).to.deep.equal(["study.json"]);
    await cell(scratch("study"), 1);
    expect((await plan()).cells.map(({ state }) => state)).to.deep.equal(["new", "done", "new", "new", "new"]);
    const error = await failureOf(plan({ seeds: [3] }));
    expect(error).to.include({ code: "RUN_MISMATCH" });
  });

  it("give the bits and the results of a study of one process, in any order", async () => {
    await plan();
    for (const index of [3, 0, 4, 1, 2]) await cell(scratch("study"), index);
    const result = await collected(scratch("study"));
    const undisturbed = await whole();
    for (const id of CELLS) expect((await student("study", id)).equals(await student("whole", id)), id).to.equal(true);
    expect(result.conditions).to.deep.equal(undisturbed.conditions);
    expect(result.teacherMetric).to.equal(undisturbed.teacherMetric).and.not.equal(null);
    expect((await readdir(scratch("study"))).sort()).to.deep.equal((await readdir(scratch("whole"))).sort());
  });

  it("return at once if they are done, without changing a file", async () => {
    await plan();
    const { result } = await cell(scratch("study"), 0);
    const file = scratch("study", "teacher", "last.safetensors");
    const { mtimeMs } = await stat(file);
    const again = await cell(scratch("study"), 0);
    expect(types(again.events)).to.deep.equal(["cell-end"]);
    expect(again.events[0]).to.include({ cell: "teacher", index: 0, cells: 5, skipped: true });
    expect(again.result).to.deep.equal(result);
    expect((await stat(file)).mtimeMs).to.equal(mtimeMs);
  });

  it("resume where they were stopped", async () => {
    await plan();
    const controller = new AbortController();
    const error = await failureOf(cell(scratch("study"), 1, { signal: controller.signal }, (event) => {
      if (event.type === "cell-run" && event.run.type === "epoch") controller.abort();
    }));
    expect(error).to.include({ code: "ABORTED" });
    expect(error.message).to.include("cell 1").and.include("Train the same cell to resume it");
    const { events, result } = await cell(scratch("study"), 1);
    expect(events[0]).to.include({ type: "cell-start", resumed: true });
    expect(result).to.include({ status: "done", id: "student-alone-seed0" });
    await whole();
    expect((await student("study", CELLS[1]!)).equals(await student("whole", CELLS[1]!))).to.equal(true);
  });

  it("do not begin before the teacher that they learn from is done, and say which cell that is", async () => {
    await plan();
    const error = await failureOf(cell(scratch("study"), 2));
    expect(error).to.include({ code: "TEACHER_UNFINISHED" });
    expect(error.message).to.include("invalid cell 2 of 5, distilled-seed0").and.include("Train cell 0 first.");
    expect(await readdir(scratch("study"))).to.deep.equal(["study.json"]);
  });

  it("are denied to a second process, with the place of the cell, while others are free", async () => {
    await plan();
    let locked: Promise<unknown> | undefined;
    let other: Promise<unknown> | undefined;
    await cell(scratch("study"), 0, {}, (event) => {
      if (event.type !== "cell-run" || event.run.type !== "start") return;
      locked = failureOf(cell(scratch("study"), 0));
      other = cell(scratch("study"), 1);
    });
    expect(await locked).to.include({ code: "RUN_LOCKED" });
    expect(((await locked) as Error).message).to.include(`cell 0 of ${scratch("study")}, teacher`);
    expect(((await other) as { result: CellResult }).result).to.include({ status: "done" });
  });

  it("are collected while they are trained: with what is done, and the failure of those that failed", async () => {
    await plan({ seeds: [0], method: { ...STUDY.method, weight: 1e38 } });
    const early = await collected(scratch("study"));
    expect(early.cells.map(({ status }) => status)).to.deep.equal(["waiting", "waiting", "waiting"]);
    expect(early.teacherMetric).to.equal(null);
    for (const index of [0, 1]) await cell(scratch("study"), index);
    expect(await failureOf(cell(scratch("study"), 2))).to.include({ code: "NON_FINITE_LOSS" });
    const late = await collected(scratch("study"));
    expect(late.cells.map(({ status, error }) => [status, error?.code])).to.deep.equal([["done", undefined], ["done",
      undefined], ["failed", "NON_FINITE_LOSS"]]);
    expect(late.teacherMetric).to.equal(late.cells[0]?.last?.top1);
    let during: StudyResult | undefined;
    for await (const event of runStudyCell(scratch("study"), 2)) {
      if (event.type !== "cell-run") continue;
      during = await collected(scratch("study"));
      break;
    }
    expect(during?.cells[2]).to.include({ status: "waiting", error: null });
  });

  it("end with the reason if the teacher has failed, until it is tried again", async () => {
    await plan({ seeds: [0], data: { kind: "cifar100", root: scratch("absent") } });
    const absent = await failureOf(cell(scratch("study"), 0));
    expect(absent).to.include({ code: "FILE_NOT_FOUND" });
    const error = await failureOf(cell(scratch("study"), 2));
    expect(error).to.include({ code: "TEACHER_FAILED" });
    expect(error.message).to.include("invalid cell 2 of 3, distilled-seed0").and.include(
      `received one that has failed with FILE_NOT_FOUND: ${absent.message}`,
    ).and.include("Train cell 0 again first.");
    await mkdir(scratch("absent"));
    await writeFile(scratch("absent", "train.bin"), cifarRecords(100));
    await writeFile(scratch("absent", "test.bin"), cifarRecords(100));
    await cell(scratch("study"), 0);
    expect((await cell(scratch("study"), 2)).result).to.include({ status: "done" });
  });

  it("end with the reason if the teacher's directory cannot be read", async () => {
    await plan({ seeds: [0] });
    await cell(scratch("study"), 0);
    await writeFile(scratch("study", "teacher", "last.safetensors"), "damaged");
    await rm(scratch("study", "teacher", "previous.safetensors"), { force: true });
    const error = await failureOf(cell(scratch("study"), 2));
    expect(error).to.include({ code: "TEACHER_FAILED" });
    expect(error.message).to.include("has failed with FILE_CORRUPT").and.include(
      `Remove ${scratch("study", "teacher")} to train this cell again.`,
    );
    expect((await plan({ seeds: [0] })).cells.map(({ state }) => state)).to.deep.equal(["failed", "new", "new"]);
  });

  for (const training of [STUDY.training, { ...STUDY.training, epochs: null, maxSteps: 3 }] as const) {
    it(`record a failure before they have a directory, ${"maxSteps" in training ? "of the data that the plan needs" : "of the data"}`, async () => {
      const root = scratch("data");
      await mkdir(root);
      for (const name of ["train.bin", "test.bin"]) await writeFile(join(root, name), cifarRecords(100));
      const overrides = { seeds: [0], data: { kind: "cifar100", root }, training } satisfies Partial<SeedsInput>;
      expect((await plan(overrides)).cells[1]).to.include({ state: "new" });
      await rename(join(root, "train.bin"), join(root, "away"));
      const error = await failureOf(cell(scratch("study"), 1));
      expect(error).to.include({ code: "FILE_NOT_FOUND" });
      expect(await readdir(scratch("study", "student-alone-seed0"))).to.deep.equal(["failure.json"]);
      await rename(join(root, "away"), join(root, "train.bin"));
      expect((await collected(scratch("study"))).cells[1]).to.deep.include({ status: "failed",
        error: { code: "FILE_NOT_FOUND", message: error.message } });
      expect((await plan(overrides)).cells.map(({ state }) => state)).to.deep.equal(["new", "failed", "new"]);
      const { events, result } = await cell(scratch("study"), 1);
      expect(events.find(({ type }) => type === "cell-start")).to.include({ resumed: false });
      expect(result).to.include({ status: "done" });
      expect(await readdir(scratch("study", "student-alone-seed0"))).to.not.include("failure.json");
    });
  }

  it("record no failure where the study was removed", async () => {
    await plan({ seeds: [0], data: { kind: "cifar100", root: scratch("absent") } });
    const study = await Study.open(scratch("study"));
    await rm(scratch("study"), { recursive: true });
    const training = trainCell(study, 1, {});
    expect(await failureOf(training.next())).to.include({ code: "FILE_NOT_FOUND" });
    expect(existsSync(scratch("study"))).to.equal(false);
  });

  it("refuse options that they do not have", async () => {
    const directory = scratch("study");
    const queue = "redis://127.0.0.1:1";
    const misspelled = { forceUnlocked: true } as CellOptions;
    for (const [work, name] of [
      [runStudyCell(directory, 0, misspelled).next(), "forceUnlocked"],
      [runStudyCell(directory, 0, { forceUnlock: "yes" } as unknown as CellOptions).next(), "forceUnlock"],
      [runStudy(STUDY, { directory, ...misspelled }).next(), "forceUnlocked"],
      [planStudy(STUDY, { directory, ...misspelled }), "forceUnlocked"],
      [queueStudy(STUDY, { directory, queue, sginal: undefined } as QueueStudyOptions).next(), "sginal"],
      [workOnStudies({ queue, untilempty: true } as WorkOptions).next(), "untilempty"],
    ] as const) {
      const error = await failureOf(work);
      expect(error).to.include({ code: "INVALID_ARGUMENT" });
      expect(error.message).to.include(name);
    }
    expect(existsSync(directory)).to.equal(false);
  });

  it("record a failure before their training begins", async () => {
    await plan({ seeds: [0] });
    mkdirSync(scratch("study", "student-alone-seed0", "config.json"), { recursive: true });
    const error = await failureOf(cell(scratch("study"), 1));
    expect(error).to.include({ code: "RUN_DIRECTORY" });
    expect((await collected(scratch("study"))).cells[1]?.error?.code).to.equal("RUN_DIRECTORY");
  });

  it("measure a teacher from a file once, and the collected results have its metric", async () => {
    await plan({ seeds: [0] });
    await cell(scratch("study"), 0);
    const weights = scratch("study", "teacher", "student.safetensors");
    const given = { ...STUDY, seeds: [0, 1], teacher: { name: "resnet8", weights } };
    const directory = scratch("given");
    expect((await planStudy(given, { directory })).cells.map(({ waitsFor }) => waitsFor)).to.deep.equal([null, null,
      null, null]);
    expect(types((await cell(directory, 0)).events)).to.not.include("study-teacher");
    const [first, second] = [await cell(directory, 1), await cell(directory, 3)];
    const measured = (events: readonly StudyEvent[]): unknown =>
      events.flatMap((event) => (event.type === "study-teacher" ? [event.metric] : []));
    const { teacherMetric } = await collected(directory);
    expect(teacherMetric).to.be.a("number");
    expect([measured(first.events), measured(second.events)]).to.deep.equal([[teacherMetric], [teacherMetric]]);
    expect(JSON.parse(await readFile(join(directory, "teacher.json"), "utf8"))).to.deep.equal({ name: "resnet8",
      metric: teacherMetric });
  });

  it("are none where no study was planned, and none behind the last", async () => {
    const absent = await failureOf(cell(scratch("nothing"), 0));
    expect(absent).to.include({ code: "RUN_DIRECTORY" });
    expect(absent.message).to.include("no study at").and.include("reviewkd study plan");
    expect(await failureOf(collected(scratch("nothing")))).to.include({ code: "RUN_DIRECTORY" });
    await plan();
    const behind = await failureOf(cell(scratch("study"), 5));
    expect(behind).to.include({ code: "INVALID_ARGUMENT" });
    expect(behind.message).to.include("from 0 to 4, received 5");
    await writeFile(scratch("study", "study.json"), "{");
    expect(await failureOf(cell(scratch("study"), 0))).to.include({ code: "RUN_DIRECTORY" });
    await rm(scratch("study"), { recursive: true });
  });
});
