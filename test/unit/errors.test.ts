import { readFileSync } from "node:fs";
import { expect } from "chai";
import { createModel, ERROR_CODES, isReviewKdError, messageOf, ReviewKdError, Tensor,
  type ErrorCode } from "../../lib/index.js";
import { causedBy, reasonOf } from "../../lib/errors.js";
import { packageRoot } from "../../lib/install/layout.js";
import { loadAddon } from "../../lib/install/load.js";
import { getMachineInfo } from "../../lib/install/machine-info.js";
import { addonPath, type Addon } from "../../lib/native.js";

const core = (file: string): string => readFileSync(new URL(`../../native/core/${file}`, import.meta.url), "utf8");

/** "kFileNotFound" as "FILE_NOT_FOUND". */
const spelled = (enumerator: string): string => enumerator.slice(1).replace(/(?<!^)[A-Z]/g, "_$&").toUpperCase();

describe("error codes", () => {
  const returned = [...core("base/error.h").matchAll(/CODE\((k\w+), "(\w+)"\)/g)].map((match) =>
    [match[1]!, match[2]!] as const
  );

  it("of native code are all known to TypeScript", () => {
    expect(returned).to.have.length.above(10);
    expect([...ERROR_CODES]).to.include.members(returned.map(([, code]) => code));
  });

  it("of native code are spelled as their enumerators", () => {
    for (const [enumerator, code] of returned) expect(code).to.equal(spelled(enumerator));
  });

  it("are listed once each", () => {
    expect(new Set<string>(ERROR_CODES).size).to.equal(ERROR_CODES.length);
  });
});

describe("ReviewKdError", () => {
  it("carries code, message, cause and valid names", () => {
    const cause = new Error("below");
    const error = new ReviewKdError("UNKNOWN_NAME", "expected a name", { valid: ["a", "b"], cause });
    expect(error).to.be.instanceOf(Error);
    expect([error.name, error.code, error.message, error.valid, error.cause]).to.deep.equal(["ReviewKdError",
      "UNKNOWN_NAME", "expected a name", ["a", "b"], cause]);
    expect(String(error)).to.equal("ReviewKdError: expected a name");
  });

  it("has no valid names and no cause unless given", () => {
    const error = new ReviewKdError("INTERNAL", "expected nothing");
    expect(error.valid).to.deep.equal([]);
    expect("cause" in error).to.equal(false);
  });

  it("is what native code rejects with, stack included", async () => {
    const error: unknown = await createModel("resnet21").then(() => undefined, (reason: unknown) => reason);
    expect((error as Error).message).to.match(/received "resnet21"; did you mean "resnet\d+"\?$/);
    const { cause } = error as Error;
    expect(cause).to.be.instanceOf(ReviewKdError);
    const { code, valid, stack, message } = cause as ReviewKdError;
    expect(code).to.equal("UNKNOWN_NAME" satisfies ErrorCode);
    expect(valid).to.include.members(["resnet20", "resnet32x4"]);
    expect(message).to.match(/^invalid model name: expected one of .*, received "resnet21"\./);
    expect(stack).to.include("resnet21");
  });

  it("is what native code throws at once", () => {
    expect(() => Tensor.from(new Float32Array(2), [3])).to.throw(ReviewKdError).with.property("code", "SHAPE_MISMATCH");
  });

  it("is the class of each copy of the package in a process", () => {
    class Other extends Error {}
    const here = { root: packageRoot(), machine: getMachineInfo(), env: process.env, checkoutAddon: addonPath() };
    const other = loadAddon(here).module as Addon;
    other.setErrorClass(Other as unknown as typeof ReviewKdError);
    const values = new Float32Array(2);
    expect(() => other.tensorFrom(values, [3], "float32")).to.throw(Other);
    expect(() => Tensor.from(values, [3])).to.throw(ReviewKdError);
  });

  it("is distinguished from other errors, even if another copy of the package created it", () => {
    class Foreign extends Error {
      override readonly name = "ReviewKdError";
      readonly code = "ABORTED";
    }
    expect(isReviewKdError(new ReviewKdError("ABORTED", ""))).to.equal(true);
    expect(isReviewKdError(new Foreign())).to.equal(true);
    for (const other of [new Error("ABORTED"), { name: "ReviewKdError", code: "ABORTED" }, undefined, null,
      "ABORTED"]) {
      expect(isReviewKdError(other)).to.equal(false);
    }
  });

  it("has a message whatever was thrown", () => {
    expect([new Error("one"), "two", 3, undefined].map(messageOf)).to.deep.equal(["one", "two", "3", "undefined"]);
  });

  it("gives the reason of a failed system call in words, without the path that a message has anyway", () => {
    const failed = (code: string, description: string): Error =>
      Object.assign(new Error(`${code}: ${description}, scandir 'a, open b'`), { code, syscall: "scandir" });
    expect(reasonOf(failed("ENOENT", "no such file or directory"))).to.equal("it does not exist");
    expect(reasonOf(failed("EACCES", "permission denied"))).to.equal("permission denied");
    expect(reasonOf(failed("ENOSPC", "no space left on device"))).to.equal("ENOSPC: no space left on device");
    expect(reasonOf(new Error("by hand, open 'x'"))).to.equal("by hand, open 'x'");
    expect(causedBy("FILE_ACCESS", "cannot read a", failed("EISDIR", "illegal operation"), "Pass a file.").message)
      .to.equal("cannot read a: it is a folder, not a file. Pass a file.");
  });
});
