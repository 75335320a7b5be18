// Registers, memory and spills of each kernel, out of what `nvcc -Xptxas -v` prints while it compiles for one device.
import { BuildError } from "../support/errors.mjs";
import { run } from "../support/process.mjs";

/**
 * @typedef {object} KernelResources
 * @property {string} name such as BatchMoments<float>
 * @property {number} registers of a thread
 * @property {number} sharedBytes of a block
 * @property {number} stackBytes of a thread: arrays that are not in registers
 * @property {number} spillBytes of a thread: stores and loads of registers for which there was no room
 */

/**
 * @param {string} log
 * @param {(names: string[]) => Promise<string[]>} [demangled] gives C++ names for symbols, in their order
 * @returns {Promise<KernelResources[]>} by name
 * @throws {BuildError} RESOURCES_UNREADABLE if the log lists no kernel or not all figures of one, or c++filt is missing
 */
export async function kernelResources(log, demangled = cxxFilt) {
  const entries = log.split(/^.*Compiling entry function '/m).slice(1).map((text) => ({ symbol: text.slice(0, text.indexOf("'")), text }));
  if (entries.length === 0) throw new BuildError("RESOURCES_UNREADABLE", `invalid output of ptxas -v: expected kernels, received ${JSON.stringify(log.slice(-200))}`);
  const names = await demangled(entries.map(({ symbol }) => symbol));
  return entries.map(({ symbol, text }, i) => resourcesOf(names[i] ?? symbol, text)).sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}

/**
 * @param {string} full the kernel's name in C++
 * @param {string} text ptxas' lines about it
 * @returns {KernelResources}
 */
function resourcesOf(full, text) {
  const frame = /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/.exec(text);
  const registers = /Used (\d+) registers/.exec(text);
  if (frame === null || registers === null) throw new BuildError("RESOURCES_UNREADABLE", `invalid output of ptxas -v: expected the registers and the stack frame of ${full}, received ${JSON.stringify(text.slice(0, 400))}`);
  const [, stack, stores, loads] = frame.map(Number);
  const { name, dynamicShared } = shortName(full);
  return {
    name, registers: Number(registers[1]), stackBytes: stack ?? 0, spillBytes: (stores ?? 0) + (loads ?? 0),
    sharedBytes: dynamicShared + Number(/(\d+) bytes smem/.exec(text)?.[1] ?? 0),
  };
}

/**
 * The struct that a launching function (kernels.cu, launch_warps.h) runs. Shared memory that is reserved at the launch, which ptxas does not see, is the last
 * parameter of run_warps.
 *
 * @param {string} full
 * @returns {{ name: string, dynamicShared: number }}
 */
function shortName(full) {
  const plain = full.replaceAll("reviewkd::cuda::", "").replaceAll(" >", ">");
  const warps = /run_warps<(.+), (?:\(int\))?(\d+)>\(/.exec(plain);
  if (warps !== null) return { name: warps[1] ?? plain, dynamicShared: Number(warps[2]) };
  return { name: /run_kernel<(.+)>\(/.exec(plain)?.[1] ?? plain, dynamicShared: 0 };
}

/** @param {string[]} symbols */
async function cxxFilt(symbols) {
  // Of binutils, whose linker the build has used.
  const { status, stdout, output } = await run("c++filt", symbols);
  if (status !== 0) throw new BuildError("RESOURCES_UNREADABLE", `failed to run c++filt for the names of the kernels: ${output}`);
  return stdout.trimEnd().split("\n");
}

/** @param {readonly KernelResources[]} kernels */
export function resourceTable(kernels) {
  const rows = kernels.map(({ name, registers, sharedBytes, stackBytes, spillBytes }) => `| ${[`\`${name}\``, registers, sharedBytes, stackBytes, spillBytes].join(" | ")} |\n`);
  return `| kernel | registers | shared memory | stack | spills |\n|---|--:|--:|--:|--:|\n${rows.join("")}`;
}

/**
 * A warning for each kernel that spills.
 *
 * @param {readonly KernelResources[]} kernels
 */
export function spillWarnings(kernels) {
  return kernels.filter(({ spillBytes }) => spillBytes > 0).map(({ name, spillBytes }) => `warning: ${name} spills ${spillBytes} bytes of registers a thread`);
}

/** @param {readonly KernelResources[]} kernels */
export function spillSummary(kernels) {
  const spilling = kernels.filter(({ spillBytes }) => spillBytes > 0);
  const bytes = spilling.reduce((sum, { spillBytes }) => sum + spillBytes, 0);
  return `${bytes} bytes of spills a thread in ${spilling.length} of ${kernels.length} kernels`;
}
