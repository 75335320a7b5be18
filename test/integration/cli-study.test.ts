import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { fail, jsonEvents, reviewkd, start, succeed, useDirectory, TINY } from "./helpers.js";

const NETWORKS = ["--teacher", "resnet8", "--student", "resnet8"] as const;
/** Uses soft targets, the cheapest method. */
const SEEDS = ["study", "seeds", ...NETWORKS, ...TINY, "--epochs", "1", "--method", "kd"] as const;

describe("command line: study", () => {
  const directory = useDirectory();

  it("trains teacher and cells, prints a table and names its files; the same command skips finished cells", async () => {
    const words = [...SEEDS, "--seeds", "0,1"];
    const { stdout } = await succeed(words, { cwd: directory.path });
    const study = join("runs", "study-seeds-resnet8-from-resnet8");
    expect(stdout).to.include("5 cells, 0 done; no --teacher-weights given, so the study trains the teacher first");
    expect(stdout).to.match(/^\[5\/5\] done: last \d+\.\d %, best/m);
    expect(stdout).to.match(/^│ student distilled +│ +2 │ +\d+\.\d\d ± \d+\.\d\d │/m);
    for (const file of ["results.csv", "results.json", "seeds.svg"]) {
      expect(stdout).to.include(`wrote ${join(study, file)}`);
      expect(existsSync(join(directory.path, study, file))).to.equal(true);
    }
    const again = await succeed(words, { cwd: directory.path });
    expect(again.stdout.match(/: already done, /g)).to.have.lengthOf(5);
    expect(again.stdout).to.not.match(/^\[\d\/5\] done:/m);
  });

  it("compares the design steps of the paper", async () => {
    const study = join(directory.path, "ablation");
    const words = ["study", "ablation", ...NETWORKS, ...TINY, "--limit-train", "16", "--epochs", "1", "--warmup-epochs",
      "0", "--mid-channels", "8", "--study", study];
    const { stdout } = await succeed(words);
    const rows = ["student alone", "same stages, L2", "review pairs (b), L2", "residual (d), addition, L2",
      "residual (d), ABF, L2", "residual (d), addition, HCL", "residual (d), ABF, HCL"];
    expect([...stdout.matchAll(/^│ (\S.*?) +│ +1 │ +\d+\.\d\d │/gm)].map(([, label]) => label)).to.deep.equal(rows);
    expect(await readFile(join(study, "ablation.svg"), "utf8")).to.include("residual (d), ABF, HCL").and.include(
      "<title>Gain in top-1 accuracy",
    );
    const config = JSON.parse(await readFile(join(study, "residual-sum-l2-seed0", "config.json"), "utf8")) as {
      method: object;
    };
    expect(config.method).to.include({ kind: "review", fusion: "sum", distance: "l2", midChannels: 8,
      warmupEpochs: 0 });
  });

  it("compares all pairs of student and teacher stages", async () => {
    const study = join(directory.path, "stages");
    const words = ["study", "stages", ...NETWORKS, ...TINY, "--limit-train", "16", "--epochs", "1", "--warmup-epochs",
      "0", "--distance", "hcl", "--study", study];
    const { stdout } = await succeed(words);
    expect(stdout).to.match(/^│ student 4 \(\w+\)( +│ +[+-]\d+\.\d\d){4} │$/m).and.include("student alone: ");
    const cells = (await readFile(join(study, "results.csv"), "utf8")).trimEnd().split("\n").slice(1).map((line) =>
      line.split(",")
    );
    expect(cells.map(([, , , stage, teacherStage]) => [stage, teacherStage].join())).to.deep.equal([
      ",",
      ",",
      ...["1", "2", "3", "4"].flatMap((stage) =>
        ["1", "2", "3", "4"].map((teacherStage) => `${stage},${teacherStage}`)
      ),
    ]);
    expect(await readFile(join(study, "stages.svg"), "utf8")).to.include("Teacher stage").and.include("Student stage");
    const config = JSON.parse(await readFile(join(study, "stage-2-from-3-seed0", "config.json"), "utf8")) as {
      method: object;
    };
    expect(config.method).to.include({ kind: "single-layer", stage: 2, teacherStage: 3, distance: "hcl" });
  });

  it("compares detectors by average precision, from their defaults and with image sizes of its own", async () => {
    const study = join(directory.path, "detectors");
    const words = ["study", "seeds", "--teacher", "retinanet-mobilenetv1-fpn", "--student", "retinanet-mobilenetv2-fpn",
      "--data", "scenes:numClasses=2,trainSamples=2,testSamples=2,imageSize=64", "--seeds", "0,1", "--epochs", "1",
      "--batch-size", "2", "--threads", "1", "--min-size", "96", "--max-size", "128", "--study", study];
    const { stdout } = await succeed(words);
    expect(stdout).to.match(/^\[5\/5\] done: last \d\.\d{3}, best \d\.\d{3} \(epoch 1\)/m);
    expect(stdout).to.match(/│ +seeds │ +last │ +best │ +gain │/);
    expect(stdout).to.match(/^│ student distilled +│ +2 │ +\d\.\d{3} ± \d\.\d{3} │/m);
    expect(stdout).to.match(/^teacher retinanet-mobilenetv1-fpn: \d\.\d{3}$/m);
    expect(stdout).to.not.include(" %");
    const config = JSON.parse(await readFile(join(study, "study.json"), "utf8")) as Record<string, object>;
    const detection = { minSize: 96, maxSize: 128 };
    expect(config["teacher"]).to.deep.equal({ name: "retinanet-mobilenetv1-fpn", detection });
    expect(config["student"]).to.deep.equal({ name: "retinanet-mobilenetv2-fpn", detection });
    expect(config["method"]).to.include({ kind: "review", warmupEpochs: 0 });
    expect((await succeed(words)).stdout.match(/: already done, /g)).to.have.lengthOf(5);
    await rm(study, { recursive: true });
  });

  it("saves on Ctrl-C and prints the complete command to resume", async () => {
    const study = join(directory.path, "stopped");
    const words = [...SEEDS, "--data", "synthetic:numClasses=4,trainSamples=320,testSamples=16", "--teacher-epochs",
      "1", "--epochs", "2", "--seed", "4", "--json", "--study", study];
    const running = start(words);
    await running.until(/"cell-run","cell":"student-alone-seed4".*"progress"/);
    running.child.kill("SIGINT");
    const { code, stdout, stderr } = await running.finished;
    expect(code, stderr).to.equal(130);
    expect(stderr).to.include(`study seeds --study ${study}`);
    expect(jsonEvents(stdout).at(-1)).to.include({ type: "error", code: "ABORTED" });

    const events = jsonEvents((await succeed(["study", "seeds", "--study", study, "--json"])).stdout);
    expect(events.filter(({ type }) => type === "cell-start").map(({ cell, resumed }) => [cell, resumed]))
      .to.deep.equal([["student-alone-seed4", true], ["distilled-seed4", false]]);
    expect(events.at(-1)).to.include({ type: "study-end" });

    const message = await fail(["study", "seeds", "--study", study, "--batch-size", "8"], { exit: 1,
      code: "RUN_MISMATCH" });
    expect(message).to.include("training.batchSize: was 16, now 8").and.include("--study DIR");
    const other = await fail(["study", "stages", "--study", study], { exit: 2, code: "CONFIG_INVALID" });
    expect(other).to.include('"seeds"').and.include("reviewkd study stages");
  });

  it("fails with the error of a failed cell after all others, with the results of those", async () => {
    const study = join(directory.path, "failing");
    const { code, stdout, stderr } = await reviewkd([...SEEDS, "--method", "review", "--warmup-epochs", "0", "--weight",
      "1e38", "--seed", "0", "--study", study]);
    expect(code).to.equal(1);
    expect(stdout).to.match(/^\[3\/3\] student distilled, seed 0 failed \[NON_FINITE_LOSS\]/m).and.match(
      /^│ student alone +│ +1 │/m,
    );
    expect(stderr).to.include("error [NON_FINITE_LOSS]: 1 of 3 cells failed: distilled-seed0").and.include(
      "Run the same command to retry them",
    );
    expect(await readFile(join(study, "results.csv"), "utf8")).to.match(/^student-alone-seed0,.*,done,/m);
  });

  it("completes without the library for pictures, and explains how to get them", async () => {
    const study = join(directory.path, "no-picture");
    const hook = "export const resolve = (name, context, next) => name === 'echarts' " +
      "? Promise.reject(Object.assign(new Error('not installed'), { code: 'ERR_MODULE_NOT_FOUND' })) : next(name, context);";
    const register = `import { register } from "node:module"; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});`;
    const preload = join(directory.path, "without-echarts.mjs");
    await writeFile(preload, register);
    const { stdout } = await succeed([...SEEDS, "--seed", "0", "--study", study], {
      env: { NODE_OPTIONS: `--import ${preload}` },
    });
    expect(stdout).to.include("no picture was drawn").and.include("npm install echarts").and.include(
      "│ student distilled",
    );
    expect(existsSync(join(study, "seeds.svg"))).to.equal(false);
    await rm(preload);
  });

  it("repeats a study from its study.json", async () => {
    const file = join(directory.path, "again.yaml");
    await writeFile(file, [
      "teacher: { name: resnet8 }",
      "student: { name: resnet8 }",
      "seeds: [3]",
      "method: { kind: kd }",
      "training: { epochs: 1, batchSize: 16, threads: 1 }",
      "data: { kind: synthetic, numClasses: 4, trainSamples: 32, testSamples: 16 }",
    ].join("\n"));
    const [first, second] = [join(directory.path, "first"), join(directory.path, "second")];
    await succeed(["study", "seeds", "--config", file, "--study", first]);
    await succeed(["study", "seeds", "--config", join(first, "study.json"), "--study", second]);
    expect(await readFile(join(second, "study.json"), "utf8")).to.equal(
      await readFile(join(first, "study.json"), "utf8"),
    );
  });

  it("lists the kinds of study, and explains each", async () => {
    const message = await fail(["study", "ablations", "--epochs", "3"], { exit: 2, code: "UNKNOWN_NAME" });
    expect(message).to.include("ablation, stages, seeds").and.include('received "ablations"');
    for (const kind of ["ablation", "stages", "seeds"]) {
      const { stdout } = await succeed(["study", kind, "--help"]);
      for (const option of ["--teacher ", "--teacher-weights ", "--student ", "--data ", "--limit-train ", "--epochs ",
        "--seeds ", "--study ", "--preset ", "--threads ", "--json ", "--student-weights ", "--backbone-weights ",
        "--teacher-backbone-weights ", "--min-size ", "--max-size ", "have other defaults"]) {
        expect(stdout).to.include(option);
      }
    }
    expect((await reviewkd(["study"])).code).to.equal(2);
  });

  for (const [launcher, env, received] of [
    ["torchrun", { RANK: "1", WORLD_SIZE: "2", MASTER_ADDR: "127.0.0.1", MASTER_PORT: "29500",
      TORCHELASTIC_RUN_ID: "none" }, "received process 1 of 2 by the variables of torchrun."],
    ["a step of SLURM", { SLURM_PROCID: "3", SLURM_STEP_ID: "0", SLURM_NTASKS: "4", SLURM_JOB_ID: "7",
      SLURM_STEP_NODELIST: "node1" }, "received process 3 of 4 by the variables of slurm."],
    ["variables by hand, without an address", { RANK: "1", WORLD_SIZE: "2" }, "received variables of several."],
  ] as const) {
    it(`is refused to the processes of ${launcher}, each of which would train all cells`, async () => {
      const study = join(directory.path, "several");
      const message = await fail([...SEEDS, "--seeds", "0", "--study", study], { exit: 2, code: "INVALID_ARGUMENT" }, {
        env,
      });
      expect(message).to.include(received).and.include("Start it once.").and.include("reviewkd study cell DIR INDEX")
        .and.include("RANK=0 WORLD_SIZE=1");
      expect(existsSync(study)).to.equal(false);
    });
  }

  it("starts where the variables are of one process, and plans and trains cells where they are of several", async () => {
    const study = join(directory.path, "tasks");
    const settings = [...SEEDS.slice(2), "--seeds", "0"];
    const task = { SLURM_PROCID: "1", SLURM_STEP_ID: "0", SLURM_NTASKS: "4", SLURM_JOB_ID: "7",
      SLURM_STEP_NODELIST: "node1" };
    await succeed(["study", "plan", study, "--kind", "seeds", ...settings], { env: task });
    await succeed(["study", "cell", study, "0"], { env: task });
    await succeed(["study", "seeds", "--study", study], { env: { ...task, RANK: "0", WORLD_SIZE: "1" } });
  });

  for (const [problem, words, code, expected] of [
    ["a duplicate seed", ["--seeds", "0,1,0"], "INVALID_ARGUMENT",
      /invalid --seeds: expected different .*, received "0,1,0"\. Remove the second 0\./],
    ["one seed and several", ["--seed", "0", "--seeds", "1,2"], "INVALID_ARGUMENT", /either --seed or --seeds/],
    ["an unknown network", ["--student", "resnet9"], "UNKNOWN_NAME",
      /invalid student: expected .*, received "resnet9"; did you mean "resnet8"\?/],
    ["an unknown preset", ["--preset", "resnet56-resnet21"], "UNKNOWN_NAME", /did you mean "resnet56-resnet20"\?/],
    ["a classifier as the teacher of a detector", ["--student", "retinanet-resnet18-fpn"], "INVALID_ARGUMENT",
      /expected a detector as the student retinanet-resnet18-fpn is, received resnet8/],
    ["a preset without its data", ["--preset", "resnet56-resnet20"], "CONFIG_INVALID",
      /missing --data\. Pass cifar100:DIR; `reviewkd data fetch cifar100`/],
    ["quirks of a preset without any", ["--preset", "cifar100", "--data", "cifar100:none", "--no-published-quirks"],
      "CONFIG_INVALID", /invalid publishedQuirks in .*, received "cifar100"\./],
  ] as const) {
    it(`rejects ${problem}`, async () => {
      const message = await fail(["study", "seeds", ...NETWORKS, ...words, "--study", join(directory.path, "refused")],
        { exit: 2, code });
      expect(message).to.match(expected);
      expect(existsSync(join(directory.path, "refused"))).to.equal(false);
    });
  }

  it("names the backbone of a preset's student if it is missing", async () => {
    expect(
      await fail(["study", "seeds", "--preset", "mask-rcnn-resnet101-resnet50"], { exit: 2, code: "CONFIG_INVALID" }),
    ).to.include("missing --backbone-weights.");
  });

  it("names the flags of missing networks", async () => {
    expect(await fail(["study", "ablation"], { exit: 2, code: "CONFIG_INVALID" })).to.include("--teacher");
    expect(await fail(["study", "stages", "--teacher", "resnet8"], { exit: 2, code: "CONFIG_INVALID" })).to.include(
      "--student",
    );
  });
});
