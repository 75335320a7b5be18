// Programs that scripts start: their failures as errors, and what several scripts do with them.
import { readFile } from "node:fs/promises";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { lastLines, run, type RunOptions, type RunResult } from "../../lib/install/process.js";
import { BuildError } from "./errors.js";

/** How the failure of a program is reported. */
export interface ToolOptions extends RunOptions {
  /** Default: TOOL_FAILED. */
  readonly code?: string;
  /** Such as `strip failed`; the default names the program and its first argument. */
  readonly failure?: string;
  /** One sentence that follows the program's last lines. */
  readonly fix?: string;
  /** The number of these lines. */
  readonly lines?: number;
}

/** Runs a program to its end. @throws BuildError with the code of the options, unless it exits with 0. */
export async function runTool(program: string, parameters: readonly string[],
  { code = "TOOL_FAILED", failure, fix, lines = 12, ...options }: ToolOptions = {}): Promise<RunResult> {
  const result = await run(program, parameters, options);
  if (result.status === 0) return result;
  const reason = result.startError ? ` no program ${program} on PATH.` : `\n${lastLines(result.output, lines)}`;
  const what = failure ?? `${program} ${parameters[0] ?? ""} failed`;
  throw new BuildError(code, `${what}:${reason}${fix === undefined ? "" : `\n${fix}`}`);
}

/**
 * Checks that programs are on PATH.
 *
 * @param packages - Debian's package of each program.
 * @throws BuildError TOOL_MISSING.
 */
export async function requireTools(packages: Readonly<Record<string, string>>): Promise<void> {
  const missing: string[] = [];
  for (const tool of Object.keys(packages)) if ((await run(tool, ["--version"])).startError) missing.push(tool);
  if (missing.length === 0) return;
  const names = [...new Set(missing.map((tool) => packages[tool]))];
  throw new BuildError("TOOL_MISSING",
    `missing tools: ${missing.join(", ")}. Run apt-get install ${names.join(" ")} on Debian.`);
}

/** Runs a program that uses this terminal, and returns its exit status. */
export async function runVisibly(program: string, parameters: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {}): Promise<number> {
  const result = await execa(program, parameters, { ...options, stdio: "inherit", reject: false });
  if (result.exitCode === undefined && result.signal === undefined)
    throw new BuildError("TOOL_FAILED", result.message ?? program);
  return result.exitCode ?? 1;
}

/** Calls `work` for each item, for as many at a time as there are processors. */
export async function forEachInParallel<T>(items: readonly T[],
  work: (item: T, index: number) => Promise<void>): Promise<void> {
  const waiting = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of waiting) await work(item, index);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}

/** The first line that a program prints about its version, or the line that matches. */
export async function versionOf(program: string, pattern = /.+/): Promise<string> {
  return pattern.exec((await run(program, ["--version"])).stdout)?.[0].trim() ?? "unknown";
}

/** The processors of this machine, for a record of measurements. */
export function processorsHere(): string {
  return `${cpus().length} cores of ${cpus()[0]?.model.trim() ?? "unknown"}`;
}

/** Copies a binary without its debug symbols. @throws BuildError TOOL_FAILED. */
export async function stripBinary(source: string, target: string): Promise<void> {
  await runTool("strip", ["--strip-unneeded", "-o", target, source], { failure: "strip failed",
    fix: "Install binutils." });
}

/** The compilations of a build that CMake configured. */
export async function readCompilations(directory: string): Promise<{ file: string; command: string }[]> {
  return JSON.parse(await readFile(join(directory, "compile_commands.json"), "utf8")) as { file: string;
    command: string }[];
}
