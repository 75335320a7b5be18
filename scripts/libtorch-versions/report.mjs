// What a check of the libtorch versions reports: warnings among the lines of a build, and a table of all versions.

/**
 * @typedef {object} CheckResult
 * @property {string} torch
 * @property {string} variant the CUDA release, such as `cu130`
 * @property {number} [seconds] of compiling and linking; undefined if that failed
 * @property {string[]} warnings
 * @property {number} [symbols] that the plugin imports, all of them defined
 * @property {number} [models] that the loaded addon lists
 * @property {string} [error] the code of the step that failed
 */

// GCC, Clang and linkers write "warning:", nvcc "warning #177-D:", ptxas "ptxas warning :", CMake "CMake Warning".
const WARNING = /\bwarning(?: #[\w-]+)?\s*:|^CMake (?:Deprecation )?Warning\b/i;

/** @param {string} line of a build's output */
export function isWarning(line) {
  return WARNING.test(line);
}

/** @param {CheckResult} result */
export function hasPassed({ error, warnings }) {
  return error === undefined && warnings.length === 0;
}

/**
 * @param {readonly CheckResult[]} results
 * @returns {string} a Markdown table, the oldest version first, aligned for the terminal
 */
export function formatTable(results) {
  const sorted = [...results].sort((a, b) => a.torch.localeCompare(b.torch, "en", { numeric: true }));
  const rows = [["libtorch", "compiled and linked", "warnings", "plugin's symbols", "loads"], ...sorted.map(cells)];
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const lines = rows.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`);
  return [lines[0], `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...lines.slice(1)].join("\n");
}

/** @param {CheckResult} result */
function cells({ torch, variant, seconds, warnings, symbols, models, error }) {
  // Steps run in this order: the first one without a result is the one that failed, and those behind it did not run.
  const steps = [seconds === undefined ? undefined : `${seconds.toFixed(0)} s`, symbols === undefined ? undefined : `all ${symbols} defined`, models === undefined ? undefined : `${models} models`];
  const failed = error === undefined ? -1 : steps.indexOf(undefined);
  const [compiled, resolved, loaded] = steps.map((step, index) => step ?? (index === failed ? (error ?? "–") : "–"));
  return [`${torch} (${variant})`, compiled ?? "–", String(warnings.length), resolved ?? "–", loaded ?? "–"];
}

/**
 * The recorded Markdown file.
 *
 * @param {readonly CheckResult[]} results in the order of the checks
 * @param {readonly (readonly [name: string, value: string])[]} environment hardware and versions
 */
export function formatRecord(results, environment) {
  return `# Builds against each libtorch

\`npm run check:libtorch -- --record bench/results/libtorch-versions.md\` wrote this. Addon, preload library, host emulation and CUDA plugin compile and link against
each libtorch with \`-Wall -Wextra\`; every symbol that the plugin imports is looked up in the libraries that it names; a new Node process loads the addon with that
libtorch and lists its networks. Nothing here was run on a GPU. The kernels include no header
of libtorch: they are compiled once, within the time of the version that was checked first (${results[0]?.torch ?? "none"}). One run each; seconds depend on what else the machine does.

${formatTable(results)}

| | |
|---|---|
${environment.map(([name, value]) => `| ${name} | ${value} |\n`).join("")}`;
}
