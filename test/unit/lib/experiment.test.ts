import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { readRunConfig } from "../../../lib/config/config-file.js";
import { runExperiment } from "../../../lib/runs/experiment.js";
import { createModel } from "../../../lib/api/model.js";
import type { RunConfigInput } from "../../../lib/config/schemas/run-config.js";
import type { TrainingOptionsInput } from "../../../lib/config/schemas/training.js";
import { drain, failureOf, ofType, scratchDirectory, SMALL_DATA, SMALL_TRAINING } from "./small-run.js";

describe("runExperiment", () => {
  const scratch = scratchDirectory();
  const train = (overrides: TrainingOptionsInput = {}): RunConfigInput => ({ task: "train", model: { name: "resnet8" },
    data: SMALL_DATA, training: { ...SMALL_TRAINING, ...overrides } });

  it("trains a teacher, then a student with it", async () => {
    await drain(runExperiment(train(), { runDirectory: scratch("teacher") }));
    const config: RunConfigInput = {
      task: "distill",
      teacher: { name: "resnet8", weights: scratch("teacher", "student.safetensors") },
      student: { name: "resnet8" },
      method: { kind: "review", warmupEpochs: 0 },
      data: SMALL_DATA,
      training: SMALL_TRAINING,
    };
    const { events, result } = await drain(runExperiment(config, { runDirectory: scratch("student") }));
    expect(ofType(events, "start")[0]).to.include({ task: "distill", runDirectory: scratch("student") });
    expect(ofType(events, "epoch")[0]!.train.losses.distillation).to.be.above(0);
    expect(result).to.deep.include({ epochs: 2, runDirectory: scratch("student") });
  });

  it("distills with a sum of methods, reports its terms and matched stages, and refuses to resume with another sum", async () => {
    using model = await createModel("vgg8", { numClasses: 4 });
    await model.save(scratch("teacher.safetensors"));
    const config = (temperature: number): RunConfigInput => ({
      task: "distill",
      teacher: { name: "vgg8", weights: scratch("teacher.safetensors") },
      student: { name: "resnet8" },
      method: { kind: "sum",
        of: [{ kind: "kd", temperature, weight: 0.5 }, { kind: "single-layer", warmupEpochs: 2 }] },
      data: SMALL_DATA,
      training: { ...SMALL_TRAINING, epochs: 2 },
    });
    const { events } = await drain(runExperiment(config(4), { runDirectory: scratch("run") }));
    const start = ofType(events, "start")[0]!;
    expect(start.terms).to.deep.equal(["kd", "single-layer"]);
    expect(start.matching?.note).to.match(/^resnet8 has 4 stages, vgg8 has 5: the deepest 4 are matched, layer1~/);
    expect(ofType(events, "epoch").map(({ train }) => train.losses.terms.map(({ weight }) => weight))).to.deep.equal([[
      0.5,
      0,
    ], [0.5, 0.5]]);
    const error = await failureOf(drain(runExperiment(config(2), { runDirectory: scratch("run"), resume: true })));
    expect([error.code, error.message.split("\n")[1]]).to.deep.equal(["RUN_MISMATCH",
      "  - method.of[0].temperature: was 4, now 2"]);
  });

  it("reports no stages if only logits are compared", async () => {
    using model = await createModel("resnet8", { numClasses: 4 });
    await model.save(scratch("teacher.safetensors"));
    const { events } = await drain(runExperiment({
      task: "distill",
      teacher: { name: "resnet8", weights: scratch("teacher.safetensors") },
      student: { name: "resnet8" },
      method: { kind: "dkd", warmupEpochs: 0 },
      data: SMALL_DATA,
      training: { ...SMALL_TRAINING, epochs: 1 },
    }));
    expect(ofType(events, "start")[0]).to.deep.include({ terms: ["dkd"], matching: null });
    expect(ofType(events, "epoch")[0]!.train.losses.distillation).to.be.above(0);
  });

  it("records a configuration that reproduces the run bitwise", async () => {
    await drain(runExperiment(train(), { runDirectory: scratch("one") }));
    await drain(runExperiment(await readRunConfig(scratch("one", "config.json")), { runDirectory: scratch("two") }));
    const [one, two] = await Promise.all(["one", "two"].map((run) => readFile(scratch(run, "student.safetensors"))));
    expect(one!.equals(two!)).to.equal(true);
    expect(await readFile(scratch("one", "config.json"), "utf8")).to.equal(
      await readFile(scratch("two", "config.json"), "utf8"),
    );
  });

  it("depends on the seed", async () => {
    await drain(runExperiment(train({ epochs: 1 }), { runDirectory: scratch("one") }));
    await drain(runExperiment(train({ epochs: 1, seed: 4 }), { runDirectory: scratch("two") }));
    const [one, two] = await Promise.all(["one", "two"].map((run) => readFile(scratch(run, "student.safetensors"))));
    expect(one!.equals(two!)).to.equal(false);
  });

  it("resumes an interrupted run", async () => {
    const controller = new AbortController();
    const run = runExperiment(train(), { runDirectory: scratch("run"), signal: controller.signal });
    const error = await failureOf(drain(run, ({ type }) => {
      if (type === "epoch") controller.abort();
    }));
    expect(error.code).to.equal("ABORTED");
    const { events } = await drain(runExperiment(train(), { runDirectory: scratch("run"), resume: true }));
    expect(ofType(events, "epoch").map(({ epoch }) => epoch)).to.deep.equal([1]);
  });

  it('begins a run and resumes it with the same options: "auto"', async () => {
    const controller = new AbortController();
    const auto = (signal?: AbortSignal): ReturnType<typeof runExperiment> =>
      runExperiment(train(), { runDirectory: scratch("run"), resume: "auto", signal });
    const error = await failureOf(drain(auto(controller.signal), ({ type }) => {
      if (type === "epoch") controller.abort();
    }));
    expect(error.code).to.equal("ABORTED");
    const resumed = await drain(auto());
    expect(ofType(resumed.events, "resumed")[0]?.checkpoint).to.equal(scratch("run", "last.safetensors"));
    expect(ofType(resumed.events, "epoch").map(({ epoch }) => epoch)).to.deep.equal([1]);
    // And ends at once when there is nothing left.
    const { events, result } = await drain(auto());
    expect(events.map(({ type }) => type)).to.deep.equal(["start", "resumed", "end"]);
    expect(result.epochs).to.equal(2);
  });

  it("requires a run directory to resume, and a mode that it knows", async () => {
    for (const resume of [true, "auto"] as const) {
      expect((await failureOf(drain(runExperiment(train(), { resume })))).message).to.include(
        "resume requires a runDirectory",
      );
    }
    const wrong = { runDirectory: scratch("run"), resume: "always" as "auto" };
    const { code, message } = await failureOf(drain(runExperiment(train(), wrong)));
    expect([code, message]).to.deep.equal(["INVALID_ARGUMENT",
      'invalid resume in fit options: expected true, false or "auto", received "always".']);
  });

  it("starts from weights", async () => {
    using model = await createModel("resnet8", { numClasses: 4, seed: 9 });
    await model.save(scratch("start.safetensors"));
    const config = { ...train({ epochs: 1 }),
      model: { name: "resnet8", weights: scratch("start.safetensors") } } as RunConfigInput;
    await drain(runExperiment(config, { runDirectory: scratch("one") }));
    await drain(runExperiment(train({ epochs: 1 }), { runDirectory: scratch("two") }));
    const [one, two] = await Promise.all(["one", "two"].map((run) => readFile(scratch(run, "student.safetensors"))));
    expect(one!.equals(two!)).to.equal(false);
  });

  for (const [problem, config, code] of [
    ["a distillation without the teacher's weights", { task: "distill", teacher: { name: "resnet8" },
      student: { name: "resnet8" } }, "CONFIG_INVALID"],
    ["an unknown network", { task: "train", model: { name: "resnet9" }, data: SMALL_DATA }, "UNKNOWN_NAME"],
    ["missing weights", { task: "train", model: { name: "resnet8", weights: "none.safetensors" }, data: SMALL_DATA },
      "FILE_NOT_FOUND"],
    ["missing data", { task: "train", model: { name: "resnet8" }, data: { kind: "cifar100", root: "none" } },
      "FILE_NOT_FOUND"],
  ] as const) {
    it(`rejects ${problem}`, async () => {
      expect((await failureOf(drain(runExperiment(config as RunConfigInput)))).code).to.equal(code);
    });
  }
});
