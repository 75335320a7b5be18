// The report of a check of the libtorch versions: warnings among the lines of a build, and a table of all versions.

export interface CheckResult {
  readonly torch: string;
  /** The CUDA release, such as `cu130`. */
  readonly variant: string;
  /** Spent on compiling and linking; undefined if that failed. */
  seconds?: number;
  readonly warnings: string[];
  /** The symbols that the plugin imports, all of them defined. */
  symbols?: number;
  /** Of these, those of c10d's process group of NCCL. */
  ncclSymbols?: number;
  /** The networks that the loaded addon lists. */
  models?: number;
  /** The code of the step that failed. */
  error?: string;
}

// GCC, Clang and linkers write "warning:", nvcc "warning #177-D:", ptxas "ptxas warning :", CMake "CMake Warning".
const WARNING = /\bwarning(?: #[\w-]+)?\s*:|^CMake (?:Deprecation )?Warning\b/i;

/** Whether a line of a build's output is a warning. */
export function isWarning(line: string): boolean {
  return WARNING.test(line);
}

export function hasPassed({ error, warnings }: CheckResult): boolean {
  return error === undefined && warnings.length === 0;
}

/** A Markdown table, the oldest version first, aligned for the terminal. */
export function formatTable(results: readonly CheckResult[]): string {
  const sorted = [...results].sort((a, b) => a.torch.localeCompare(b.torch, "en", { numeric: true }));
  const rows = [["libtorch", "compiled and linked", "warnings", "plugin's symbols", "loads"], ...sorted.map(cells)];
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const lines = rows.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`);
  return [lines[0], `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...lines.slice(1)].join("\n");
}

function cells({ torch, variant, seconds, warnings, symbols, ncclSymbols, models, error }: CheckResult): string[] {
  // Steps run in this order: the first one without a result is the one that failed, and those behind it did not run.
  const steps = [seconds === undefined ? undefined : `${seconds.toFixed(0)} s`,
    symbols === undefined ? undefined : `all ${symbols} defined, ${ncclSymbols} of NCCL's`,
    models === undefined ? undefined : `${models} models`];
  const failed = error === undefined ? -1 : steps.indexOf(undefined);
  const [compiled, resolved, loaded] = steps.map((step, index) => step ?? (index === failed ? (error ?? "–") : "–"));
  return [`${torch} (${variant})`, compiled ?? "–", String(warnings.length), resolved ?? "–", loaded ?? "–"];
}

/**
 * The recorded Markdown file.
 *
 * @param results - In the order of the checks.
 * @param environment - Hardware and versions.
 */
export function formatRecord(results: readonly CheckResult[],
  environment: readonly (readonly [name: string, value: string])[]): string {
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
