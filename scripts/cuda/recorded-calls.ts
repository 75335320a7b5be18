// Reads the calls that the recording CUDA runtime wrote as lines of JSON (native/cuda/recording/recorder.h).
import { readFileSync } from "node:fs";

export interface RecordedCall {
  /** Such as `cudaMalloc`. */
  readonly call: string;
  readonly thread: number;
  readonly kind?: "kernel" | "copy" | "memset" | "graph" | "synchronize" | "query" | "order" | "memory";
  /** The demangled kernel; for a copy such as `DtoH pageable`. */
  readonly name?: string;
  /** 0: the legacy default stream. */
  readonly stream?: number;
  /** In progress on that stream. */
  readonly capture?: number;
  /** Recorded or waited for. */
  readonly event?: number;
  readonly graph?: number;
  /** An instantiated graph. */
  readonly exec?: number;
  readonly nodes?: number;
  readonly bytes?: number;
  /** Bytes of device memory after the call. */
  readonly used?: number;
  /** Such as `cudaErrorMemoryAllocation`; undefined: it succeeded. */
  readonly error?: string;
}

/**
 * Whether the host waits for all work of a stream, as it does to read a result; waiting for an event recorded two
 * batches earlier does not count.
 */
export function waitsForAll({ call, kind }: RecordedCall): boolean {
  return kind === "synchronize" && call !== "cudaEventSynchronize";
}

/** Kinds of calls that submit work to the device, and become nodes of a graph during a capture. */
export const WORK = ["kernel", "copy", "memset"];

export function readRecording(path: string): RecordedCall[] {
  return readFileSync(path, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line) as RecordedCall);
}

/** The calls between the marks `from` and `to`. */
export function between(calls: readonly RecordedCall[], from: string, to: string): RecordedCall[] {
  const at = (name: string): number => calls.findIndex((call) => call.call === "mark" && call.name === name);
  const [begin, end] = [at(from), at(to)];
  if (begin < 0 || end < begin)
    throw new Error(`invalid recording: expected the marks ${from} and ${to}, received them at ${begin} and ${end}.`);
  return calls.slice(begin + 1, end);
}

export function isWork(call: RecordedCall): boolean {
  return call.kind !== undefined && WORK.includes(call.kind) && call.error === undefined;
}

/** A name that fits into a table: this package's kernel, or the operation of libtorch's. */
export function shortName(call: RecordedCall): string {
  const name = call.name ?? "";
  if (call.kind === "copy") return `copy ${name}`;
  if (call.kind === "memset") return "memset";
  const own = /^(?:.*run_kernel<)?reviewkd::cuda::(\w+(?:<[\w:]+>)?)/.exec(name);
  if (own?.[1]) return `reviewkd ${own[1].replaceAll("reviewkd::cuda::", "")}`;
  const plain = name.replace(/^void /, "").replaceAll("(anonymous namespace)::", "").replaceAll("at::native::", "");
  const kernel = /^[\w:]+/.exec(plain)?.[0] ?? plain;
  if (!/elementwise_kernel/.test(kernel) && kernel !== "reduce_kernel")
    return call.call === "cudaLaunchKernel" ? `at ${kernel}` : plain;
  return `at ${kernel === "reduce_kernel" ? "reduce" : "elementwise"} ${functorOf(plain)}`;
}

/**
 * The operation of an elementwise kernel or reduction: the function that launches it and the type of its values, or the
 * innermost functor.
 */
function functorOf(name: string): string {
  const source = /(\w+)\(at::TensorIterator(?:Base)?&/.exec(name)?.[1];
  const type = /lambda\((bool|float|double|long|int|c10::\w+)/.exec(name)?.[1];
  if (source !== undefined) return `${source}${type === undefined ? "" : ` (${type})`}`;
  const functors = [...name.matchAll(/(\w*(?:Functor|_functor|Ops)\w*)<([\w:]+)/g)].filter(([, functor]) =>
    !/^(?:AUnary|BUnary|Binary)Functor$/.test(functor ?? "")
  );
  const [, functor, of] = functors[0] ?? [];
  return functor === undefined ? name.slice(0, 80) : `${functor} (${of})`;
}
