// Fuzzes a reader of untrusted files with libFuzzer under AddressSanitizer and UndefinedBehaviorSanitizer, which
// requires clang.
// Usage: npm run fuzz -- READER SECONDS [--keep]
//   READER   safetensors, zip, legacy, numpy, any (all, chosen by content) or coco-mask
//   --keep   afterwards writes the smallest set of inputs with the same coverage to test/fuzz/corpus
// CXX names the compiler (default: clang++). Failing inputs are kept in build/fuzz-libfuzzer/artifacts.
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildHarness, packCorpus, READERS, unpackCorpus } from "./build.js";
import { runVisibly } from "../support/tools.js";

const BUILD = "build/fuzz-libfuzzer";
// A larger single allocation means that a reader trusted a length; the readers' own limits are far below. The timeout
// is wall time, which passes even when a busy machine does not schedule the fuzzer.
const LIMITS = ["-max_len=12000", "-malloc_limit_mb=64", "-rss_limit_mb=1024", "-timeout=60"];

const { values: flags, positionals: [reader = "", seconds = ""] } = parseArgs({ allowPositionals: true,
  options: { keep: { type: "boolean", default: false } } });
if (!READERS.includes(reader) || !(Number(seconds) > 0)) {
  console.error(
    `invalid arguments: expected READER SECONDS with one of ${READERS.join(", ")} and a number above 0, received "${reader} ${seconds}". Run npm run fuzz -- zip 60.`,
  );
  process.exit(2);
}

function fuzz(parameters: readonly string[]): Promise<number> {
  return runVisibly(join(BUILD, `fuzz-${reader}`), parameters);
}

const failure = await buildHarness(BUILD, ["-DREVIEWKD_LIBFUZZER=ON",
  `-DCMAKE_CXX_COMPILER=${process.env["CXX"] ?? "clang++"}`]);
if (failure !== undefined) {
  console.error(`cannot build the harness:\n${failure}\nInstall clang++ with libFuzzer, or name a compiler by CXX.`);
  process.exit(1);
}
const corpus = join(BUILD, "corpus", reader);
await unpackCorpus(reader, corpus);
await mkdir(join(BUILD, "artifacts"), { recursive: true });
/** Words of the formats; runs have none. */
const DICTIONARIES: Record<string, string> = { safetensors: "safetensors.dict", zip: "pickle.dict",
  legacy: "pickle.dict", numpy: "pickle.dict", any: "pickle.dict" };
const dictionary = DICTIONARIES[reader];
process.exitCode = await fuzz([`-max_total_time=${seconds}`,
  ...(dictionary === undefined ? [] : [`-dict=${join("test/fuzz", dictionary)}`]),
  `-artifact_prefix=${join(BUILD, "artifacts", `${reader}-`)}`, "-print_final_stats=1", ...LIMITS, corpus]);
if (flags.keep && process.exitCode === 0) {
  const small = join(BUILD, "minimised", reader);
  await rm(small, { recursive: true, force: true });
  await mkdir(small, { recursive: true });
  process.exitCode = await fuzz(["-merge=1", ...LIMITS, small, corpus]);
  if (process.exitCode === 0) await packCorpus(reader, small);
}
