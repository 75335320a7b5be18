// Formats TypeScript, JavaScript and JSON with dprint and C++ with clang-format:
//   node --import tsx scripts/lint/format.ts [--check] [FILE…]
import { createContext } from "@dprint/formatter";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BuildError, runMain } from "../support/errors.js";
import { run } from "../../lib/install/process.js";
import { root } from "../support/files.js";
import { chunksOf, readPaths, selectFiles } from "./files.js";
import { clangTool } from "./python-tools.js";

const CPP = /^(?:native|test|bench)\/.*\.(?:cpp|h|cu|cuh|inl)$/;
const SCRIPT =
  /^(?:(?:lib|scripts|site|test|bench|examples)\/.*\.(?:ts|mjs|cjs|js)|eslint\.config\.js|(?:tsconfig[\w.]*|dprint|\.mocharc|\.devcontainer\/[\w-]+)\.json)$/;

type Settings = Record<string, unknown>;

await runMain(async () => {
  const { paths, isSet: check } = readPaths("--check");
  const failed = [...await formatScripts(paths, check), ...await formatCpp(paths, check)];
  if (failed.length > 0)
    throw new BuildError("NOT_FORMATTED",
      `invalid format: expected the output of the formatters, received other text (see above). Run \`npm run format\`.`);
});

/** Runs dprint's plugins, which are WebAssembly, in this process; returns the formatters that found a difference. */
async function formatScripts(paths: readonly string[], check: boolean): Promise<string[]> {
  const { typescript, json, lineWidth, indentWidth } = JSON.parse(
    await readFile(join(root, "dprint.json"), "utf8"),
  ) as { typescript: Settings; json: Settings; lineWidth: number; indentWidth: number };
  const context = createContext({ lineWidth, indentWidth });
  for (const [plugin, settings] of [["typescript", typescript], ["json", json]] as const)
    context.addPlugin(await readFile(join(root, `node_modules/@dprint/${plugin}/plugin.wasm`)), settings);
  let differs = false;
  for (const path of await selectFiles(paths, SCRIPT)) {
    const text = await readFile(join(root, path), "utf8");
    const formatted = stable(text, (current) =>
      joinTemplates(context.formatText({ filePath: join(root, path), fileText: current })));
    if (formatted === text) continue;
    if (check) show(path);
    else await writeFile(join(root, path), formatted);
    differs ||= check;
  }
  return differs ? ["dprint"] : [];
}

/** dprint takes two passes for some files. @returns what another pass leaves as it is. */
function stable(text: string, format: (text: string) => string): string {
  const formatted = format(text);
  return formatted === text ? text : stable(formatted, format);
}

/**
 * Joins again what dprint breaks within `${…}` of a template: no line gets shorter that way which a message does not
 * make long anyway.
 */
function joinTemplates(text: string): string {
  return text.replaceAll(/\$\{\n\s+([^\n]*)\n\s+\}/g, "${$1}");
}

async function formatCpp(paths: readonly string[], check: boolean): Promise<string[]> {
  const files = await selectFiles(paths, CPP);
  if (files.length === 0) return [];
  const clangFormat = await clangTool("clang-format", process.env);
  const failed: string[] = [];
  for (const chunk of chunksOf(files)) {
    const { status, startError } = await run(clangFormat, [...(check ? ["--dry-run", "-Werror"] : ["-i"]), ...chunk], {
      cwd: root,
      onLine: nameOnce(),
    });
    if (startError)
      throw new BuildError("TOOL_MISSING", `missing ${clangFormat}: ${startError.message}. Run \`npm ci\`.`);
    if (status !== 0) failed.push("clang-format");
  }
  return failed;
}

/** Shortens the report of clang-format, which has several lines for each difference, to the names of files. */
function nameOnce(): (line: string) => void {
  let last = "";
  return (line: string) => {
    const path = /^(.+?):\d+:\d+: error: code should be clang-formatted/.exec(line)?.[1];
    if (path !== undefined && path !== last) show(path);
    last = path ?? last;
  };
}

function show(line: string): void {
  process.stderr.write(`${line}\n`);
}
