import { types } from "node:util";

/**
 * Every code that a {@link ReviewKdError} can carry. The list is closed: native code uses a subset of it
 * (a test compares the two), so a `switch` over `error.code` can be exhaustive. Each has a sentence on what it means,
 * then one on what to do: docs/errors.md is made of them.
 */
export const ERROR_CODES = [
  /** An option or argument has a wrong type or value. Correct the field that the message names. */
  "INVALID_ARGUMENT",
  /** No model, preset, data set or key has this name. Take the proposed one, or one of `error.valid`. */
  "UNKNOWN_NAME",
  /** A configuration file has wrong fields. Correct each field that the message lists. */
  "CONFIG_INVALID",
  /** A tensor or image has another shape than required. Pass the shape that the message states. */
  "SHAPE_MISMATCH",
  /** Values have an element type that is not accepted here. Convert them to the type that the message states. */
  "DTYPE_MISMATCH",
  /** Another session moved a network to another device. Create a new session, or use one device for all. */
  "DEVICE_MISMATCH",
  /** Names or shapes in a file differ from the network's. Load another; `reviewkd inspect FILE` names its network. */
  "STATE_DICT_MISMATCH",
  /** A label is not a class of the network. Correct the labels, or create the network with more classes. */
  "LABEL_OUT_OF_RANGE",
  /** Batch normalization needs at least two values per channel. Use larger batches. */
  "BATCH_TOO_SMALL",
  /** A loss or gradient is NaN or infinite; no parameter was changed. Lower the learning rate, or check the data. */
  "NON_FINITE_LOSS",
  /** The object was disposed before this call. Create a new one. */
  "DISPOSED",
  /** An `AbortSignal` or Ctrl-C stopped the work after a step. Nothing is wrong: a training can be resumed. */
  "ABORTED",
  /** A file or directory does not exist. Check the path. */
  "FILE_NOT_FOUND",
  /** A file is damaged, truncated or not of its format. Use another copy, or an earlier checkpoint. */
  "FILE_CORRUPT",
  /** A file is valid, but of a format, version or type that is not supported. Convert it as the message says. */
  "FILE_UNSUPPORTED",
  /** The system refused to read or write a file. Check permissions and free disk space. */
  "FILE_ACCESS",
  /** A run directory cannot be read, written or resumed. Check its path, permissions and contents. */
  "RUN_DIRECTORY",
  /** A run is resumed with other settings than it began with. Restore them, or pass `override: true` (`--override`). */
  "RUN_MISMATCH",
  /** Another process writes to the directory. Wait for it or stop it, or choose another directory. */
  "RUN_LOCKED",
  /** A training ended that could not be saved. Free space and resume, or save the network in memory elsewhere. */
  "SAVE_FAILED",
  /** A download failed or nothing answered. Check the network and the proxy, and run the command again. */
  "DOWNLOAD_FAILED",
  /** A downloaded file differs from the pinned checksum. Download it again, or from another address. */
  "CHECKSUM_MISMATCH",
  /** No CUDA device can be used. Run `reviewkd doctor`, which says why, or use device "cpu" or "auto". */
  "CUDA_UNAVAILABLE",
  /** An optional package, libtorch or a program is missing. Install what the message names. */
  "DEPENDENCY_MISSING",
  /** The addon for this platform is not installed. Run `reviewkd doctor`, which prints the command that installs it. */
  "ADDON_NOT_FOUND",
  /** The addon is installed and does not load. Run `reviewkd doctor`, which explains why. */
  "ADDON_LOAD_FAILED",
  /** The process or thread of a worker ended during a call. Start a new one and resume from the last checkpoint. */
  "WORKER_EXITED",
  /** Variables that describe a process among others are missing or contradict. Correct those that the message names. */
  "PROCESS_ENVIRONMENT",
  /** The port at which processes meet is in use. Choose another (MASTER_PORT), or end the program that has it. */
  "PORT_IN_USE",
  /** The process at which others meet does not answer. Check its address, the port and firewalls. */
  "MASTER_UNREACHABLE",
  /** Not all processes of a training have joined in time. Start those that the message names. */
  "PROCESSES_MISSING",
  /** Processes of a training were started with other options, data, weights or versions. Give all of them the same. */
  "PROCESSES_DIFFER",
  /** Another process of a training ended or does not answer. Start all again; they resume from the last checkpoint. */
  "PROCESS_LOST",
  /** A cell of a study learns from the teacher that the study trains, which is not done. Train cell 0 first. */
  "TEACHER_UNFINISHED",
  /** The teacher from which a cell of a study learns has failed. Look at its reason, and train cell 0 again first. */
  "TEACHER_FAILED",
  /** The Redis of a queue does not answer. Check its address and that it runs, and run the command again. */
  "QUEUE_UNREACHABLE",
  /** The CPU's or the GPU's memory does not suffice. Use smaller batches, more `microBatches` or a smaller network. */
  "OUT_OF_MEMORY",
  /** An error of this package or of libtorch that has no code of its own. Report it with its message and stack. */
  "INTERNAL",
] as const;

/** One of {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** Options of a {@link ReviewKdError}. */
export interface ReviewKdErrorOptions {
  /** The error that led to this one. */
  readonly cause?: unknown;
  /** The accepted names, if there is a list of them. */
  readonly valid?: readonly string[];
}

/**
 * The only error type of this package: a stable `code` for programs, a message for people of the form
 * "invalid …: expected …, received …." followed by the fix, and the accepted names in `valid`, if there is a list. Its
 * `stack` names the function that called the package, also where native code or a worker found the error later on.
 *
 * @example
 * ```ts
 * try {
 *   await createModel("resnet21");
 * } catch (error) {
 *   if (isReviewKdError(error) && error.code === "UNKNOWN_NAME") console.log(error.valid);
 * }
 * ```
 */
export class ReviewKdError extends Error {
  readonly code: ErrorCode;
  /** Not enumerable: the message says what matters, and an error that is printed should not list dozens of names. */
  declare readonly valid: readonly string[];

  static {
    // On the prototype, as of JavaScript's own errors, so that the stack begins with this name.
    Object.defineProperty(this.prototype, "name", { value: "ReviewKdError", configurable: true, writable: true });
  }

  constructor(code: ErrorCode, message: string, options: ReviewKdErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    Object.defineProperty(this, "valid", { value: options.valid ?? [] });
    captureStack(this, new.target);
  }

  /** The fields that `JSON.stringify` writes, which leaves out messages otherwise. */
  toJSON(): { name: string; code: ErrorCode; message: string; valid?: readonly string[] } {
    const { name, code, message, valid } = this;
    return { name, code, message, ...(valid.length > 0 && { valid }) };
  }
}

/** Frames of a stack: this package's may take more than the 10 that V8 keeps, and the caller's are below them. */
const STACK_FRAMES = 40;

/** Sets the stack of `holder` to the frames above the function `above`. */
function captureStack(holder: object, above: NewableFunction | CallableFunction): void {
  const { stackTraceLimit } = Error;
  // Who has raised the limit, or turned stacks off, keeps it. A frozen one, which cannot be set, is used as it is.
  const isRaised = stackTraceLimit > 0 && stackTraceLimit < STACK_FRAMES &&
    Reflect.set(Error, "stackTraceLimit", STACK_FRAMES);
  try {
    Error.captureStackTrace(holder, above);
  } finally {
    if (isRaised) Error.stackTraceLimit = stackTraceLimit;
  }
}

/**
 * The promise of work that a function of this package began. An error of the package that arrives later, from native
 * code, a file or a worker, gets the frames of this call: it was created where the caller is not on the stack. The
 * addon passes each promise of native work through this function.
 */
export function atCall<Result>(work: Promise<Result>): Promise<Result> {
  // V8 keeps what it needs in two or three microseconds, and writes the text once it is read.
  const site: { readonly stack?: unknown } = {};
  captureStack(site, atCall);
  return work.catch((error: unknown) => {
    throw withFramesOf(site, error);
  });
}

/** The same for a generator that a function of this package returns: its errors arrive in the caller's loop. */
export function loopAtCall<Item>(items: AsyncGenerator<Item, void>): AsyncGenerator<Item, void> {
  const site: { readonly stack?: unknown } = {};
  captureStack(site, loopAtCall);
  return withFrames(items, site);
}

async function* withFrames<Item>(items: AsyncGenerator<Item, void>,
  site: { readonly stack?: unknown }): AsyncGenerator<Item, void> {
  try {
    yield* items;
  } catch (error) {
    throw withFramesOf(site, error);
  }
}

const FRAME = "\n    at ";

/** `error`; if it is one of this package, with the frames of `site` that its stack does not have. */
export function withFramesOf(site: { readonly stack?: unknown }, error: unknown): unknown {
  // Programs can replace the text of stacks, even by other values.
  if (!isReviewKdError(error) || typeof error.stack !== "string" || typeof site.stack !== "string") return error;
  const known = new Set(framesIn(error.stack));
  const added = framesIn(site.stack).filter((frame) => !known.has(frame));
  if (added.length > 0) {
    Object.defineProperty(error, "stack", { value: error.stack + added.map((frame) => FRAME + frame).join(""),
      writable: true, configurable: true });
  }
  return error;
}

function framesIn(stack: string): string[] {
  return stack.split(FRAME).slice(1);
}

/** Whether a value is an error, also one of another realm, such as a `vm` context's or Jest's. */
export function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value);
}

/** Whether `error` is a {@link ReviewKdError}, including one from another copy of this package or another realm. */
export function isReviewKdError(error: unknown): error is ReviewKdError {
  return isError(error) && error.name === "ReviewKdError" && "code" in error;
}

/** The message of any thrown value. */
export function messageOf(error: unknown): string {
  if (isError(error)) return error.message;
  try {
    return String(error);
  } catch {
    return "a value without a text";
  }
}

/** `text` with a final period, for messages that continue after a quoted reason. */
export function asSentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** An error that quotes its cause between a statement and the fix. */
export function causedBy(code: ErrorCode, statement: string, cause: unknown, fix: string): ReviewKdError {
  return new ReviewKdError(code, `${statement}: ${asSentence(reasonOf(cause))} ${fix}`, { cause });
}

/** Errors of the file system in words, without the path and the system call that Node's messages repeat. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "it does not exist",
  ENOTDIR: "it or a part of its path is a file, not a folder",
  EISDIR: "it is a folder, not a file",
  EACCES: "permission denied",
  EPERM: "the system does not permit it",
  ELOOP: "its links form a loop",
  ENAMETOOLONG: "its path is too long",
  EMFILE: "too many files are open",
  ENFILE: "too many files are open",
  EIO: "the disk or network reported an error",
  ESTALE: "the file server has lost it",
};

/** Why something failed, to be quoted within another message. */
export function reasonOf(error: unknown): string {
  if (!isError(error) || !("syscall" in error)) return messageOf(error);
  const { code } = error as NodeJS.ErrnoException;
  // Node writes "CODE: description, syscall 'path'".
  return REASONS[code ?? ""] ?? error.message.split(/, \w+(?: '|$)/)[0] ?? error.message;
}

/** Whether an error of the file system says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");
}
