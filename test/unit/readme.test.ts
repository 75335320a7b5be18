import { expect } from "chai";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import ts from "typescript";

const root = resolve(import.meta.dirname, "../..");

/** Type errors of programs that lie nowhere, as if they stood in the project's root; by name. */
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
      return source === undefined ? inner.getSourceFile(path, language, ...rest) : ts.createSourceFile(path, source, language);
    },
  };
  const program = ts.createProgram([...sources.keys()], options, host);
  const errorsIn = (path: string): string[] =>
    ts.getPreEmitDiagnostics(program, program.getSourceFile(path)).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
  return Object.fromEntries(Object.keys(programs).map((name) => [name, errorsIn(resolve(root, `${name}.ts`))]));
}

describe("README.md", () => {
  const readme = readFileSync(resolve(root, "README.md"), "utf8");
  const examples = [...readme.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code ?? "");

  it("shows TypeScript that compiles, by a check that can fail", () => {
    expect(examples).to.have.lengthOf(1);
    const wrong = 'import { createModel } from "reviewkd";\nawait createModel(5);\n';
    const errors = typeErrors({ example: examples[0] ?? "", wrong });
    expect(errors["example"]).to.deep.equal([]);
    expect(errors["wrong"]).to.have.lengthOf(1);
  });

  it("names only npm scripts that there are", () => {
    const { scripts } = JSON.parse(readFileSync(resolve(root, "package.json"), "utf8")) as { scripts: Record<string, string> };
    const named = [...readme.matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => name ?? "");
    expect(named).to.include("demo");
    for (const name of named) expect(scripts).to.have.property(name);
  });
});
