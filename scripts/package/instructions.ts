// The x86 instruction sets that a library's code uses, according to a disassembler: every instruction of every code
// section.
import type * as Disassembler from "iced-x86";
import { BuildError } from "../support/errors.js";
import { Bytes } from "./bytes.js";
import { functionsOfElf } from "./elf-code.js";

import { type Part } from "./elf-code.js";

// The sets of every 64-bit processor: AMD, "AMD64 Architecture Programmer's Manual"; and those that older ones execute
// as another instruction, the no-operations that mark a branch's target, wait or prefetch.
const OF_EVERY_PROCESSOR = new Set(["INTEL8086", "INTEL8086_ONLY", "INTEL186", "INTEL286", "INTEL386", "INTEL486",
  "X64", "FPU", "FPU287", "FPU387", "MMX", "SSE", "SSE2", "CMOV", "CX8", "CPUID", "TSC", "MSR", "SEP", "SYSCALL",
  "FXSR", "CLFSH", "MULTIBYTENOP", "PAUSE", "CET_IBT", "PREFETCHW"]);
// `rep bsf`: compilers emit it when the operand is not zero, because then both instructions are equivalent.
const ALSO_BSF = /^Tzcnt_/;
// Queries which registers the system saves, after CPUID reported that the query is supported.
const QUERIES_THE_SYSTEM = /^_ZN8reviewkd8platform/;

// The namespaces of native/core/ops/kernels in mangled names, one for each choice of ops/backend/dispatch.cpp.
const KERNELS = [
  { namespace: "N8reviewkd3ops15avx512_bfloat16", name: "avx512_bfloat16" },
  { namespace: "N8reviewkd3ops6avx512", name: "avx512" },
  { namespace: "N8reviewkd3ops4avx2", name: "avx2" },
];
const PIECE = 8 << 20;
const LONGEST_INSTRUCTION = 15;

/**
 * All sets beyond those of every 64-bit processor, spelled as in Linux' /proc/cpuinfo, such as `sse4_1` and
 * `avx512_bf16`.
 *
 * @returns sorted.
 * @throws BuildError DEPENDENCIES_MISSING, LIBRARY_DAMAGED.
 */
export async function instructionSetsOf(path: string, code: readonly Part[]): Promise<string[]> {
  const reader = await startReader();
  await Bytes.of(path, async (bytes) => {
    for (const { offset, size } of code) {
      // An instruction may continue in the next piece: its first bytes are then read again.
      for (let done = 0; done < size;) {
        const wanted = Math.min(PIECE, size - done);
        const read = reader.read(await bytes.read(offset + done, wanted));
        done += done + wanted < size && read > wanted - LONGEST_INSTRUCTION ? read : wanted;
      }
    }
  });
  return [...reader.sets()].sort();
}

/**
 * Reads the addon function by function: everything except kernels chosen at run time must run on every processor.
 * Returns the sets of each run-time choice, and the number of other functions.
 *
 * @param path - Of the addon with its symbols.
 * @throws BuildError INSTRUCTIONS_UNGUARDED: a function would end the process on processors that lack its instructions.
 */
export async function addonInstructions(
  path: string,
): Promise<{ kernels: Record<string, string[]>; functions: number }> {
  const functions = await functionsOfElf(path);
  const unconditional = functions.filter(({ name = "" }) => kernelOf(name) === undefined);
  const unguarded: string[] = [];
  await Bytes.of(path, async (bytes) => {
    for (const { name = "", offset, size } of unconditional) {
      const reader = await startReader();
      reader.read(await bytes.read(offset, size));
      const beyond = [...reader.sets()].filter((set) => !(set === "xsave" && QUERIES_THE_SYSTEM.test(name)));
      if (beyond.length > 0) unguarded.push(`${name} (${beyond.join(", ")})`);
    }
  });
  if (unguarded.length > 0) {
    throw new BuildError("INSTRUCTIONS_UNGUARDED",
      `invalid addon: expected code for every 64-bit processor outside of the kernels that are chosen at run time, received ${unguarded.length} functions that require more in ${path}:\n`
        + `${unguarded.slice(0, 5).map((line) => `    ${line}`).join("\n")}\nPut them into the namespace of their instruction set, in a file of native/core/ops/kernels.`);
  }
  const named = KERNELS.map(async ({ name }) => {
    const parts = functions.filter((part) => kernelOf(part.name ?? "") === name);
    return [name, await instructionSetsOf(path, parts)] as const;
  });
  return { kernels: Object.fromEntries(await Promise.all(named)), functions: unconditional.length };
}

function kernelOf(name: string): string | undefined {
  return KERNELS.find(({ namespace }) => name.includes(namespace))?.name;
}

/** Decodes code and collects its sets. */
async function startReader() {
  const { Code, CpuidFeature, Decoder, DecoderOptions, Instruction } = await disassembler();
  const instruction = new Instruction();
  const seen = new Set<number>();
  const sets = new Set<string>();
  return {
    sets: () => sets,
    /** @returns the number of bytes in complete instructions. */
    read(code: Uint8Array): number {
      const decoder = new Decoder(64, code, DecoderOptions.None);
      let whole = 0;
      while (decoder.canDecode) {
        decoder.decodeOut(instruction);
        const { code: kind } = instruction;
        // A truncated instruction at the end decodes as invalid.
        if (kind === Code.INVALID && decoder.position > code.length - LONGEST_INSTRUCTION) break;
        whole = decoder.position;
        if (seen.has(kind)) continue;
        seen.add(kind);
        if (ALSO_BSF.test(Code[kind])) continue;
        for (const feature of instruction.cpuidFeatures()) {
          const name = CpuidFeature[feature] ?? String(feature);
          if (!OF_EVERY_PROCESSOR.has(name)) sets.add(name.toLowerCase());
        }
      }
      decoder.free();
      return whole;
    },
  };
}

let loaded: Promise<typeof Disassembler> | undefined;

function disassembler(): Promise<typeof Disassembler> {
  loaded ??= import("iced-x86").then(
    (module) => (module as unknown as { default?: typeof Disassembler }).default ?? module,
    (error: unknown) => {
      throw new BuildError("DEPENDENCIES_MISSING",
        `cannot load the disassembler iced-x86: ${(error as Error).message}. Run \`npm ci\`.`);
    },
  );
  return loaded;
}
