// Registers, memory and spills of each kernel, parsed from the output of `nvcc -Xptxas -v` for one device.
import { BuildError } from "../support/errors.js";
import { runTool } from "../support/tools.js";

export interface KernelResources {
  /** Such as BatchMoments<float>. */
  readonly name: string;
  /** Per thread. */
  readonly registers: number;
  /** Per block. */
  readonly sharedBytes: number;
  /** Per thread: arrays that are not in registers. */
  readonly stackBytes: number;
  /** Per thread: stores and loads of spilled registers. */
  readonly spillBytes: number;
}

/**
 * The resources of all kernels in a log, sorted by name.
 *
 * @param demangled - Converts symbols to C++ names, in their order.
 * @throws BuildError RESOURCES_UNREADABLE if the log lists no kernel or not all figures of one, or c++filt is missing.
 */
export async function kernelResources(log: string,
  demangled: (names: string[]) => Promise<string[]> = cxxFilt): Promise<KernelResources[]> {
  const entries = log.split(/^.*Compiling entry function '/m).slice(1).map((text) => ({
    symbol: text.slice(0, text.indexOf("'")),
    text,
  }));
  if (entries.length === 0)
    throw new BuildError("RESOURCES_UNREADABLE",
      `invalid output of ptxas -v: expected kernels, received ${JSON.stringify(log.slice(-200))}. Check the version of nvcc.`);
  const names = await demangled(entries.map(({ symbol }) => symbol));
  const kernels = entries.map(({ symbol, text }, i) => resourcesOf(names[i] ?? symbol, text));
  return kernels.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}

/** The resources of the kernel with the C++ name `full`, from the lines that ptxas prints about it. */
function resourcesOf(full: string, text: string): KernelResources {
  const frame = /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/.exec(text);
  const registers = /Used (\d+) registers/.exec(text);
  if (frame === null || registers === null)
    throw new BuildError("RESOURCES_UNREADABLE",
      `invalid output of ptxas -v: expected the registers and the stack frame of ${full}, received ${JSON.stringify(text.slice(0, 400))}. Check the version of nvcc.`);
  const [, stack, stores, loads] = frame.map(Number);
  const { name, dynamicShared } = shortName(full);
  return {
    name,
    registers: Number(registers[1]),
    stackBytes: stack ?? 0,
    spillBytes: (stores ?? 0) + (loads ?? 0),
    sharedBytes: dynamicShared + Number(/(\d+) bytes smem/.exec(text)?.[1] ?? 0),
  };
}

/**
 * The struct that a launch function (kernels.cu, launch_warps.h) runs. Shared memory that is reserved at the launch is
 * the last parameter of run_warps.
 */
function shortName(full: string): { name: string; dynamicShared: number } {
  const plain = full.replaceAll("reviewkd::cuda::", "").replaceAll(" >", ">");
  const warps = /run_warps<(.+), (?:\(int\))?(\d+)>\(/.exec(plain);
  if (warps !== null) return { name: warps[1] ?? plain, dynamicShared: Number(warps[2]) };
  return { name: /run_kernel<(.+)>\(/.exec(plain)?.[1] ?? plain, dynamicShared: 0 };
}

async function cxxFilt(symbols: string[]): Promise<string[]> {
  const { stdout } = await runTool("c++filt", symbols, { code: "RESOURCES_UNREADABLE", failure: "c++filt failed",
    fix: "Install binutils." });
  return stdout.trimEnd().split("\n");
}

/** A Markdown table of all kernels. */
export function resourceTable(kernels: readonly KernelResources[]): string {
  const rows = kernels.map(({ name, registers, sharedBytes, stackBytes, spillBytes }) =>
    `| ${[`\`${name}\``, registers, sharedBytes, stackBytes, spillBytes].join(" | ")} |\n`
  );
  return `| kernel | registers | shared memory | stack | spills |\n|---|--:|--:|--:|--:|\n${rows.join("")}`;
}

/** A warning for each kernel that spills. */
export function spillWarnings(kernels: readonly KernelResources[]): string[] {
  const spilling = kernels.filter(({ spillBytes }) => spillBytes > 0);
  return spilling.map(({ name, spillBytes }) => `warning: ${name} spills ${spillBytes} bytes of registers a thread`);
}

/** The spills of all kernels in one line. */
export function spillSummary(kernels: readonly KernelResources[]): string {
  const spilling = kernels.filter(({ spillBytes }) => spillBytes > 0);
  const bytes = spilling.reduce((sum, { spillBytes }) => sum + spillBytes, 0);
  return `${bytes} bytes of spills a thread in ${spilling.length} of ${kernels.length} kernels`;
}
