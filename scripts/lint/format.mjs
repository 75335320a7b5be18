// Formats TypeScript, JavaScript and JSON with dprint and C++ with clang-format:
//   node --import tsx scripts/lint/format.mjs [--check] [FILE…]
import { createContext } from "@dprint/formatter";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BuildError, runMain } from "../support/errors.js";
import { run } from "../../lib/install/process.js";
import { chunksOf, root, selectFiles } from "./files.mjs";
import { clangTool } from "./python-tools.mjs";

const CPP = /^(?:native|test|bench)\/.*\.(?:cpp|h|cu|cuh|inl)$/;
const SCRIPT =
  /^(?:(?:lib|scripts|test|bench|examples)\/.*\.(?:ts|mjs|js)|eslint\.config\.js|(?:tsconfig[\w.]*|dprint|\.mocharc|\.devcontainer\/[\w-]+)\.json)$/;

await runMain(async () => {
  const words = process.argv.slice(2);
  const check = words.includes("--check");
  const paths = words.filter((word) => word !== "--check");
  const option = paths.find((path) => path.startsWith("-"));
  if (option !== undefined)
    throw new BuildError("USAGE", `invalid option: expected --check, received ${option}. Name files without a dash.`);
  const failed = [...await formatScripts(paths, check), ...await formatCpp(paths, check)];
  if (failed.length > 0)
    throw new BuildError("NOT_FORMATTED",
      `invalid format: expected the output of the formatters, received other text (see above). Run \`npm run format\`.`);
});

/**
 * Runs dprint's plugins in this process: they are WebAssembly, so that one package serves every system.
 *
 * @param {readonly string[]} paths
 * @param {boolean} check
 * @returns {Promise<string[]>} the formatters that found a difference
 */
async function formatScripts(paths, check) {
  const { typescript, json, lineWidth, indentWidth } = JSON.parse(await readFile(join(root, "dprint.json"), "utf8"));
  const context = createContext({ lineWidth, indentWidth });
  for (const [plugin, settings] of [["typescript", typescript], ["json", json]])
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

/**
 * dprint takes two passes for some files.
 *
 * @param {string} text
 * @param {(text: string) => string} format
 * @returns {string} what another pass leaves as it is
 */
function stable(text, format) {
  const formatted = format(text);
  return formatted === text ? text : stable(formatted, format);
}

/**
 * Joins again what dprint breaks within `${…}` of a template: no line gets shorter that way which a message does not
 * make long anyway.
 *
 * @param {string} text
 */
function joinTemplates(text) {
  return text.replaceAll(/\$\{\n\s+([^\n]*)\n\s+\}/g, "${$1}");
}

/**
 * @param {readonly string[]} paths
 * @param {boolean} check
 */
async function formatCpp(paths, check) {
  const files = await selectFiles(paths, CPP);
  if (files.length === 0) return [];
  const clangFormat = await clangTool("clang-format", process.env);
  const failed = [];
  for (const chunk of chunksOf(files)) {
    if (!(await runTool(clangFormat, [...(check ? ["--dry-run", "-Werror"] : ["-i"]), ...chunk], nameOnce())))
      failed.push("clang-format");
  }
  return failed;
}

/** Shortens the report of clang-format, which has several lines for each difference, to the names of files. */
function nameOnce() {
  let last = "";
  return (/** @type {string} */ line) => {
    const path = /^(.+?):\d+:\d+: error: code should be clang-formatted/.exec(line)?.[1];
    if (path !== undefined && path !== last) show(path);
    last = path ?? last;
  };
}

/** @param {string} line */
function show(line) {
  process.stderr.write(`${line}\n`);
}

/**
 * @param {string} program
 * @param {readonly string[]} words
 * @param {(line: string) => void} [onLine]
 */
async function runTool(program, words, onLine = show) {
  const { status, startError } = await run(program, words, { cwd: root, onLine });
  if (startError) throw new BuildError("TOOL_MISSING", `missing ${program}: ${startError.message}. Run \`npm ci\`.`);
  return status === 0;
}
