// Which instruction sets of x86 processors a library's code is of, as a disassembler reads it: every instruction of every code section.
import { BuildError } from "../support/errors.js";
import { Bytes } from "./bytes.mjs";
import { functionsOfElf } from "./elf-code.mjs";

/** @typedef {import("./elf-code.mjs").Part} Part */

// What every 64-bit processor has: AMD, "AMD64 Architecture Programmer's Manual", and those that older ones take for another instruction,
// the no-operations that mark a branch's target, wait or fetch ahead.
const OF_EVERY_PROCESSOR = new Set([
  "INTEL8086", "INTEL8086_ONLY", "INTEL186", "INTEL286", "INTEL386", "INTEL486", "X64", "FPU", "FPU287", "FPU387", "MMX", "SSE", "SSE2", "CMOV", "CX8", "CPUID", "TSC",
  "MSR", "SEP", "SYSCALL", "FXSR", "CLFSH", "MULTIBYTENOP", "PAUSE", "CET_IBT", "PREFETCHW",
]);
// `rep bsf`: compilers write it where the operand is not zero, for there both mean the same.
const ALSO_BSF = /^Tzcnt_/;
// Asks the system which registers it saves, after CPUID said that it may be asked.
const ASKS_THE_SYSTEM = /^_ZN8reviewkd8platform/;

// The namespaces of native/core/ops/kernels, one for each choice that ops/dispatch.cpp has, as they stand in mangled names.
const KERNELS = [
  { namespace: "N8reviewkd3ops15avx512_bfloat16", name: "avx512_bfloat16" },
  { namespace: "N8reviewkd3ops6avx512", name: "avx512" },
  { namespace: "N8reviewkd3ops4avx2", name: "avx2" },
];
const PIECE = 8 << 20;
const LONGEST_INSTRUCTION = 15;

/**
 * All sets beyond what every 64-bit processor has, as Linux spells them in /proc/cpuinfo, for instance `sse4_1` and `avx512_bf16`.
 *
 * @param {string} path
 * @param {readonly Part[]} code
 * @returns {Promise<string[]>} sorted
 * @throws {BuildError} DEPENDENCIES_MISSING, LIBRARY_DAMAGED
 */
export async function instructionSetsOf(path, code) {
  const reader = await startReader();
  await Bytes.of(path, async (bytes) => {
    for (const { offset, size } of code) {
      // An instruction may go on in the next piece: its first bytes are read again there.
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
 * @typedef {object} AddonInstructions
 * @property {Record<string, string[]>} kernels the sets of each choice that is made at run time
 * @property {number} functions how many were looked at besides
 */

/**
 * Reads the addon function by function: what is not a kernel that is chosen at run time must run on every processor.
 *
 * @param {string} path of the addon with its symbols
 * @returns {Promise<AddonInstructions>}
 * @throws {BuildError} INSTRUCTIONS_UNGUARDED: a function would end the process on processors that lack what it uses
 */
export async function addonInstructions(path) {
  const functions = await functionsOfElf(path);
  const everybodys = functions.filter(({ name = "" }) => kernelOf(name) === undefined);
  /** @type {string[]} */
  const unguarded = [];
  await Bytes.of(path, async (bytes) => {
    for (const { name = "", offset, size } of everybodys) {
      const reader = await startReader();
      reader.read(await bytes.read(offset, size));
      const beyond = [...reader.sets()].filter((set) => !(set === "xsave" && ASKS_THE_SYSTEM.test(name)));
      if (beyond.length > 0) unguarded.push(`${name} (${beyond.join(", ")})`);
    }
  });
  if (unguarded.length > 0) {
    throw new BuildError("INSTRUCTIONS_UNGUARDED",
      `expected code for every 64-bit processor outside of the kernels that are chosen at run time, got ${unguarded.length} functions with more in ${path}:\n`
      + `${unguarded.slice(0, 5).map((line) => `    ${line}`).join("\n")}\nput them into the namespace of their instruction set, in a file of native/core/ops/kernels`);
  }
  const named = KERNELS.map(async ({ name }) => [name, await instructionSetsOf(path, functions.filter((part) => kernelOf(part.name ?? "") === name))]);
  return { kernels: Object.fromEntries(await Promise.all(named)), functions: everybodys.length };
}

/** @param {string} name */
function kernelOf(name) {
  return KERNELS.find(({ namespace }) => name.includes(namespace))?.name;
}

/** Decodes code and notes its sets. */
async function startReader() {
  const { Code, CpuidFeature, Decoder, DecoderOptions, Instruction } = await disassembler();
  const instruction = new Instruction();
  /** @type {Set<number>} */
  const seen = new Set();
  /** @type {Set<string>} */
  const sets = new Set();
  return {
    sets: () => sets,
    /**
     * @param {Uint8Array} code
     * @returns {number} how many bytes were whole instructions
     */
    read(code) {
      const decoder = new Decoder(64, code, DecoderOptions.None);
      let whole = 0;
      while (decoder.canDecode) {
        decoder.decodeOut(instruction);
        const { code: kind } = instruction;
        // What is cut off at the end reads as no instruction at all.
        if (kind === Code.INVALID && decoder.position > code.length - LONGEST_INSTRUCTION) break;
        whole = decoder.position;
        if (seen.has(kind)) continue;
        seen.add(kind);
        if (ALSO_BSF.test(Code[kind] ?? "")) continue;
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

/** @type {Promise<typeof import("iced-x86")> | undefined} */
let loaded;

function disassembler() {
  loaded ??= import("iced-x86").then((module) => /** @type {{ default?: typeof import("iced-x86") }} */ (module).default ?? module, (error) => {
    throw new BuildError("DEPENDENCIES_MISSING", `expected the disassembler iced-x86 for reading instruction sets, got ${error.message}; run \`npm ci\``);
  });
  return loaded;
}
