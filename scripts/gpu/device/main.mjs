// Builds, tests, measures and trains on a GPU machine; run.sh starts it. The results of each step end up in $OUT, even
// if it failed.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { parseArgs } from "node:util";
import { report } from "./report.mjs";
import { StepRunner } from "./runner.mjs";
import { MODES, stepsOf, within } from "./steps.mjs";

/**
 * @typedef {import("./steps.mjs").Mode} Mode
 * @typedef {import("./runner.mjs").Running} Running
 */

const USAGE = `Usage: bash scripts/gpu/device/run.sh MODE [options]

  proof   builds, tests, measures, profiles and checks everything (${MODES.proof.seconds} s)
  quick   the same, reduced to what is needed before a training (${MODES.quick.seconds} s)
  data    keeps the part of the data set that came with this call
  train   unpacks the data set, trains the teacher unless the kit has one, then distills the student from it (${MODES.train.seconds} s)

  --seconds N            time limit for all steps together
  --only STEP,…          runs only these steps of the mode
  --limit STEP=SECONDS   replaces the limit of a step; may be repeated
  --device cuda|cpu      cpu rehearses: steps that need a GPU end as "no device" (default cuda)
  --libtorch DIRECTORY   libtorch for the addon (default: python3's torch)
  --architectures LIST   CUDA architectures of the build (default 90)
  --pair TEACHER-STUDENT networks to train (default resnet56-resnet20)
  --epochs N             maximum for each training; fewer if the time does not suffice (default 240)
`;
/** The teacher's share of the remaining time if both networks are trained. */
const TEACHER_SHARE = 0.45;

const root = process.cwd();
// @env GPU_WORK tests: The working directory of the kit on a GPU machine. Default: `/tmp/reviewkd-gpu`.
// @env OUT tests: The directory of the kit's results. Default: `out` in `GPU_WORK`.
// @env PATH tests: The directories of programs, to which the kit adds Node and CUDA. Default: `/usr/bin:/bin`.
const work = process.env["GPU_WORK"] ?? "/tmp/reviewkd-gpu";
const out = process.env["OUT"] ?? join(work, "out");
const options = readOptions();
if (options !== undefined) await main(options);

/** @param {NonNullable<ReturnType<typeof readOptions>>} given */
async function main({ mode, device, libtorch, limits, only, seconds, ...training }) {
  rmSync(join(work, "results"), { recursive: true, force: true });
  for (const name of ["home", "results"]) mkdirSync(join(work, name), { recursive: true });
  const path = [process.env["PATH"] ?? "/usr/bin:/bin", "/usr/local/cuda/bin"].join(delimiter);
  Object.assign(process.env, { PATH: [join(work, "node/bin"), path].join(delimiter), HOME: join(work, "home"),
    REVIEWKD_CACHE: join(work, "cache"), REVIEWKD_LIBTORCH: libtorch ?? torchOfPython(), PYTHONUNBUFFERED: "1" });
  const ncu = findNcu();
  const context = { node: process.execPath, work, out, device, ...training, ...(ncu === undefined ? {} : { ncu }) };
  const tools = toolsFor(device, ncu);
  const runner = new StepRunner({
    directory: work,
    seconds,
    limits,
    missing: (need) => tools[need] !== true,
    onRow: ({ name, status, seconds: spent, detail }) =>
      console.log(`${name.padEnd(12)} ${status.padEnd(10)} ${spent.toFixed(1).padStart(6)} s  ${detail}`),
  });
  stopOnSignals(runner);

  const run = (/** @type {string} */ name) =>
    runner.run(name, /** @type {import("./runner.mjs").Step} */ (stepsOf(context, mode)[name]));
  const wanted = MODES[mode].steps.filter((name) => only === undefined || only.includes(name));
  if (mode === "data") await run("keep-data");
  else if (mode === "train") await train();
  else await prove();
  await runner.stopAll();
  report({ runner, work, out });

  async function prove() {
    await run("facts");
    if (!(await run("unpack"))) return;
    // It compiles in the background, because binaries compiled elsewhere may not run here.
    const { build } = stepsOf(context, mode);
    let building = build !== undefined && (wanted.includes("build") || !isAddonBuilt())
      ? runner.startIfPossible("build", build) : undefined;
    const useBuild = async () => {
      if (building === undefined || build === undefined) return;
      const isDone = await runner.finish(building, build.limit);
      building = undefined;
      if (isDone) await run("use-build");
    };
    if (!(await run("doctor"))) await useBuild();
    for (const name of wanted) await (name === "build" ? useBuild() : run(name));
  }

  async function train() {
    if (!existsSync(join(root, "dist/index.js")) || !existsSync(join(root, "node_modules/zod")) || !isAddonBuilt())
      await run("unpack");
    if (!isAddonBuilt() && (await run("build"))) await run("use-build");
    if (!(await run("unpack-data"))) return;
    const brought = join(work, "kit/teacher.safetensors");
    if (existsSync(brought)) copyFileSync(brought, join(work, "teacher.safetensors"));
    const roles = wanted.filter((name) => name === "student" || !existsSync(brought));
    for (const [index, name] of roles.entries()) {
      const share = index + 1 < roles.length ? TEACHER_SHARE : 1;
      const step = stepsOf(context, mode)[name];
      if (step !== undefined) await runner.run(name, within(step, share * runner.secondsLeft()));
    }
  }
}

/** @param {StepRunner} runner */
function stopOnSignals(runner) {
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) {
    process.once(signal, () =>
      void runner.stopAll().finally(() => {
        report({ runner, work, out });
        process.exit(1);
      }));
  }
}

/** Which of the tools that steps need are here. @param {string} device @param {string | undefined} ncu */
function toolsFor(device, ncu) {
  /** @type {Record<string, boolean>} */
  const tools = {
    device: device === "cuda" && succeeds("nvidia-smi"),
    nvcc: succeeds("nvcc", "--version"),
    ncu: ncu !== undefined,
    "compute-sanitizer": succeeds("compute-sanitizer", "--version"),
  };
  return tools;
}

function isAddonBuilt() {
  return existsSync(join(root, "build/Release/reviewkd.node"));
}

/**
 * The directory of python3's torch, found without importing it, which takes long on a machine that has just started.
 */
function torchOfPython() {
  const { stdout } = spawnSync("python3", ["-c",
    'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")'], {
    encoding: "utf8",
  });
  return stdout?.trim() ?? "";
}

function findNcu() {
  if (succeeds("ncu", "--version")) return "ncu";
  const installed = "/opt/nvidia/nsight-compute";
  const version = existsSync(installed) ? readdirSync(installed).sort().at(-1) : undefined;
  return version === undefined ? undefined : join(installed, version, "ncu");
}

/** @param {string} file @param {...string} parameters */
function succeeds(file, ...parameters) {
  return spawnSync(file, parameters, { stdio: "ignore" }).status === 0;
}

function readOptions() {
  try {
    const { values, positionals: [mode, ...others] } = parseArgs({
      allowPositionals: true,
      options: {
        seconds: { type: "string" },
        only: { type: "string" },
        limit: { type: "string", multiple: true, default: [] },
        device: { type: "string", default: "cuda" },
        libtorch: { type: "string" },
        architectures: { type: "string", default: "90" },
        pair: { type: "string", default: "resnet56-resnet20" },
        epochs: { type: "string", default: "240" },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      console.log(USAGE);
      return undefined;
    }
    if (mode === undefined || !Object.hasOwn(MODES, mode) || others.length > 0)
      throw new Error(
        `invalid mode: expected ${Object.keys(MODES).join(", ")}, received ${[mode, ...others].join(" ") || "none"}. Name one mode.`,
      );
    const { steps, seconds } = MODES[/** @type {Mode} */ (mode)];
    const only = values.only?.split(",");
    const unknown = only?.find((name) => !(/** @type {readonly string[]} */ (steps)).includes(name));
    if (unknown !== undefined)
      throw new Error(
        `invalid --only: expected steps of ${mode} (${steps.join(", ")}), received ${unknown}. Check its spelling.`,
      );
    if (values.device !== "cuda" && values.device !== "cpu")
      throw new Error(`invalid --device: expected cuda or cpu, received ${values.device}. Use cpu for a rehearsal.`);
    return {
      mode: /** @type {Mode} */ (mode),
      device: /** @type {"cuda" | "cpu"} */ (values.device),
      libtorch: values.libtorch,
      only,
      architectures: values.architectures,
      pair: values.pair,
      epochs: positive("--epochs", values.epochs),
      seconds: values.seconds === undefined ? seconds : positive("--seconds", values.seconds),
      limits: Object.fromEntries(values.limit.map((text) => {
        const [name = "", limit = ""] = text.split("=");
        return [name, positive("--limit", limit)];
      })),
    };
  } catch (error) {
    process.stderr.write(`USAGE: ${/** @type {Error} */ (error).message}\n\n${USAGE}`);
    process.exitCode = 2;
    return undefined;
  }
}

/** @param {string} name @param {string} text */
function positive(name, text) {
  const value = Number(text);
  if (!(value > 0))
    throw new Error(
      `invalid ${name}: expected a positive number, received ${text || "none"}. Name seconds, epochs or STEP=SECONDS.`,
    );
  return value;
}
