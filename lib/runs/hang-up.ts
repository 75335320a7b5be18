import { closeSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { isatty } from "node:tty";
import { assertObject } from "../config/validation.js";

/** The surroundings of a process; other values than its own are for tests. */
interface ProcessContext {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly ppid?: number;
  /** Where processes are described on Linux. */
  readonly proc?: string;
}

/** The bit of SIGHUP in a mask of signals. */
const HANG_UP = 1n;

/** O_WRONLY among the flags of an open file, which are octal. */
const ACCESS_MODE = 0o3;
const WRITE_ONLY = 0o1;

/**
 * Whether this process was started to survive a closed terminal, as by `nohup`. Node forgets at its start that SIGHUP
 * is to be ignored, and ends by it; programs that stop a training on SIGHUP should then ignore it.
 *
 * Recognized by the shell's variable `_`, on Linux also by the standard input that GNU `nohup` replaces and by a parent
 * that ignores the signal.
 *
 * @example
 * ```ts
 * process.on("SIGHUP", () => {
 *   if (!isHangUpIgnored()) controller.abort();
 * });
 * ```
 */
export function isHangUpIgnored(context: ProcessContext = {}): boolean {
  assertObject(context, "context of a process");
  const { env = process.env, ppid = process.ppid, proc = "/proc" } = context;
  // @env _ users: Set by most shells to the program that they start: under `nohup` a closed terminal stops nothing.
  // Default: SIGHUP saves and stops.
  if (basename(env["_"] ?? "") === "nohup") return true;
  if (hasUnreadableInput(`${proc}/self`)) return true;
  let parent = String(ppid);
  // A parent that is a Node, as npx is, has forgotten it as well.
  for (const seen = new Set<string>(); Number(parent) > 1 && !seen.has(parent);) {
    seen.add(parent);
    const status = contentOf(`${proc}/${parent}/status`);
    const ignored = /^SigIgn:\s*([\da-f]+)$/m.exec(status)?.[1];
    if (ignored !== undefined && (BigInt(`0x${ignored}`) & HANG_UP) !== 0n) return true;
    if (targetOf(`${proc}/${parent}/exe`) !== targetOf(`${proc}/self/exe`)) return false;
    if (hasUnreadableInput(`${proc}/${parent}`)) return true;
    parent = /^PPid:\s*(\d+)$/m.exec(status)?.[1] ?? "0";
  }
  return false;
}

/** Whether standard input is what GNU `nohup` gives instead of a terminal: /dev/null, open for writing alone. */
function hasUnreadableInput(directory: string): boolean {
  if (targetOf(`${directory}/fd/0`) !== "/dev/null") return false;
  const flags = /^flags:\s*([0-7]+)$/m.exec(contentOf(`${directory}/fdinfo/0`))?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & ACCESS_MODE) === WRITE_ONLY;
}

/** Empty if missing, or if it belongs to another user. */
function contentOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** Standard input, output and error. */
const STANDARD = [0, 1, 2];

/** The standard descriptors that were terminals when `allowEndWithoutTerminal` was called; undefined before. */
let terminals: readonly number[] | undefined;

/**
 * Lets this process end with its exit code when its terminal is gone: Node restores the settings of its terminals when
 * it ends, and aborts if it cannot. Called at the start of a program; again, it does nothing.
 */
export function allowEndWithoutTerminal(): void {
  if (terminals !== undefined) return;
  terminals = STANDARD.filter((descriptor) => isatty(descriptor));
  process.once("exit", () => {
    for (const descriptor of terminals ?? []) {
      if (isatty(descriptor)) continue;
      try {
        closeSync(descriptor);
      } catch {
        // It was closed before.
      }
    }
  });
}
