import { expect } from "chai";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import ts from "typescript";

const root = resolve(import.meta.dirname, "../..");

/** Type errors of programs by name, checked as files of the project's root. */
function typeErrors(programs: Readonly<Record<string, string>>): Record<string, string[]> {
  const sources = new Map(Object.entries(programs).map(([name, source]) => [resolve(root, `${name}.ts`), source]));
  const config = ts.readConfigFile(resolve(root, "tsconfig.json"), (path) => ts.sys.readFile(path));
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root);
  const inner = ts.createCompilerHost(options);
  const host: ts.CompilerHost = {
    ...inner,
    fileExists: (path) => sources.has(path) || inner.fileExists(path),
    readFile: (path) => sources.get(path) ?? inner.readFile(path),
    getSourceFile: (path, language, ...rest) => {
      const source = sources.get(path);
      return source === undefined ? inner.getSourceFile(path, language, ...rest)
        : ts.createSourceFile(path, source, language);
    },
  };
  const program = ts.createProgram([...sources.keys()], options, host);
  const errorsIn = (path: string): string[] =>
    ts.getPreEmitDiagnostics(program, program.getSourceFile(path)).map(({ messageText }) =>
      ts.flattenDiagnosticMessageText(messageText, "\n")
    );
  return Object.fromEntries(Object.keys(programs).map((name) => [name, errorsIn(resolve(root, `${name}.ts`))]));
}

describe("the documentation", () => {
  const pagesIn = (folder: string): string[] =>
    readdirSync(join(root, folder)).filter((name) => name.endsWith(".md")).map((name) => join(folder, name));
  const pages = [".", "docs", "bench/results", "examples", "examples/electron"].flatMap(pagesIn)
    .map((name) => ({ name, text: readFileSync(resolve(root, name), "utf8") }));
  const examples = Object.fromEntries(
    pages.flatMap(({ name, text }) =>
      [...text.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code],
        index) => [`${name.replaceAll("/", "-")}-${index}`, code ?? ""]
      )
    ),
  );

  it("shows TypeScript that compiles, by a check that can fail", () => {
    expect(Object.keys(examples)).to.include.members(["README.md-0", "docs-typescript.md-0", "docs-embedding.md-0"]);
    const wrong = 'import { createModel } from "reviewkd";\nawait createModel(5);\n';
    const { wrong: expected, ...errors } = typeErrors({ ...examples, wrong });
    expect(errors).to.deep.equal(Object.fromEntries(Object.keys(examples).map((name) => [name, []])));
    expect(expected).to.have.lengthOf(1);
  });

  it("names only npm scripts that exist", () => {
    const scriptsOf = (manifest: string): string[] =>
      Object.keys(
        (JSON.parse(readFileSync(resolve(root, manifest), "utf8")) as { scripts: Record<string, string> }).scripts,
      );
    const scripts = [...scriptsOf("package.json"), ...scriptsOf("examples/electron/package.json")];
    const named = pages.flatMap(({ text }) => [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => name ?? ""));
    expect(named).to.include.members(["demo", "bench:worker", "check:cuda"]);
    expect(named.filter((name) => !scripts.includes(name))).to.deep.equal([]);
  });

  it("keeps README.md within 100 lines", () => {
    expect(readFileSync(resolve(root, "README.md"), "utf8").trimEnd().split("\n")).to.have.length.of.at.most(100);
  });
});
