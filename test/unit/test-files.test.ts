// Names of test files decide which command runs them: CONTRIBUTING.md has the list.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "chai";
import ts from "typescript";

const SUFFIXES = ["process", "long", "serial"];
/** Modules by which tests start processes or threads. */
const STARTERS = ["node:child_process", "node:worker_threads", "node:cluster", "scripts/support/process.mjs"];

const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name).replaceAll("\\", "/")).filter((name) => name.endsWith(".ts"));

const tests = [...filesBelow("test"), ...filesBelow("examples/electron/test")].filter((name) => name.endsWith(".test.ts"));
const suffixOf = (file: string): string | undefined => /\.([a-z-]+)\.test\.ts$/.exec(file)?.[1];
const isFast = (file: string): boolean => file.startsWith("test/unit/") && suffixOf(file) === undefined;

/** The modules that a file names in an import of values, by their path below the root where they are files of the checkout. */
function importsOf(file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest);
  const declarations = source.statements.filter((statement) => ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement));
  return declarations.flatMap((declaration) => {
    const { moduleSpecifier } = declaration;
    const typesAlone = ts.isImportDeclaration(declaration) && declaration.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
    if (moduleSpecifier === undefined || !ts.isStringLiteral(moduleSpecifier) || typesAlone) return [];
    const name = moduleSpecifier.text;
    return [name.startsWith(".") ? join(dirname(file), name).replaceAll("\\", "/") : name];
  });
}

/** How a file reaches a module that starts processes, through the test directory's own modules; `undefined` if it does not. */
function wayToProcesses(file: string, seen = new Set<string>()): string | undefined {
  seen.add(file);
  for (const module of importsOf(file)) {
    if (STARTERS.includes(module)) return `${file} imports ${module}`;
    const source = module.replace(/\.js$/, ".ts");
    if (!source.startsWith("test/") || !source.endsWith(".ts") || seen.has(source)) continue;
    const way = wayToProcesses(source, seen);
    if (way !== undefined) return `${file} imports ${source}; ${way}`;
  }
  return undefined;
}

describe("the names of test files", () => {
  it("have a known suffix or none", () => {
    const unknown = tests.filter((file) => suffixOf(file) !== undefined && !SUFFIXES.includes(suffixOf(file)!));
    expect(unknown).to.deep.equal([]);
    expect(tests.filter(isFast)).to.have.length.above(50);
  });

  it("say which unit tests start processes, so that the fast ones start none", () => {
    expect(tests.filter(isFast).map((file) => wayToProcesses(file)).filter((way) => way !== undefined)).to.deep.equal([]);
  });

  it("carry no suffix without a reason", () => {
    const idle = tests.filter((file) => suffixOf(file) === "process" && !/child_process|worker_threads|process\.mjs|support\/|Host\(|fake-libtorch/.test(readFileSync(file, "utf8")));
    expect(idle).to.deep.equal([]);
  });
});
