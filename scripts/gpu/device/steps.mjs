// The steps of each mode: programs, limits and their requirements. The .mjs files here run before the kit's modules are
// unpacked, with Node alone; the .ts files run afterwards, with tsx.
import { join } from "node:path";

/**
 * @typedef {import("./runner.mjs").Step} Step
 *
 * @typedef {object} Context
 * @property {string} node the program that runs JavaScript
 * @property {string} work the directory of the kit, the data and everything temporary
 * @property {string} out the directory that is copied back
 * @property {"cuda" | "cpu"} device
 * @property {string} architectures
 * @property {string} pair such as `resnet56-resnet20`
 * @property {number} epochs the maximum for each training
 * @property {string} [ncu]
 */

/**
 * Steps in order of importance, because the time may not suffice for all. Those after `build` use the binaries compiled
 * on the machine.
 */
export const MODES = /** @type {const} */ ({
  proof: { seconds: 570,
    steps: ["tests", "scenarios", "build", "speed", "bench", "figures", "profile", "memcheck", "racecheck", "compiled",
      "bench-large", "autotune"] },
  quick: { seconds: 240, steps: ["speed", "tests", "scenarios", "build"] },
  data: { seconds: 60, steps: [] },
  train: { seconds: 540, steps: ["teacher", "student"] },
});

/** @typedef {keyof typeof MODES} Mode */

const HERE = import.meta.dirname;
const QUICK_SCENARIOS = ["determinism", "concurrent", "abandoned"];
const SCENARIOS = [...QUICK_SCENARIOS, "many", "evaluate", "moved"];
const COMPILED = ["--pairs", "resnet56-resnet20@128", "--rounds", "5", "--steps", "40", "--no-kernels"];
const METRICS = ["gpu__time_duration.sum", "dram__bytes_read.sum", "dram__bytes_write.sum", "lts__t_bytes.sum",
  "launch__registers_per_thread", "launch__grid_size", "launch__block_size",
  "sm__warps_active.avg.pct_of_peak_sustained_active"];

/**
 * All steps by name. The limit of a training is the time that remains when it starts.
 *
 * @param {Context} context @param {Mode} mode @returns {Record<string, Step>}
 */
export function stepsOf(context, mode) {
  const { node, work, out, device, architectures } = context;
  const program = (/** @type {string[]} */ ...words) => [node, join(HERE, "programs.mjs"), ...words];
  const script = (/** @type {string} */ name,
    /** @type {string[]} */ ...words) => [node, "--import", "tsx", join(HERE, `${name}.ts`), ...words];
  const scenarios = (/** @type {string[]} */ ...names) => script("scenarios", "--device", device, ...names);
  const isQuick = mode === "quick";
  return {
    facts: { limit: 60, commands: [program("facts")] },
    unpack: { limit: 90, commands: [program("unpack")] },
    doctor: { limit: 100, commands: [program("doctor", device)] },
    build: { limit: 240, needs: ["nvcc"], commands: [program("build", architectures)] },
    "use-build": { limit: 110, commands: [program("use-build"), program("doctor", device)] },
    tests: { limit: isQuick ? 110 : 170, needs: ["device"],
      commands: [[node, "--import", "tsx", "scripts/gpu/test.mjs", "--reporter", "dot"]] },
    scenarios: { limit: isQuick ? 60 : 110, commands: [scenarios(...(isQuick ? QUICK_SCENARIOS : SCENARIOS))] },
    speed: { limit: 60, commands: [scenarios("speed")] },
    bench: { limit: 150, needs: ["device"],
      ...bench(context, "gpu", ["--pairs", "resnet56-resnet20@128", "--no-compiled", "--rounds", "7", "--steps",
        "40"]) },
    compiled: { limit: 130, needs: ["device"],
      ...bench(context, "gpu-compiled", [...COMPILED, "--styles", stylesWith("reduce-overhead"), "--ready-seconds",
        "90"]) },
    autotune: { limit: 240, needs: ["device"],
      ...bench(context, "gpu-autotune", [...COMPILED, "--styles", stylesWith("max-autotune"), "--ready-seconds",
        "70"]) },
    "bench-large": { limit: 90, needs: ["device"],
      ...bench(context, "gpu-large", ["--pairs", "resnet32x4-resnet8x4@128", "--no-compiled", "--rounds", "5",
        "--steps", "20"]) },
    figures: { limit: 60, needs: ["device"],
      commands: [["python3", join(HERE, "figures.py"), "ceilings", "gaps", "convolutions"]] },
    profile: {
      limit: 80,
      needs: ["device", "ncu"],
      env: { REVIEWKD_CUDA_GRAPHS: "0" },
      commands: [
        [context.ncu ?? "ncu", "--clock-control", "none", "--cache-control", "none", "--target-processes", "all",
          "--csv", "--page", "raw", "--print-units", "base", "--metrics", METRICS.join(","), "--log-file",
          join(work, "results/ncu.csv"), ...scenarios("steps")],
        ["python3", join(HERE, "kernels.py"), join(work, "results/ncu.csv"), join(work, "results/kernels.json")],
      ],
    },
    memcheck: sanitizer("memcheck", 70, scenarios("small")),
    racecheck: sanitizer("racecheck", 50, scenarios("small")),
    "keep-data": { limit: 60, commands: [program("keep-data")] },
    "unpack-data": { limit: 90,
      commands: [program("keep-data"), script("cifar", "unpack", join(work, "data"), join(work, "cifar"))] },
    teacher: { limit: Infinity,
      commands: [training(context, "teacher"), ["cp", join(work, "teacher.safetensors"), out]] },
    student: { limit: Infinity, commands: [training(context, "student")] },
  };
}

/** @param {string} execution of bench/pytorch_styles.py */
function stylesWith(execution) {
  return ["published", ...["expert-bfloat16", "expert-tf32", "expert"].map((style) => `${style}-${execution}`)].join(
    ",",
  );
}

/**
 * A training's step within a limit, of which the program has some seconds to save its weights.
 *
 * @param {Step} step @param {number} seconds @returns {Step}
 */
export function within(step, seconds) {
  const [[...words] = [], ...others] = step.commands;
  return { ...step, limit: seconds,
    commands: [[...words, "--seconds", String(Math.max(1, Math.floor(seconds - 12)))], ...others] };
}

/** @param {Context} context @param {string} name of the results @param {string[]} flags */
function bench({ node, work, out }, name, flags) {
  return {
    env: { REVIEWKD_BENCH_PYTHON: "python3" },
    commands: [
      [node, "bench/gpu.mjs", ...flags, "--write", name],
      ["cp", `bench/results/${name}.md`, out],
      ["cp", `bench/results/${name}.json`, join(work, "results")],
    ],
  };
}

/**
 * Checks only this package's kernels. Each allocation goes to the driver, so that an access beyond a tensor is
 * detected; steps cannot be recorded then.
 *
 * @param {string} tool @param {number} limit @param {string[]} command @returns {Step}
 */
function sanitizer(tool, limit, command) {
  return {
    limit,
    needs: ["device", "compute-sanitizer"],
    env: { PYTORCH_NO_CUDA_MEMORY_CACHING: "1", REVIEWKD_CUDA_GRAPHS: "0" },
    commands: [["compute-sanitizer", "--tool", tool, "--kernel-name", "kns=reviewkd", "--error-exitcode", "9",
      "--print-limit", "20", ...command]],
  };
}

/** @param {Context} context @param {"teacher" | "student"} role */
function training({ node, work, out, device, pair, epochs }, role) {
  return [node, "--import", "tsx", join(HERE, "train.ts"), role, "--pair", pair, "--epochs", String(epochs), "--device",
    device, "--data", join(work, "cifar"), "--teacher", join(work, "teacher.safetensors"), "--out", out];
}
