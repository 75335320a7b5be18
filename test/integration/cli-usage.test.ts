import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { fail, jsonEvents, packageWithoutAddon, reviewkd, succeed, useDirectory } from "./helpers.js";

describe("command line: usage", () => {
  const directory = useDirectory();

  it("prints the help of every command without an addon", async () => {
    const noAddon = { package: await packageWithoutAddon(join(directory.path, "package")) };
    const top = await succeed(["--help"], noAddon);
    for (const command of ["demo", "train", "distill", "eval", "models", "presets", "doctor", "data"]) {
      expect(top.stdout).to.include(`  ${command}`);
      const { stdout } = await succeed([command, "--help"], noAddon);
      expect(stdout).to.include(`Usage: reviewkd ${command}`);
    }
  });

  it("checks options, files and names without an addon", async () => {
    const noAddon = { package: await packageWithoutAddon(join(directory.path, "checks")) };
    const file = join(directory.path, "checks.yaml");
    await writeFile(file, "model: { name: resnet8 }\ntraining:\n  bachSize: 32\n");
    const run = join(directory.path, "checks");
    const invalid = { exit: 2, code: "CONFIG_INVALID" };
    const cases: readonly (readonly [expected: Parameters<typeof fail>[1], ...words: string[]])[] = [
      [invalid, "train"],
      [invalid, "distill", "--student", "resnet8", "--teacher", "resnet20"],
      [invalid, "train", "--config", file],
      [{ exit: 2, code: "INVALID_ARGUMENT" }, "eval"],
      [{ exit: 2, code: "UNKNOWN_NAME" }, "train", "--preset", "cifar10"],
      [{ exit: 1, code: "FILE_NOT_FOUND" }, "train", "--config", join(directory.path, "absent.yaml")],
      [{ exit: 1, code: "RUN_DIRECTORY" }, "train", "--run", run, "--resume"],
    ];
    for (const [expected, ...words] of cases) await fail(words, expected, noAddon);
    // With nothing wrong in its options, a command does need it.
    await fail(["models"], { exit: 1, code: "ADDON_NOT_FOUND" }, noAddon);
  });

  it("lists every training option", async () => {
    const { stdout } = await succeed(["distill", "--help"]);
    for (const option of [
      "--teacher",
      "--teacher-weights",
      "--student",
      "--data",
      "--epochs",
      "--max-steps",
      "--batch-size",
      "--learning-rate",
      "--seed",
      "--device",
      "--precision",
      "--threads",
      "--limit-train",
      "--limit-test",
      "--run",
      "--resume",
      "--preset",
      "--linear-scaling",
      "--no-published-quirks",
      "--config",
      "--json",
    ]) expect(stdout).to.include(`${option} `);
  });

  it("lists the methods of distillation", async () => {
    const { stdout } = await succeed(["distill", "--help"]);
    for (const kind of ["kd", "dkd", "single-layer", "multi-layer", "review-stage", "review-pairs", "review-fused",
      "review"]) {
      expect(stdout).to.match(new RegExp(`^  ${kind} +[A-Z].*\\.$`, "m"));
    }
  });

  it("suggests the nearest method, and lists its options", async () => {
    const words = ["distill", "--teacher", "resnet56", "--teacher-weights", "t.safetensors", "--student", "resnet20"];
    expect(await fail([...words, "--method", "review-pair"], { exit: 2, code: "CONFIG_INVALID" }))
      .to.include('received "review-pair". Did you mean "review-pairs"?');
    expect(await fail([...words, "--method", "kd", "--mid-channels", "8"], { exit: 2, code: "CONFIG_INVALID" }))
      .to.include(
        'expected one of the keys kind, weight, warmupEpochs, warmupFrom, temperature, teacherMode, received "midChannels".',
      );
    expect(await fail([...words, "--method", "sum"], { exit: 2, code: "CONFIG_INVALID" }))
      .to.include("expected an array of one or more methods, received nothing.");
  });

  it("prints the version", async () => {
    expect((await succeed(["--version"])).stdout).to.match(/^\d+\.\d+\.\d+\n$/);
  });

  it("prints the help as an error without a command", async () => {
    const { code, stdout, stderr } = await reviewkd([]);
    expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
    expect(stderr).to.include("Usage: reviewkd");
  });

  it("suggests the nearest command and option", async () => {
    expect(await fail(["trian"], { exit: 2, code: "INVALID_ARGUMENT" })).to.include("Did you mean train?");
    expect(await fail(["train", "--epoch", "3"], { exit: 2, code: "INVALID_ARGUMENT" })).to.include(
      "Did you mean --epochs?",
    );
  });

  for (const [option, value] of [
    ["--epochs", "NaN"],
    ["--epochs", "-1"],
    ["--batch-size", "abc"],
    ["--learning-rate", "NaN"],
    ["--learning-rate", "-0.1"],
    ["--threads", "0"],
    ["--seed", "1.5"],
    ["--limit-train", "0"],
    ["--device", "gpu"],
    ["--precision", "fp8"],
    ["--data", "mnist:DIR"],
  ] as const) {
    it(`rejects ${option} ${value}`, async () => {
      const code = option === "--data" ? "UNKNOWN_NAME" : "INVALID_ARGUMENT";
      const message = await fail(["train", "--model", "resnet8", option, value], { exit: 2, code });
      expect(message).to.include(option).and.include(`received "${value}"`);
    });
  }

  it("reports an error as one JSON event with --json", async () => {
    const { code, stdout } = await reviewkd(["train", "--epochs", "NaN", "--json"]);
    expect(code).to.equal(2);
    expect(jsonEvents(stdout)).to.deep.equal([
      { type: "error", code: "INVALID_ARGUMENT",
        message: 'invalid --epochs: expected a whole number ≥ 1, received "NaN".' },
    ]);
  });

  it("shows a stack trace only on request", async () => {
    const { stderr } = await reviewkd(["train", "--epochs", "NaN"], { env: { REVIEWKD_DEBUG: "1" } });
    expect(stderr).to.match(/^\s+at /m);
  });

  it("names missing networks and weights", async () => {
    expect(await fail(["train"], { exit: 2, code: "CONFIG_INVALID" })).to.include("model");
    expect(await fail(["distill", "--student", "resnet8"], { exit: 2, code: "CONFIG_INVALID" })).to.include(
      "teacher",
    );
    const noWeights = ["distill", "--student", "resnet8", "--teacher", "resnet20"];
    expect(await fail(noWeights, { exit: 2, code: "CONFIG_INVALID" })).to.include("weights");
    expect(await fail(["eval"], { exit: 2, code: "INVALID_ARGUMENT" })).to.include("--weights");
  });

  it("requires a preset for the options of one, and the inputs of a detector's preset", async () => {
    const invalid = { exit: 2, code: "CONFIG_INVALID" };
    const pair = ["--preset", "faster-rcnn-resnet101-resnet50", "--teacher-weights", "t.pkl"];
    const data = ["--data", "coco:none"];
    for (const [text, ...words] of [
      ["invalid linearScaling in the flags: expected a preset", "train", "--model", "resnet8", "--linear-scaling"],
      ["received no preset", "train", "--model", "resnet8", "--no-published-quirks"],
      ['received "faster-rcnn-resnet101-resnet50"', "distill", ...pair, "--backbone-weights", "b.pth", ...data,
        "--no-published-quirks"],
      ["missing --backbone-weights.", "distill", ...pair, ...data],
      ["missing --data. Pass coco:DIR", "distill", ...pair, "--backbone-weights", "b.pth"],
    ] as const) expect(await fail(words, invalid)).to.include(text);
  });

  it("lists the presets for an unknown one", async () => {
    expect(await fail(["train", "--preset", "cifar10"], { exit: 2, code: "UNKNOWN_NAME" })).to.include(
      "cifar100-short",
    );
  });

  it("suggests the nearest key for an unknown one in a configuration file", async () => {
    const file = join(directory.path, "run.yaml");
    await writeFile(file, "model: { name: resnet8 }\ntraining:\n  bachSize: 32\n");
    const message = await fail(["train", "--config", file], { exit: 2, code: "CONFIG_INVALID" });
    expect(message).to.include("bachSize").and.match(/Did you mean "?batchSize/);
  });

  it("names file and line of a syntax error", async () => {
    const file = join(directory.path, "run.yaml");
    await writeFile(file, "model:\n  name: resnet8\n bad: [1\n");
    expect(await fail(["train", "--config", file], { exit: 2, code: "CONFIG_INVALID" })).to.include(
      "run.yaml",
    ).and.match(/\b[34]\b/);
  });

  it("reports a missing configuration file", async () => {
    const message = await fail(["train", "--config", join(directory.path, "no.yaml")], { exit: 1,
      code: "FILE_NOT_FOUND" });
    expect(message).to.include("no.yaml");
  });

  it("does not run a configuration of the other task", async () => {
    const file = join(directory.path, "run.json");
    await writeFile(file, JSON.stringify({ task: "distill", student: { name: "resnet8" } }));
    expect(await fail(["train", "--config", file], { exit: 2, code: "CONFIG_INVALID" })).to.include(
      "reviewkd distill",
    );
  });

  it("reports what is missing if a run cannot be resumed", async () => {
    const run = join(directory.path, "empty");
    await mkdir(run);
    const message = await fail(["train", "--run", run, "--resume"], { exit: 1, code: "RUN_DIRECTORY" });
    expect(message).to.include(run).and.include("--resume");
  });
});
