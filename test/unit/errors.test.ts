import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { runInNewContext } from "node:vm";
import { expect } from "chai";
import { createModel, ERROR_CODES, fit, isReviewKdError, loadDataset, messageOf, ReviewKdError, Tensor, type ErrorCode,
  type Model } from "../../lib/index.js";
import { causedBy, reasonOf } from "../../lib/errors.js";
import { packageRoot } from "../../lib/install/layout.js";
import { loadAddon } from "../../lib/install/load.js";
import { getMachineInfo } from "../../lib/install/machine-info.js";
import { addonPath } from "../../lib/native.js";
import type { Addon } from "../../lib/native-types.js";

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

  it("is known in every realm", () => {
    const error: unknown = runInNewContext(
      "Object.assign(new Error('elsewhere'), { name: 'ReviewKdError', code: 'ABORTED' })",
    );
    expect(error).to.not.be.instanceOf(Error);
    expect([isReviewKdError(error), messageOf(error)]).to.deep.equal([true, "elsewhere"]);
  });

  it("prints its code and not all valid names, and has its message as JSON", () => {
    const error = new ReviewKdError("UNKNOWN_NAME", "expected a name", { valid: ["one", "two"] });
    expect(inspect(error)).to.match(/^ReviewKdError: expected a name\n +at [^]*\{\n {2}code: 'UNKNOWN_NAME'\n\}$/);
    expect(JSON.parse(JSON.stringify(error))).to.deep.equal({ name: "ReviewKdError", code: "UNKNOWN_NAME",
      message: "expected a name", valid: ["one", "two"] });
    expect(structuredClone(error)).to.have.property("message", "expected a name");
  });

  it("has a message whatever was thrown", () => {
    expect([Symbol("s"), Object.create(null)].map(messageOf)).to.deep.equal(["Symbol(s)", "a value without a text"]);
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

/** The stack of the error of a promise or of a generator. */
async function stackOf(action: () => unknown): Promise<string> {
  try {
    await action();
  } catch (error) {
    return (error as Error).stack ?? "";
  }
  throw new Error("expected an error");
}

describe("the stack of an error", () => {
  const { stackTraceLimit } = Error;
  const images = Tensor.from(new Float32Array(5), [1, 5]);
  let model: Model;
  before(async () => {
    model = await createModel("resnet8", { numClasses: 4 });
  });
  afterEach(() => {
    Error.stackTraceLimit = stackTraceLimit;
  });
  after(() => {
    model.dispose();
  });

  // Some of the user's functions await, others return promises, or are no asynchronous functions at all.
  const loop = async (items: AsyncIterable<unknown>): Promise<void> => {
    for await (const item of items) expect(item).to.not.equal(undefined);
  };
  const cases: readonly (readonly [what: string, action: () => unknown])[] = [
    ["a check of arguments", async function myFunction () {
      await createModel("resnet8", { numClasses: -1 });
    }],
    ["native code at once", function myFunction () {
      return Tensor.from([1], [2]);
    }],
    ["native code later", async function myFunction () {
      await model.forward(images);
    }],
    ["native code in a promise that is returned", async function myFunction () {
      return createModel("resnet9");
    }],
    ["native code in a promise of a function that awaits nothing", function myFunction () {
      return model.forward(images);
    }],
    ["native code after another call", function myFunction () {
      return createModel("resnet8", { weights: "missing.safetensors" });
    }],
    ["files", function myFunction () {
      return loadDataset({ kind: "idx", root: "missing" });
    }],
    ["a loop over events", async function myFunction () {
      await loop(fit({ model, data: {} as never, epochs: -1 }));
    }],
    ["an iterable of images", async function myFunction () {
      const split = { samples: 4, items: [{ image: new Uint8Array(3), label: 9 }] };
      using data = await loadDataset({ kind: "stream", numClasses: 2, height: 1, width: 1, train: split, test: split });
      await loop(data.train.batches());
    }],
    ["a loop over image files", async function myFunction () {
      await loop(model.classifyAll("package.json"));
    }],
    ["a function that is called back", async function myFunction () {
      await Promise.all([1].map(() => model.forward(images)));
    }],
  ];
  for (const [what, action] of cases) {
    it(`names the caller's function: from ${what}`, async () => {
      const stack = await stackOf(action);
      expect(stack).to.match(/^ReviewKdError: \S/).and.match(/\n +at (?:async )?myFunction \(/);
    });
  }

  it("names the caller below many functions of this package, and leaves the limit as it was", async () => {
    const deep = async (levels: number): Promise<unknown> =>
      levels === 0 ? model.forward(images) : await deep(levels - 1);
    Error.stackTraceLimit = 4;
    expect(await stackOf(async function myFunction () {
      await deep(12);
    })).to.include("myFunction");
    expect(Error.stackTraceLimit).to.equal(4);
  });

  it("is left out if the program turned stacks off, and left alone if it makes its own", async () => {
    Error.stackTraceLimit = 0;
    expect(await stackOf(async () => model.forward(images))).to.match(/^ReviewKdError: [^\n]*$/);
    Error.stackTraceLimit = stackTraceLimit;
    const own = Object.getOwnPropertyDescriptor(Error, "prepareStackTrace");
    Error.prepareStackTrace = (_, frames) => frames.length;
    try {
      expect(await stackOf(async () => model.forward(images))).to.be.a("number");
    } finally {
      Object.defineProperty(Error, "prepareStackTrace",
        own ?? { value: undefined, writable: true, configurable: true });
    }
  });

  it("has each frame once", async () => {
    const frames = (await stackOf(async function myFunction () {
      await createModel("resnet8", { weights: "missing.safetensors" });
    })).split("\n").slice(1);
    expect(new Set(frames).size).to.equal(frames.length);
  });
});
