/** Runs programs/fit-in-directory.mjs, optionally on a file layer with injected faults. */
import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FitEvent } from "../../lib/config/schemas/fit-event.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** An error that the program prints in addition to the events of `fit`. */
export interface ReportedError {
  readonly type: "error";
  readonly code: string;
  readonly message: string;
}

/** The result of a training. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly events: FitEvent[];
  readonly error: ReportedError | undefined;
  readonly stderr: string;
}

/** A running training. */
export interface Training {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
  /** Resolves with the next line, `undefined` after the last. */
  nextLine(): Promise<string | undefined>;
}

/** A rule of test/support/faults.cpp. */
export type Fault = `${"open" | "write" | "fsync" | "rename" | "link" | "unlink" | "mkdir" | "lock"
  | "any"} ${string} ${number} ${"ENOSPC" | "EIO" | "EROFS" | "EACCES" | "EINVAL" | "ENOLCK" | "short" | "kill"}`;

/** The file layer of a test suite: compiled once, with rules that can be changed while a process runs. */
export class FaultyFiles {
  readonly #directory = mkdtempSync(join(tmpdir(), "reviewkd-faults-"));
  readonly #library = join(this.#directory, "faults.so");
  readonly #rules: string;

  constructor() {
    const source = join(root, "test", "support", "faults.cpp");
    const { status, stderr } = spawnSync("g++", ["-std=c++17", "-O1", "-shared", "-fPIC", "-o", this.#library, source,
      "-ldl"], { encoding: "utf8" });
    if (status !== 0) throw new Error(`cannot compile ${source}:\n${stderr}`);
    this.#rules = join(this.#directory, "rules");
    this.set();
  }

  /** Replaces the rules; without any, everything works. */
  set(...rules: readonly Fault[]): void {
    writeFileSync(this.#rules, rules.map((rule) => `${rule}\n`).join(""));
  }

  /**
   * The environment of a process on this layer; rules apply to files below `below`. `own`: rules for this process only.
   */
  environment(below: string, own?: readonly Fault[]): Record<string, string> {
    let rules = this.#rules;
    if (own !== undefined) {
      const directory = join(this.#directory, createHash("sha256").update(below + own.join()).digest("hex"));
      mkdirSync(directory, { recursive: true });
      rules = join(directory, "rules");
      writeFileSync(rules, own.map((rule) => `${rule}\n`).join(""));
    }
    return { LD_PRELOAD: this.#library, REVIEWKD_FAULTS: rules, REVIEWKD_FAULTS_ROOT: below };
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Starts or resumes a training in `directory`. */
export function startFit(
  directory: string,
  { options = {}, env = {}, rescue }: { readonly options?: object; readonly env?: Readonly<Record<string, string>>;
    readonly rescue?: string } = {},
): Training {
  const program = join(root, "test", "integration", "programs", "fit-in-directory.mjs");
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => name !== "NODE_OPTIONS"));
  const words = [program, directory, JSON.stringify(options), ...(rescue === undefined ? [] : [rescue])];
  const child = spawn(process.execPath, words, { env: { ...inherited, ...env }, stdio: ["pipe", "pipe", "pipe"] });
  const lines: string[] = [];
  let taken = 0;
  let over = false;
  let rest = "";
  let stderr = "";
  let wake = (): void => undefined;
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts);
    wake();
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      over = true;
      wake();
      const reported = lines.map((line) => JSON.parse(line) as { readonly type: string });
      const events = reported.flatMap((event) => {
        const parsed = FitEvent.safeParse(event);
        return parsed.success ? [parsed.data] : [];
      });
      resolve({ code, signal, events, error: reported.find((event): event is ReportedError => event.type === "error"),
        stderr });
    });
  });
  const nextLine = async (): Promise<string | undefined> => {
    while (taken === lines.length && !over)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    return lines[taken++];
  };
  return { child, ended, nextLine };
}

/** Waits until a training has printed an event of this type. */
export async function untilEvent(training: Training, type: string): Promise<void> {
  for (let line = await training.nextLine(); line !== undefined; line = await training.nextLine()) {
    if ((JSON.parse(line) as { readonly type: string }).type === type) return;
  }
  throw new Error(`missing event of type ${type} before the end:\n${(await training.ended).stderr}`);
}

/** SHA-256 of the tensors of a safetensors file: everything after its header. */
export async function tensorHash(path: string): Promise<string> {
  const file = await readFile(path);
  return createHash("sha256").update(file.subarray(8 + Number(file.readBigUInt64LE(0)))).digest("hex");
}

/** The part of a run's result that must not depend on interruptions. */
export interface Outcome {
  /** Hashes of weights and momentum buffers; of the best checkpoint if there is one. */
  readonly last: string;
  readonly student: string;
  readonly best: string | null;
  /** Everything in `metrics.jsonl` except times. */
  readonly epochs: readonly unknown[];
}

export async function outcomeOf(directory: string): Promise<Outcome> {
  const lines = (await readFile(join(directory, "metrics.jsonl"), "utf8")).trimEnd().split("\n");
  const timed = ["elapsedSeconds", "seconds", "imagesPerSecond", "dataWaitSeconds", "dataWaitFraction"];
  return {
    last: await tensorHash(join(directory, "last.safetensors")),
    student: await tensorHash(join(directory, "student.safetensors")),
    best: await tensorHash(join(directory, "best.safetensors")).catch(() => null),
    epochs: lines.map((line): unknown =>
      JSON.parse(line, (key, value: unknown) => (timed.includes(key) ? undefined : value))
    ),
  };
}
