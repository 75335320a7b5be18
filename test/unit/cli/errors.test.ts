import { CommanderError } from "commander";
import { expect } from "chai";
import { ERROR_CODES, ReviewKdError } from "../../../lib/index.js";
import { answeredExitCode, describeError } from "../../../lib/cli/errors.js";

describe("cli/errors", () => {
  it("exits with 2 for usage errors, 130 for an interruption and 1 for everything else", () => {
    const exits = Object.fromEntries(
      ERROR_CODES.map((code) => [code, describeError(new ReviewKdError(code, "m")).exitCode]),
    );
    const { INVALID_ARGUMENT, UNKNOWN_NAME, CONFIG_INVALID, ABORTED, ...others } = exits;
    expect([INVALID_ARGUMENT, UNKNOWN_NAME, CONFIG_INVALID]).to.deep.equal([2, 2, 2]);
    expect(ABORTED).to.equal(130);
    expect(new Set(Object.values(others))).to.deep.equal(new Set([1]));
  });

  it("combines Commander's error and suggestion into one sentence", () => {
    const error = new CommanderError(1, "commander.unknownOption",
      "error: unknown option '--epoch'\n(Did you mean --epochs?)");
    expect(describeError(error)).to.deep.equal({
      code: "INVALID_ARGUMENT",
      message: "unknown option '--epoch'; did you mean --epochs? See `reviewkd --help`.",
      exitCode: 2,
    });
    const plain = new CommanderError(1, "commander.excessArguments", "error: too many arguments.");
    expect(describeError(plain).message).to.equal("too many arguments. See `reviewkd --help`.");
  });

  it("accepts any thrown value", () => {
    expect(describeError("boom")).to.deep.equal({ code: "INTERNAL", message: "boom", exitCode: 1 });
  });

  it("distinguishes requested help, help for a missing command, and errors", () => {
    expect(answeredExitCode(new CommanderError(0, "commander.helpDisplayed", "(outputHelp)"))).to.equal(0);
    expect(answeredExitCode(new CommanderError(1, "commander.help", "(outputHelp)"))).to.equal(2);
    expect(answeredExitCode(new CommanderError(0, "commander.help", "(outputHelp)"))).to.equal(0);
    expect(answeredExitCode(new CommanderError(1, "commander.unknownOption", "x"))).to.equal(undefined);
    expect(answeredExitCode(new Error("x"))).to.equal(undefined);
  });
});
