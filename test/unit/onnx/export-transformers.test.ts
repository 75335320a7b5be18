import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createModel, type Model } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";

describe("exportTransformers", () => {
  let directory: string;
  let model: Model;
  const path = (...names: string[]): string => join(directory, ...names);
  const dtypeIn = (name: string): unknown =>
    (JSON.parse(readFileSync(path(name, "config.json"), "utf8")) as { "transformers.js_config": { dtype: string } })[
      "transformers.js_config"
    ].dtype;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "reviewkd-transformers-"));
    model = await createModel("resnet8", { numClasses: 3 });
  });

  after(async () => {
    model.dispose();
    await rm(directory, { recursive: true, force: true });
  });

  it("writes the network and two descriptions, and no other file", async () => {
    await model.exportTransformers(path("deep", "student"));
    expect(readdirSync(path("deep", "student")).sort()).to.deep.equal(["config.json", "onnx",
      "preprocessor_config.json"]);
    expect(readdirSync(path("deep", "student", "onnx"))).to.deep.equal(["model.onnx"]);
  });

  it("replaces the network of an earlier export in another precision", async () => {
    await model.exportTransformers(path("student"), { dtype: "float16" });
    expect([dtypeIn("student"), readdirSync(path("student", "onnx"))]).to.deep.equal(["fp16", ["model_fp16.onnx"]]);
    await model.exportTransformers(path("student"));
    expect([dtypeIn("student"), readdirSync(path("student", "onnx"))]).to.deep.equal(["fp32", ["model.onnx"]]);
  });

  it("leaves no directory behind that it created, and each that was there", async () => {
    const invalid = { opset: 3 };
    await failureOf("INVALID_ARGUMENT", () => model.exportTransformers(path("new"), invalid));
    expect(existsSync(path("new"))).to.equal(false);
    await mkdir(path("empty"));
    await failureOf("INVALID_ARGUMENT", () => model.exportTransformers(path("empty"), invalid));
    expect(readdirSync(path("empty"))).to.deep.equal([]);
    await model.exportTransformers(path("kept"));
    await failureOf("INVALID_ARGUMENT", () => model.exportTransformers(path("kept"), { ...invalid, dtype: "float16" }));
    expect(readdirSync(path("kept", "onnx"))).to.deep.equal(["model.onnx"]);
  });
});
