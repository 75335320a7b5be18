// Reads what the recording CUDA runtime wrote: lines of JSON, one for each call. native/cuda/recording/recorder.h says how to have it write them.
import { readFileSync } from "node:fs";

/**
 * @typedef {object} RecordedCall
 * @property {string} call such as `cudaMalloc`
 * @property {number} thread
 * @property {"kernel" | "copy" | "memset" | "graph" | "synchronize" | "query" | "order" | "memory"} [kind]
 * @property {string} [name] of the kernel, demangled; `DtoH pageable` of a copy
 * @property {number} [stream] 0: the legacy default stream
 * @property {number} [capture] under way on that stream
 * @property {number} [event] that was recorded or waited for
 * @property {number} [graph]
 * @property {number} [exec] an instantiated graph
 * @property {number} [nodes]
 * @property {number} [bytes]
 * @property {number} [used] bytes of the device afterwards
 * @property {string} [error] such as `cudaErrorMemoryAllocation`; undefined: it succeeded
 */

/**
 * Whether the host waits for all that a stream was given, as it does to read something; not for an event, two hand-overs back.
 *
 * @param {RecordedCall} call
 */
export function waitsForAll({ call, kind }) {
  return kind === "synchronize" && call !== "cudaEventSynchronize";
}

/** Kinds of calls that give the device work, and become nodes of a graph while one is recorded. */
export const WORK = ["kernel", "copy", "memset"];

/**
 * @param {string} path
 * @returns {RecordedCall[]}
 */
export function readRecording(path) {
  return readFileSync(path, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

/**
 * The calls between the marks `from` and `to`.
 *
 * @param {readonly RecordedCall[]} calls
 * @param {string} from
 * @param {string} to
 */
export function between(calls, from, to) {
  const at = (/** @type {string} */ name) => calls.findIndex((call) => call.call === "mark" && call.name === name);
  const [begin, end] = [at(from), at(to)];
  if (begin < 0 || end < begin) throw new Error(`expected the marks ${from} and ${to} in the recording, got ${begin} and ${end}`);
  return calls.slice(begin + 1, end);
}

/** @param {RecordedCall} call */
export function isWork(call) {
  return call.kind !== undefined && WORK.includes(call.kind) && call.error === undefined;
}

/**
 * A name that fits into a table: the kernel of this package, or what libtorch's kernel was made for.
 *
 * @param {RecordedCall} call
 */
export function shortName(call) {
  const name = call.name ?? "";
  if (call.kind === "copy") return `copy ${name}`;
  if (call.kind === "memset") return "memset";
  const own = /^(?:.*run_kernel<)?reviewkd::cuda::(\w+(?:<[\w:]+>)?)/.exec(name);
  if (own?.[1]) return `reviewkd ${own[1].replaceAll("reviewkd::cuda::", "")}`;
  const plain = name.replace(/^void /, "").replaceAll("(anonymous namespace)::", "").replaceAll("at::native::", "");
  const kernel = /^[\w:]+/.exec(plain)?.[0] ?? plain;
  if (!/elementwise_kernel/.test(kernel) && kernel !== "reduce_kernel") return call.call === "cudaLaunchKernel" ? `at ${kernel}` : plain;
  return `at ${kernel === "reduce_kernel" ? "reduce" : "elementwise"} ${functorOf(plain)}`;
}

/**
 * What an elementwise kernel or a reduction was made for: the function that launches it and the type of its values, or the innermost functor.
 *
 * @param {string} name
 */
function functorOf(name) {
  const source = /(\w+)\(at::TensorIterator(?:Base)?&/.exec(name)?.[1];
  const type = /lambda\((bool|float|double|long|int|c10::\w+)/.exec(name)?.[1];
  if (source !== undefined) return `${source}${type === undefined ? "" : ` (${type})`}`;
  const functors = [...name.matchAll(/(\w*(?:Functor|_functor|Ops)\w*)<([\w:]+)/g)].filter(([, functor]) => !/^(?:AUnary|BUnary|Binary)Functor$/.test(functor ?? ""));
  const [, functor, of] = functors[0] ?? [];
  return functor === undefined ? name.slice(0, 80) : `${functor} (${of})`;
}
