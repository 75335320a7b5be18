/** The code blocks of Markdown pages and doc comments. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import ts from "typescript";

export const root = resolve(import.meta.dirname, "../..");

export interface Block {
  /** Where it is, for messages: `docs/index.md:12`. */
  readonly place: string;
  readonly page: string;
  /** As named after the fence, such as `ts`. */
  readonly language: string;
  /** Whether the block says `run`: a test runs it, after those above it on its page. */
  readonly isRun: boolean;
  readonly code: string;
}

/** Pages of the site, and others with code: the files that users read. */
export function pages(): string[] {
  const below = (folder: string, recursive = false): string[] =>
    readdirSync(join(root, folder), { recursive, encoding: "utf8" })
      .map((name) => join(folder, name).replaceAll("\\", "/"))
      .filter((name) => name.endsWith(".md") && !/^docs\/api\/|\/node_modules\//.test(name));
  return [...below("."), ...below("docs", true), ...below("bench/results"), ...below("examples"),
    ...below("examples/browser"), ...below("examples/electron"), ...below("examples/cluster")].sort();
}

export function readPage(page: string): string {
  return readFileSync(join(root, page), "utf8");
}

export function blocksOf(page: string, text = readPage(page)): Block[] {
  return [...text.matchAll(/^```(\w+)( run)?[^\n]*\n(.*?)^```/gms)].map((match) => {
    const [, language = "", run, code = ""] = match;
    const line = text.slice(0, match.index).split("\n").length;
    return { place: `${page}:${line}`, page, language, isRun: run !== undefined, code };
  });
}

/** The examples in doc comments below `lib`. */
export function exampleBlocks(): Block[] {
  return readdirSync(join(root, "lib"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"))
    .map((name) => `lib/${name.replaceAll("\\", "/")}`).sort().flatMap((path) => {
      const text = readPage(path);
      return [...text.matchAll(/\/\*\*.*?\*\//gs)].flatMap((comment) => {
        const offset = text.slice(0, comment.index).split("\n").length - 1;
        return blocksOf(path, comment[0].replaceAll(/^ *\* ?/gm, ""))
          .map((block) => ({ ...block, place: block.place.replace(/\d+$/, (line) => String(Number(line) + offset)) }));
      });
    });
}

/** Type errors of programs by name, checked together as files of the project's root. */
export function typeErrors(programs: Readonly<Record<string, string>>,
  change: ts.CompilerOptions = {}): Record<string, string[]> {
  const sources = new Map(Object.entries(programs).map(([name, source]) => [fileOf(name), source]));
  const config = ts.readConfigFile(resolve(root, "tsconfig.json"), (path) => ts.sys.readFile(path));
  const options = { ...ts.parseJsonConfigFileContent(config.config, ts.sys, root).options, ...change };
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
  return Object.fromEntries(Object.keys(programs).map((name) => [name, errorsIn(fileOf(name))]));
}

function fileOf(name: string): string {
  return resolve(root, `${name.replaceAll(/[/:]/g, "-")}.ts`);
}
