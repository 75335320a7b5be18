import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import type { PlannedCell } from "../../lib/config/schemas/study.js";
import { fail, jsonEvents, reviewkd, start, succeed, useDirectory, TINY, type Running } from "./helpers.js";

const NETWORKS = ["--teacher", "resnet8", "--student", "resnet8", "--method", "kd"] as const;
const SETTINGS = [...NETWORKS, ...TINY, "--epochs", "1"] as const;

describe("command line: study plan, cell and collect", () => {
  const directory = useDirectory();
  const running = new Set<Running>();
  afterEach(async () => {
    for (const { child, finished } of running) {
      child.kill("SIGKILL");
      await finished;
    }
    running.clear();
  });

  function begin(words: readonly string[]): Running {
    const process = start(words);
    running.add(process);
    return process;
  }

  it("plan cells that another program numbers, train them one by one and collect the results", async () => {
    const study = join(directory.path, "planned");
    const { stdout } = await succeed(["study", "plan", study, "--kind", "seeds", ...SETTINGS, "--seeds", "0,3"]);
    expect(stdout).to.include(`seeds study in ${study}: cells 0-4, 0 done`).and.include(
      "4  student distilled, seed 3\n",
    )
      .and.include("2 cells learn from the teacher: train cell 0 first").and.include(`study cell ${study} INDEX`);
    const early = await reviewkd(["study", "cell", study, "2"]);
    expect(early.code).to.equal(75);
    expect(early.stderr).to.include("error [TEACHER_UNFINISHED]").and.include("Train cell 0 first.");
    for (const index of ["0", "1", "2"]) {
      const done = await succeed(["study", "cell", study, index]);
      expect(done.stdout).to.match(/^\[\d\/5\] done: last \d+\.\d %, best/m);
    }
    expect((await succeed(["study", "cell", study, "2"])).stdout).to.include(
      "[3/5] student distilled, seed 0: already done",
    );
    const collected = await succeed(["study", "collect", study]);
    expect(collected.stdout).to.include(`wrote ${join(study, "seeds.svg")}`).and.match(
      /^│ student distilled +│ +1 │ +\d+\.\d\d │/m,
    );
    expect(await readFile(join(study, "results.csv"), "utf8")).to.match(/^distilled-seed0,.*,done,/m).and.match(
      /^distilled-seed3,.*,waiting,/m,
    );
    const events = jsonEvents((await succeed(["study", "plan", study, "--json"])).stdout);
    expect((events[0]?.["cells"] as { state: string }[]).map(({ state }) => state)).to.deep.equal(["done", "done",
      "done", "new", "new"]);
    const rest = await succeed(["study", "seeds", "--study", study]);
    expect(rest.stdout.match(/: already done, /g)).to.have.lengthOf(3);
  });

  it("end with 1 if the teacher has failed, so that no scheduler tries its students again and again", async () => {
    const study = join(directory.path, "diverging");
    await succeed(["study", "plan", study, "--kind", "seeds", ...SETTINGS, "--seed", "0", "--teacher-learning-rate",
      "1e30", "--teacher-epochs", "3"]);
    await fail(["study", "cell", study, "0"], { exit: 1, code: "NON_FINITE_LOSS" });
    expect(await fail(["study", "cell", study, "2"], { exit: 1, code: "TEACHER_FAILED" })).to.include(
      "has failed with NON_FINITE_LOSS",
    );
    const { stdout } = await succeed(["study", "plan", study]);
    expect(stdout).to.match(/^0 {2}teacher resnet8, seed \d+, failed$/m).and.include(
      "1 cell learns from the teacher: train cell 0 first",
    );
    const collected = await succeed(["study", "collect", study]);
    for (const shown of [stdout, collected.stdout])
      expect(shown.match(/^failed: .*$/gm)?.map((line) => line.slice(0, 35))).to.deep.equal([
        "failed: teacher [NON_FINITE_LOSS]: ",
      ]);
    const [plan] = jsonEvents((await succeed(["study", "plan", study, "--json"])).stdout);
    expect((plan?.["cells"] as PlannedCell[]).map(({ error }) => error?.code)).to.deep.equal(["NON_FINITE_LOSS",
      undefined, undefined]);
  });

  it("saves a cell on SIGTERM and prints how to resume it", async () => {
    const study = join(directory.path, "stopped");
    await succeed(["study", "plan", study, "--kind", "seeds", ...SETTINGS, "--seed", "0", "--epochs", "50", "--data",
      "synthetic:numClasses=4,trainSamples=320,testSamples=16"]);
    const running = start(["study", "cell", study, "1", "--json"]);
    await running.until(/"type":"progress"/);
    running.child.kill("SIGTERM");
    const { code, stdout, stderr } = await running.finished;
    expect(code, stderr).to.equal(130);
    expect(stderr).to.include(`study cell ${study} 1`);
    expect(jsonEvents(stdout).at(-1)).to.include({ type: "error", code: "ABORTED" });
    const again = start(["study", "cell", study, "1", "--json"]);
    await again.until(/"cell-start"[^\n]*"resumed":true/);
    again.child.kill("SIGTERM");
    expect((await again.finished).code).to.equal(130);
  });

  it("compare all combinations of a grid, in a table with a column for each setting", async () => {
    const study = join(directory.path, "grid");
    const words = ["study", "grid", ...SETTINGS, "--vary", "method.weight=0.5,1", "--vary",
      "training.optimizer.learningRate=0.01,0.02", "--study", study];
    const { stdout } = await succeed(words);
    expect(stdout).to.include("7 cells, 0 done").and.match(
      /^│ +│ method\.weight │ training\.optimizer\.learningRate │ seeds │/m,
    );
    expect(stdout).to.match(/^│ student alone +│ +│ +0\.01 │ +1 │/m).and.match(
      /^│ distilled +│ +0\.5 │ +0\.02 │ +1 │ +\d+\.\d\d │ +\d+\.\d\d │ +[+-]\d+\.\d\d │/m,
    );
    const csv = await readFile(join(study, "results.csv"), "utf8");
    expect(csv.split("\n")[0]).to.include("method.weight,training.optimizer.learningRate,seed");
    expect(csv).to.match(/^weight-1_learningRate-0\.01-seed0,weight-1_learningRate-0\.01,.*,1,0\.01,0,done,/m);
    expect(await readFile(join(study, "grid.svg"), "utf8")).to.include(
      "<title>Top-1 accuracy of the last epoch, difference to the student alone in points, by method.weight and training.optimizer.learningRate",
    );
    const again = await succeed(["study", "grid", "--study", study]);
    expect(again.stdout.match(/: already done, /g)).to.have.lengthOf(7);
  });

  it("take the values of a grid from a configuration file", async () => {
    const file = join(directory.path, "grid.yaml");
    await writeFile(file, [
      "kind: grid",
      "teacher: { name: resnet8 }",
      "student: { name: resnet8 }",
      "method: { kind: kd }",
      "training: { epochs: 1, batchSize: 16, threads: 1 }",
      "data: { kind: synthetic, numClasses: 4, trainSamples: 32, testSamples: 16 }",
      "vary:",
      "  method.temperature: [1, 2, 4]",
    ].join("\n"));
    const study = join(directory.path, "from-file");
    const { stdout } = await succeed(["study", "plan", study, "--config", file]);
    expect(stdout).to.include("grid study in").and.include("4  temperature 4, seed 0");
  });

  for (const [problem, words, code, expected] of [
    ["no kind", ["plan", "DIR", ...NETWORKS], "CONFIG_INVALID",
      /missing --kind: no study at \S*refused\. To plan one, pass one of ablation, stages, seeds, grid/],
    ["an unknown kind", ["plan", "DIR", "--kind", "grids"], "INVALID_ARGUMENT", /Did you mean grid\?/],
    ["an index that is none", ["cell", "DIR", "first"], "INVALID_ARGUMENT",
      /invalid index: expected a whole number ≥ 0/],
    ["a misspelled setting", ["grid", ...NETWORKS, "--vary", "method.wieght=1,2"], "CONFIG_INVALID",
      /received "method\.wieght"\. Did you mean "method\.weight"\?/],
    ["a setting without values", ["grid", ...NETWORKS, "--vary", "method.weight"], "INVALID_ARGUMENT",
      /invalid --vary: expected PATH=VALUE,VALUE,…, received "method\.weight"\. Example/],
    ["a setting twice", ["grid", ...NETWORKS, "--vary", "method.weight=1", "--vary", "method.weight=2"],
      "INVALID_ARGUMENT", /Pass all values of method\.weight in one list/],
    ["a grid without settings", ["grid", ...NETWORKS], "CONFIG_INVALID",
      /missing --vary PATH=VALUE,… Pass a setting and its values, such as --vary method\.weight=0\.5,1,2/],
    ["two options for its seeds", ["seeds", ...NETWORKS, "--seed", "0", "--seeds", "1,2"], "INVALID_ARGUMENT",
      /invalid flags: expected either --seed or --seeds, received/],
  ] as const) {
    it(`rejects ${problem}`, async () => {
      const study = join(directory.path, "refused");
      const given = words.map((word) => (word === "DIR" ? study : word));
      const message = await fail(["study", ...given, ...(words[0] === "grid" ? ["--study", study] : [])], { exit: 2,
        code });
      expect(message).to.match(expected);
      expect(existsSync(study)).to.equal(false);
    });
  }

  it("are refused to a study in a directory of a run, and to a run in that of a study", async () => {
    const [run, study] = [join(directory.path, "run"), join(directory.path, "kept")];
    await succeed(["train", "--model", "resnet8", ...TINY, "--epochs", "1", "--run", run]);
    await writeFile(join(run, "teacher.json"), "a run's");
    const files = await readdir(run);
    for (const words of [["plan", run, "--kind", "seeds", ...SETTINGS], ["seeds", ...SETTINGS, "--study", run]]) {
      expect(await fail(["study", ...words], { exit: 1, code: "RUN_DIRECTORY" })).to.include(
        `cannot begin a study in ${run}: the directory holds a run.`,
      );
    }
    expect(await readdir(run)).to.deep.equal(files);
    expect(await readFile(join(run, "teacher.json"), "utf8")).to.equal("a run's");
    await succeed(["study", "plan", study, "--kind", "seeds", ...SETTINGS]);
    for (const resume of [[], ["--resume", "auto"]]) {
      const words = ["train", "--model", "resnet8", ...TINY, "--epochs", "1", "--run", study, ...resume];
      expect(await fail(words, { exit: 1, code: "RUN_DIRECTORY" })).to.include("the directory holds a study");
    }
    expect(await readdir(study)).to.deep.equal(["study.json"]);
  });

  it("are trained together by two studies that start at once, both with complete results", async () => {
    const study = join(directory.path, "both");
    const words = ["study", "seeds", ...SETTINGS, "--seeds", "0,1", "--study", study, "--data",
      "synthetic:numClasses=4,trainSamples=2500,testSamples=16"];
    const both = await Promise.all([start(words), start(words)].map(({ finished }) => finished));
    for (const { code, stdout, stderr } of both) {
      expect(code, `${stdout}\n${stderr}`).to.equal(0);
      expect(stdout).to.not.match(/failed|resuming/);
      expect(stdout).to.match(/^│ student distilled +│ +2 │/m);
    }
    const output = both.map(({ stdout }) => stdout).join("");
    expect(output.match(/^\[\d\/5\] done: /gm)).to.have.lengthOf(5);
    expect(output).to.match(
      /^\[\d\/5\] .*: another process trains it; tried again after the others: .* is locked by process \d+/m,
    );
  });

  it("are waited for while another process trains them, and taken over if that is killed", async () => {
    const study = join(directory.path, "taken-over");
    const words = ["study", "seeds", ...SETTINGS, "--epochs", "200", "--seed", "0", "--study", study, "--data",
      "synthetic:numClasses=4,trainSamples=3000,testSamples=16"];
    await succeed(["study", "plan", study, "--kind", "seeds", ...words.slice(2, words.indexOf("--study")),
      ...words.slice(-2)]);
    const other = begin(["study", "cell", study, "0", "--json"]);
    await other.until(/"type":"progress"/);
    const first = begin(["study", "cell", study, "1", "--json"]);
    await first.until(/"type":"progress"/);
    const impatient = begin(words);
    await impatient.until(/^waiting for 3 of 3 cells, which other processes train or whose teacher they train$/m);
    impatient.child.kill("SIGINT");
    const stopped = await impatient.finished;
    expect(stopped.code, stopped.stderr).to.equal(130);
    expect(stopped.stderr).to.include("no longer waiting for other processes").and.include("to resume: ").and.not
      .include("saving…");
    const patient = begin(words);
    await patient.until(/^waiting for 3 of 3 cells/m);
    other.child.kill("SIGKILL");
    await patient.until(/^\[1\/3\] teacher resnet8, seed 1000, resuming$/m);
    for (const { child, finished } of [patient, first]) {
      child.kill("SIGTERM");
      expect((await finished).code).to.equal(130);
    }
  });

  it("name the directory without a study", async () => {
    for (const words of [["cell", "nothing", "0"], ["collect", "nothing"]]) {
      expect(await fail(["study", ...words], { exit: 1, code: "RUN_DIRECTORY" }, { cwd: directory.path })).to.include(
        "no study at nothing: study.json is missing.",
      );
    }
  });
});
