// Proposals in errors of the command line, tried as the next command.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import type { Command } from "commander";
import { createModel, inspectWeights, schemas, Tensor, writeStateDict, type StateDict } from "../../lib/index.js";
import { buildProgram } from "../../lib/cli/program.js";
import { picture } from "../support/image-files.js";
import { fail, reviewkd, succeed, useDirectory } from "./helpers.js";

const DATA = ["--data", "synthetic:numClasses=4,trainSamples=16,testSamples=8", "--batch-size", "8"];
const SHORT = [...DATA, "--epochs", "1"];

describe("advice of the command line", function () {
  this.timeout(240_000);
  const directory = useDirectory();
  const file = (name: string): string => join(directory.path, name);
  const run = (): string[] => ["--run", file(`run-${runs++}`)];
  let runs = 0;

  const behind = (prefix: string, state: StateDict): StateDict =>
    Object.fromEntries(Object.entries(state).map(([name, value]) => [prefix + name, value]));

  before(async () => {
    using first = await createModel("resnet8", { numClasses: 4, seed: 1 });
    using second = await createModel("resnet8", { numClasses: 4, seed: 2 });
    await writeStateDict(file("two.pth"), { ...behind("snet.", await first.stateDict()),
      ...behind("tnet.", await second.stateDict()) });
    await writeStateDict(file("one.pth"), await first.stateDict());
    using other = await createModel("resnet8", { numClasses: 7 });
    await writeStateDict(file("seven.pth"), await other.stateDict());
    await picture(32, 32).png().toFile(file("image.png"));
  });

  /** A command that fails, and that succeeds with the flags that its message proposes. */
  async function follow(words: readonly string[], advice: string, flags: readonly string[],
    options: { exit: number; code: string }): Promise<void> {
    const message = await fail([...words, ...run()], options);
    expect(message).to.contain(advice);
    expect(message, "options of the API").not.to.match(/`(?:\w+\.)?(?:key|strict: false)`/);
    await succeed([...words, ...flags, ...run()]);
  }
  const SEVERAL = { exit: 1, code: "FILE_UNSUPPORTED" };
  const MISMATCH = { exit: 1, code: "STATE_DICT_MISMATCH" };

  it("chooses one of several state dicts", async () => {
    await follow(["train", "--model", "resnet8", "--weights", file("two.pth"), ...SHORT], "--key NAME", ["--key",
      "tnet"], SEVERAL);
    await follow(["distill", "--teacher", "resnet8", "--teacher-weights", file("two.pth"), "--student", "resnet8",
      ...SHORT], "--teacher-key NAME", ["--teacher-key", "tnet"], SEVERAL);
    await follow(["distill", "--teacher", "resnet8", "--teacher-weights", file("one.pth"), "--student", "resnet8",
      "--student-weights", file("two.pth"), ...SHORT], "--student-key NAME", ["--student-key", "snet"], SEVERAL);
    const study = ["study", "seeds", "--teacher", "resnet8", "--teacher-weights", file("two.pth"), "--student",
      "resnet8", "--method", "kd", "--seeds", "0", ...SHORT];
    expect(await fail([...study, "--study", file("study-a")], SEVERAL)).to.contain("--teacher-key NAME");
    await succeed([...study, "--teacher-key", "tnet", "--study", file("study-b")]);
    const evaluate = ["eval", "--model", "resnet8", "--weights", file("two.pth"), ...DATA];
    expect(await fail(evaluate, SEVERAL)).to.contain("--key NAME");
    await succeed([...evaluate, "--key", "snet"]);
    await succeed(["convert", file("two.pth"), file("chosen.pth"), "--key", "snet"]);
  });

  it("chooses among networks of several kinds, which no command does on its own", async () => {
    using student = await createModel("resnet8", { numClasses: 4, seed: 1 });
    using teacher = await createModel("resnet20", { numClasses: 4, seed: 2 });
    const states = { ...behind("model.", await student.stateDict()), ...behind("teacher.", await teacher.stateDict()) };
    await writeStateDict(file("kinds.pth"), { ...states, "model.loss.weight": Tensor.from([1], [1]) });
    for (const words of [["predict", file("kinds.pth"), file("image.png")], ["eval", "--weights", file("kinds.pth"),
      ...DATA]]) {
      expect(await fail(words, { exit: 2, code: "INVALID_ARGUMENT" })).to.contain("--key model").and.to.contain(
        "--key teacher",
      );
    }
    const convert = ["convert", file("kinds.pth"), file("kind.safetensors")];
    expect(await fail(convert, SEVERAL)).to.contain("begin with teacher, model");
    await succeed([...convert, "--key", "teacher"]);
    expect((await inspectWeights(file("kind.safetensors"))).fit).to.include({ name: "resnet20", matching: 128 });
  });

  it("chooses a network with nothing before its names next to others", async () => {
    using student = await createModel("resnet8", { numClasses: 4, seed: 1 });
    using teacher = await createModel("resnet20", { numClasses: 4, seed: 2 });
    await writeStateDict(file("plain.pth"), { ...await student.stateDict(),
      ...behind("teacher.", await teacher.stateDict()) });
    const evaluate = ["eval", "--weights", file("plain.pth"), ...DATA];
    expect(await fail(evaluate, { exit: 2, code: "INVALID_ARGUMENT" })).to.contain(
      "Choose one with --key teacher, or the other one with --model NAME --no-strict.",
    );
    await succeed([...evaluate, "--model", "resnet8", "--no-strict"]);
    await succeed([...evaluate, "--model", "resnet20", "--key", "teacher"]);
  });

  it("goes by a file's entries where it names a network of another tool", async () => {
    using model = await createModel("resnet8", { numClasses: 4, seed: 1 });
    await writeStateDict(file("foreign.pth"), await model.stateDict(), { model: "resnet_custom" });
    const evaluate = ["eval", "--weights", file("foreign.pth"), ...DATA];
    expect(await fail(evaluate, { exit: 2, code: "INVALID_ARGUMENT" })).to.contain("Pass --model resnet8, which");
    await succeed([...evaluate, "--model", "resnet8"]);
    await succeed(["predict", file("foreign.pth"), file("image.png")]);
  });

  it("names the index of a file with a part of a network", async () => {
    using model = await createModel("resnet8", { numClasses: 4, seed: 1 });
    const shard = file("model-00001-of-00002.safetensors");
    await writeStateDict(shard, Object.fromEntries(Object.entries(await model.stateDict()).slice(0, 40)));
    expect(await fail(["predict", shard, file("image.png")], { exit: 2, code: "INVALID_ARGUMENT" }))
      .to.contain("pass their index");
  });

  it("loads weights for another number of classes in part", async () => {
    await follow(["train", "--model", "resnet8", "--weights", file("seven.pth"), ...SHORT], "--no-strict loads", [
      "--no-strict",
    ], MISMATCH);
    await follow(["distill", "--teacher", "resnet8", "--teacher-weights", file("one.pth"), "--student", "resnet8",
      "--student-weights", file("seven.pth"), ...SHORT], "--no-strict loads", ["--no-strict"], MISMATCH);
    const evaluate = ["eval", "--model", "resnet8", "--weights", file("seven.pth"), ...DATA];
    // An accuracy of weights that fit in part means nothing: it is possible, and not proposed.
    expect(await fail(evaluate, MISMATCH)).to.contain("expected weights for 4 classes, received those for 7").and.not
      .to.contain("strict");
    expect((await succeed([...evaluate, "--no-strict"])).stderr).to.contain("fc.weight");
  });

  it("leaves entries aside that are not of the network", async () => {
    using model = await createModel("resnet8", { numClasses: 4, seed: 1 });
    await writeStateDict(file("more.pth"), { ...await model.stateDict(), "criterion.weight": Tensor.from([1], [1]) });
    const evaluate = ["eval", "--model", "resnet8", "--weights", file("more.pth"), ...DATA];
    expect(await fail(evaluate, MISMATCH)).to.contain("Leave the others aside with --no-strict.");
    await succeed([...evaluate, "--no-strict"]);
  });

  it("does not load a teacher in part, of which a student would learn nothing", async () => {
    const message = await fail(["distill", "--teacher", "resnet8", "--teacher-weights", file("seven.pth"), "--student",
      "resnet8", ...SHORT, ...run()], MISMATCH);
    expect(message).not.to.match(/strict/);
  });

  it("names the network of a file that does not", async () => {
    const words = ["eval", "--weights", file("one.pth"), ...DATA];
    const message = await fail(words, { exit: 2, code: "INVALID_ARGUMENT" });
    const [, name = ""] = /Pass --model (\S+), which it fits/.exec(message) ?? [];
    await succeed([...words, "--model", name]);
  });

  it("chooses data of a kind that a detector is trained on", async () => {
    const words = ["train", "--model", "retinanet-resnet18-fpn"];
    const message = await fail([...words, "--data", "cifar10:missing", ...run()], { exit: 2,
      code: "INVALID_ARGUMENT" });
    expect(message).to.contain("Pass --data coco:DIR, voc:DIR or scenes.\n");
    const known = schemas.DetectionSource.options.map(({ shape }) => shape.kind.value);
    expect(known, "kinds of --data and that of programs").to.have.members(["coco", "voc", "scenes", "boxes"]);
  });

  it("proposes files of COCO elsewhere where a configuration can have them", async () => {
    const data = `coco:${directory.path}`;
    const MISSING = { exit: 1, code: "FILE_NOT_FOUND" };
    const message = await fail(["data", "info", data], MISSING);
    expect(message).to.contain("Download COCO 2017 and unpack it there.\n");
    expect(await fail(["train", "--model", "retinanet-resnet18-fpn", "--data", data, ...run()], MISSING)).to.contain(
      "Download COCO 2017, or pass images and annotations instead of root in a file for --config.\n",
    );
  });

  it("bounds the gradients of a training that diverges", async () => {
    const words = ["--model", "resnet8", ...SHORT, "--learning-rate", "1e30"];
    expect(await fail(["train", ...words, ...run()], { exit: 1, code: "NON_FINITE_LOSS" })).to.contain(
      "bound the gradients (--clip-norm X)",
    );
    const study = ["study", "seeds", "--teacher", "resnet8", "--student", "resnet8", "--method", "kd", "--seeds", "0",
      ...SHORT, "--learning-rate", "1e30", "--study", file("study-diverged")];
    const { stdout, stderr, code } = await reviewkd(study);
    expect(code).to.equal(1);
    expect(stdout).to.match(/failed \[NON_FINITE_LOSS\]: .*\(--clip-norm X\)/);
    expect(`${stdout}${stderr}`).not.to.contain("clipNorm");
  });

  it("names a file of weights in a folder", async () => {
    const message = await fail(["inspect", directory.path], { exit: 1, code: "FILE_ACCESS" });
    const [, path = ""] = /Pass a file in it: ([^, ]+)/.exec(message) ?? [];
    await succeed(["inspect", path]);
  });

  it("proposes flags and commands that exist", async () => {
    const program = buildProgram();
    const commands = allOf(program);
    const flags = new Set(commands.flatMap(({ options }) => options.flatMap(({ long }) => long ?? [])));
    const names = new Set(commands.map((command) => command.name()));
    const unknown: string[] = [];
    for (const path of await sources()) {
      for (const [, text = ""] of (await readFile(path, "utf8")).matchAll(/(["`](?:[^"`\\\n]|\\.)*["`])/g)) {
        // Sentences alone: the words of other programs' command lines stand by themselves.
        if (!/\w \w/.test(text)) continue;
        for (const [flag] of text.matchAll(/(?<![\w-])--[a-z][a-z-]+/g))
          if (!flags.has(flag) && !OF_OTHERS.has(flag)) unknown.push(`${path}: ${flag}`);
        for (const [, name = ""] of text.matchAll(/`reviewkd ([a-z]+)/g))
          if (!names.has(name)) unknown.push(`${path}: reviewkd ${name}`);
      }
    }
    expect(unknown).to.deep.equal([]);
  });
});

/** Flags of npm, pip and node in messages, and commander's own. */
const OF_OTHERS = new Set(["--omit", "--no-optional", "--ignore-optional", "--include", "--external", "--save-optional",
  "--help"]);

function allOf(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allOf)];
}

/** Files with messages. */
async function sources(): Promise<string[]> {
  const files = await Promise.all(
    ["lib", "native"].map((folder) => readdir(folder, { recursive: true, withFileTypes: true })),
  );
  return files.flat().filter((entry) => entry.isFile() && /\.(?:ts|cpp|h)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name)).filter((path) => !path.startsWith("native/tests"));
}
