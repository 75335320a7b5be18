import { expect } from "chai";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import * as reviewkd from "../../lib/index.js";
import { type Block, blocksOf, exampleBlocks, pages, readPage, root, typeErrors } from "../support/doc-blocks.js";

/** Objects that examples in doc comments take from others. */
const CONTEXT: Readonly<Record<string, string>> = {
  data: 'import("reviewkd").Dataset<import("reviewkd").Batch>',
  detector: 'import("reviewkd").Detector',
  distiller: 'import("reviewkd").Distiller',
  model: 'import("reviewkd").Model',
  session: 'import("reviewkd").Session',
  student: 'import("reviewkd").Model',
  teacher: 'import("reviewkd").Model',
  annotations: 'import("reviewkd").DetectionAnnotations',
  classNames: "readonly string[]",
  controller: "AbortController",
  detections: 'import("reviewkd").CocoDetection[]',
  detectorSession: 'import("reviewkd").Session<import("reviewkd").Detector>',
  draw: "(epoch: number, firstImage: number) => AsyncIterable<{ image: Uint8Array; label: number }>",
  epoch: "number",
  error: "unknown",
  firstBatch: "number",
  found: 'import("reviewkd").Tensor',
  group: 'import("reviewkd").ProcessGroup',
  images: 'import("reviewkd").Tensor',
  labels: 'import("reviewkd").Tensor',
  scenes: 'import("reviewkd").Dataset<import("reviewkd").DetectionBatch>',
  studentMap: 'import("reviewkd").Tensor',
  teacherMap: 'import("reviewkd").Tensor',
  testImages: "Iterable<{ image: Uint8Array; label: number }>",
  train: "(images: ArrayLike<number>) => Promise<void>",
  truths: 'import("reviewkd").Tensor',
};

/** Modules whose examples show what the package does not export. */
const INTERNAL = ["lib/config/validation.ts"];

/** An example as a program: with the imports and the objects that it takes for granted. */
function programOf({ code }: Block): string {
  const isUsed = (name: string): boolean => new RegExp(`(?<![\\w.])${name}\\b`).test(code);
  const isDeclared = (name: string): boolean =>
    new RegExp(`(?:const|let|using|import) (?:\\{[^}]*)?\\b${name}\\b|function ${name}\\b`).test(code);
  const missing = (names: readonly string[]): string[] => names.filter((name) => isUsed(name) && !isDeclared(name));
  const worker = missing(["startWorker"]);
  const files = missing(["writeFile", "readFile"]);
  return `${importOf(missing(Object.keys(reviewkd)), "reviewkd")}${importOf(worker, "reviewkd/worker")}${importOf(files, "node:fs/promises")}${missing(Object.keys(CONTEXT)).map((name) => `declare const ${name}: ${CONTEXT[name] ?? ""};\n`).join("")}${code}\nexport {};\n`;
}

function importOf(names: readonly string[], module: string): string {
  return names.length === 0 ? "" : `import { ${names.join(", ")} } from "${module}";\n`;
}

describe("the documentation", () => {
  const texts = pages().map((page) => ({ page, text: readPage(page) }));
  const blocks = texts.flatMap(({ page, text }) => blocksOf(page, text)).filter(({ language }) => language === "ts");
  const examples = exampleBlocks().filter(({ page }) => !INTERNAL.includes(page));

  it("shows TypeScript that compiles, also in doc comments, by a check that can fail", () => {
    expect(new Set(blocks.map(({ page }) => page))).to.include.keys("README.md", "docs/typescript.md", "docs/index.md",
      "docs/guides/photographs.md");
    expect(examples).to.have.length.above(30);
    const wrong = 'import { createModel } from "reviewkd";\nawait createModel(5);\n';
    const programs = Object.fromEntries([
      ...blocks.map(({ place, code }) => [place, code] as const),
      // An example that ends a sentence of its comment with an ellipsis is no whole program.
      ...examples.filter(({ code }) => !code.includes("…")).map((block) => [block.place, programOf(block)] as const),
    ]);
    const { wrong: expected, ...errors } = typeErrors({ ...programs, wrong }, { noUnusedLocals: false,
      noUnusedParameters: false });
    expect(Object.fromEntries(Object.entries(errors).filter(([, found]) => found.length > 0))).to.deep.equal({});
    expect(Object.keys(errors)).to.have.lengthOf(Object.keys(programs).length);
    expect(expected).to.have.lengthOf(1);
  });

  it("names only npm scripts that exist", () => {
    const scriptsOf = (manifest: string): string[] =>
      Object.keys(
        (JSON.parse(readFileSync(resolve(root, manifest), "utf8")) as { scripts: Record<string, string> }).scripts,
      );
    const scripts = [...scriptsOf("package.json"), ...scriptsOf("examples/electron/package.json"),
      ...scriptsOf("examples/browser/package.json")];
    const named = texts.flatMap(({ text }) => [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => name ?? ""));
    expect(named).to.include.members(["demo", "bench:worker", "check:cuda"]);
    expect(named.filter((name) => !scripts.includes(name))).to.deep.equal([]);
  });

  it("keeps README.md within 100 lines", () => {
    expect(readPage("README.md").trimEnd().split("\n")).to.have.length.of.at.most(100);
  });
});
