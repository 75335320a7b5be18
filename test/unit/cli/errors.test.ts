import { CommanderError } from "commander";
import { expect } from "chai";
import { ERROR_CODES, ReviewKdError } from "../../../lib/index.js";
import { answeredExitCode, describeError, type CommandUse } from "../../../lib/cli/errors.js";
import { buildProgram } from "../../../lib/cli/program.js";
import { commandUse } from "../../../lib/cli/run-cli.js";

describe("cli/errors", () => {
  it("exits with 2 for usage errors, 130 for an interruption, 75 for a cell that waits and 1 for everything else", () => {
    const exits = Object.fromEntries(
      ERROR_CODES.map((code) => [code, describeError(new ReviewKdError(code, "m")).exitCode]),
    );
    const { INVALID_ARGUMENT, UNKNOWN_NAME, CONFIG_INVALID, ABORTED, TEACHER_UNFINISHED, ...others } = exits;
    expect([INVALID_ARGUMENT, UNKNOWN_NAME, CONFIG_INVALID]).to.deep.equal([2, 2, 2]);
    expect([ABORTED, TEACHER_UNFINISHED]).to.deep.equal([130, 75]);
    expect(new Set(Object.values(others))).to.deep.equal(new Set([1]));
  });

  /** A command as the program has it. */
  function useOf(name: string): CommandUse {
    const command = buildProgram().commands.find((one) => one.name() === name);
    if (command === undefined) throw new Error(`no command ${name}`);
    return commandUse(command, ["reviewkd", name], []);
  }

  const TRAIN = useOf("train");

  function unknownOption(flag: string, use = TRAIN): string {
    return describeError(new CommanderError(1, "commander.unknownOption", `error: unknown option '${flag}'`), use)
      .message;
  }

  it("names the flag that was meant, also by the names that other programs give it", () => {
    const meant = { "--epoch": "--epochs", "--lr": "--learning-rate", "--learning_rate=0.1": "--learning-rate",
      "--learningRate": "--learning-rate", "--wd": "--weight-decay", "--bs": "--batch-size",
      "--batch_size": "--batch-size", "-b": "--batch-size", "--gpu": "--device", "--arch": "--model",
      "--output": "--run", "--name": "--run", "--no-nestrov": "--no-nesterov" };
    for (const [given, flag] of Object.entries(meant)) {
      expect(unknownOption(given)).to.equal(
        `unknown option '${given}'. Did you mean ${flag}? See \`reviewkd train --help\`.`,
      );
    }
  });

  it("names the flag of another command that was meant", () => {
    const meant = {
      distill: { "--student-ckpt": "--student-weights", "--teacher-ckpt": "--teacher-weights", "--beta": "--weight" },
      predict: { "--classes": "--class-names", "--labels": "--class-names", "-k": "--top", "--topk": "--top",
        "--normalize": "--mean and --std", "--normalization": "--mean and --std" },
      eval: { "--ckpt": "--weights" },
      detect: { "--num-classes": "--classes" },
    };
    for (const [command, flags] of Object.entries(meant)) {
      for (const [given, flag] of Object.entries(flags)) {
        expect(unknownOption(given, useOf(command))).to.equal(
          `unknown option '${given}'. Did you mean ${flag}? See \`reviewkd ${command} --help\`.`,
        );
      }
    }
  });

  it("does not propose the opposite of a flag that is on by default", () => {
    const off = { "--nesterov": "--no-nesterov", "--nestrov": "--no-nesterov", "--augment": "--no-augment",
      "--aug": "--no-augment", "--fused": "--no-fused" };
    for (const [given, flag] of Object.entries(off)) {
      expect(unknownOption(given)).to.equal(
        `unknown option '${given}'. It is on by default; ${flag} turns it off. See \`reviewkd train --help\`.`,
      );
    }
  });

  it("says which argument needs no flag", () => {
    const usage = { predict: "<weights> <image|dir...>", inspect: "<file>", convert: "<in> <out>" };
    for (const [command, words] of Object.entries(usage)) {
      expect(unknownOption("--weights", useOf(command))).to.include(
        `It is an argument without a flag: \`reviewkd ${command} [options] ${words}\`.`,
      );
    }
  });

  it("has advice instead of a flag that means something else", () => {
    const notes = { train: { "--overwrite": "A run replaces no other", "--beta": "belong to `reviewkd distill`" },
      distill: { "--T": "temperature: 4", "--temperature": "temperature: 4" },
      predict: { "--num-classes": "The weights determine the number of classes." } };
    for (const [command, flags] of Object.entries(notes)) {
      for (const [given, note] of Object.entries(flags))
        expect(unknownOption(given, useOf(command))).to.include(note).and.to.not.include("Did you mean");
    }
    for (const other of ["--rub", "--constructor"])
      expect(unknownOption(other, { ...TRAIN, flags: ["--data"] })).to.equal(
        `unknown option '${other}'. See \`reviewkd train --help\`.`,
      );
  });

  it("names no flag that the command does not have", () => {
    expect(unknownOption("--lr", { ...TRAIN, flags: ["--model"] })).to.equal(
      "unknown option '--lr'. See `reviewkd train --help`.",
    );
    expect(unknownOption("--num_classes")).to.include("The data determine the number of classes.");
  });

  it("names the command that was meant", () => {
    const use = { ...TRAIN, name: "reviewkd", flags: [], commands: ["train", "eval", "data"] };
    const message = (word: string): string =>
      describeError(new CommanderError(1, "commander.unknownCommand", `error: unknown command '${word}'`), use).message;
    expect(message("traim")).to.equal("unknown command 'traim'. Did you mean train? See `reviewkd --help`.");
    expect(message("evaluate")).to.include("Did you mean eval?");
    expect(message("zzz")).to.equal("unknown command 'zzz'. See `reviewkd --help`.");
  });

  it("finds a required flag under another name", () => {
    const missing = new CommanderError(1, "commander.missingMandatoryOptionValue",
      "error: required option '--model <name>' not specified");
    const { message } = describeError(missing, { ...TRAIN, words: ["train", "--epochs", "3", "--arch", "resnet20"] });
    expect(message).to.equal("unknown option '--arch'. Did you mean --model? See `reviewkd train --help`.");
    expect(describeError(missing, TRAIN).message).to.include("required option '--model <name>' not specified.");
  });

  it("keeps other errors of Commander", () => {
    const plain = new CommanderError(1, "commander.excessArguments", "error: too many arguments.");
    expect(describeError(plain)).to.deep.equal({ code: "INVALID_ARGUMENT",
      message: "too many arguments. See `reviewkd --help`.", valid: [], exitCode: 2 });
  });

  it("has the accepted names of an error", () => {
    expect(describeError(new ReviewKdError("UNKNOWN_NAME", "m", { valid: ["a"] })).valid).to.deep.equal(["a"]);
  });

  it("accepts any thrown value", () => {
    expect(describeError("boom")).to.deep.equal({ code: "INTERNAL", message: "boom", valid: [], exitCode: 1 });
  });

  it("takes arguments that Node refuses for wrong use", () => {
    const refused = Object.assign(new TypeError("without null bytes"), { code: "ERR_INVALID_ARG_VALUE" });
    expect(describeError(refused)).to.include({ code: "INVALID_ARGUMENT", exitCode: 2 });
  });

  it("distinguishes requested help, help for a missing command, and errors", () => {
    expect(answeredExitCode(new CommanderError(0, "commander.helpDisplayed", "(outputHelp)"))).to.equal(0);
    expect(answeredExitCode(new CommanderError(1, "commander.help", "(outputHelp)"))).to.equal(2);
    expect(answeredExitCode(new CommanderError(0, "commander.help", "(outputHelp)"))).to.equal(0);
    expect(answeredExitCode(new CommanderError(1, "commander.unknownOption", "x"))).to.equal(undefined);
    expect(answeredExitCode(new Error("x"))).to.equal(undefined);
  });
});
