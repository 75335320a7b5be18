#!/usr/bin/env node
// The small programs of main.mjs's first steps:  node programs.mjs facts|unpack|build|use-build|doctor|keep-data
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync,
  writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";

const root = process.cwd();
const work = process.env["GPU_WORK"] ?? "/tmp/reviewkd-gpu";
const release = join(root, "build/Release");
const built = join(root, "build-gpu/Release");

/** @param {string} file @param {readonly string[]} parameters */
function outputOf(file, parameters) {
  const { status, stdout } = spawnSync(file, parameters, { encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

/** @param {string} file @param {readonly string[]} parameters */
function call(file, parameters) {
  console.log(`$ ${file} ${parameters.join(" ")}`);
  const { status, error } = spawnSync(file, parameters, { stdio: "inherit" });
  if (status !== 0) throw new Error(`${file} failed: ${error?.message ?? `exit status ${status ?? "unknown"}`}`);
}

/** The libtorch that the addon is built for and loaded with. */
function libtorch() {
  const directory = process.env["REVIEWKD_LIBTORCH"];
  if (!directory)
    throw new Error("invalid machine: expected torch in python3, received none. Pass --libtorch DIRECTORY.");
  return directory;
}

const PROGRAMS = {
  /** The machine: device, driver, compilers, tools. */
  facts() {
    const query = "name,driver_version,memory.total,clocks.sm,clocks.max.sm,clocks.mem";
    console.log(outputOf("nvidia-smi", [`--query-gpu=${query}`, "--format=csv"]) ?? "no nvidia-smi");
    console.log(outputOf("uname", ["-sr"]), "|", outputOf("ldd", ["--version"])?.split("\n")[0], "|",
      availableParallelism(), "cores");
    for (const program of ["nvcc", "g++", "cmake", "ninja", "python3", "ncu", "compute-sanitizer"]) {
      console.log(
        `${program}: ${outputOf(program, ["--version"])?.split("\n").findLast((line) => line.trim() !== "") ?? "none"}`,
      );
    }
    console.log(`Node ${process.version}, libtorch in ${process.env["REVIEWKD_LIBTORCH"] ?? "no directory"}`);
  },

  /** Unpacks the kit. */
  unpack() {
    for (const name of ["modules", "prebuilt"]) {
      const archive = join(work, "kit", `${name}.tar.xz`);
      if (!existsSync(archive)) console.log(`no ${name}.tar.xz in the kit`);
      else if (outputOf("tar", ["-xJf", archive, "-C", root]) === undefined)
        call("python3", ["-m", "tarfile", "-e", archive, root]);
    }
    const versionFile = join(libtorch(), "version.py");
    const version = existsSync(versionFile)
      ? /__version__ = '(\d+\.\d+\.\d+)(?:\+(\w+))?/.exec(readFileSync(versionFile, "utf8")) : null;
    if (version === null)
      throw new Error(
        `invalid libtorch: expected a version in ${versionFile}, received none. Pass --libtorch DIRECTORY.`,
      );
    mkdirSync(release, { recursive: true });
    writeFileSync(join(release, "libtorch.json"),
      `${JSON.stringify({ directory: libtorch(), version: version[1], variant: version[2] ?? "cu130" })}\n`);
    console.log(`unpacked for libtorch ${version[1]}: ${readdirSync(release).join(", ")}`);
  },

  /** Builds addon and plugin with this machine's compilers, separately from those in use. */
  build() {
    // A symbolic link to nvcc does not lead to the toolkit's headers.
    const nvcc = realpathSync(outputOf("which", ["nvcc"]) ?? "/usr/local/cuda/bin/nvcc");
    const generator = outputOf("ninja", ["--version"]) === undefined ? [] : ["-G", "Ninja"];
    call("cmake", ["-S", root, "-B", dirname(built), ...generator, "-DCMAKE_BUILD_TYPE=Release", "-DREVIEWKD_CUDA=ON",
      `-DREVIEWKD_LIBTORCH_DIR=${libtorch()}`, `-DREVIEWKD_CUDA_TOOLKIT_DIR=${dirname(dirname(nvcc))}`,
      `-DREVIEWKD_CUDA_ARCHITECTURES=${process.argv[3] ?? "90"}`, `-DREVIEWKD_OUTPUT_DIR=${built}`]);
    call("nice", ["-n", "5", "cmake", "--build", dirname(built), "--parallel", String(availableParallelism())]);
  },

  /** Replaces the kit's binaries by those built here. */
  "use-build"() {
    mkdirSync(release, { recursive: true });
    const names = readdirSync(built).filter((name) => /\.(?:node|so)$/.test(name));
    for (const name of names) copyFileSync(join(built, name), join(release, name));
    console.log(`in use: ${names.join(", ")}`);
  },

  /** Checks whether the package finds the device and its plugin. */
  doctor() {
    const device = process.argv[3] ?? "cuda";
    call(process.execPath, ["dist/cli/main.js", "doctor"]);
    const report = outputOf(process.execPath, ["dist/cli/main.js", "doctor", "--json"]) ?? "";
    const { cuda } = JSON.parse(report.split("\n").findLast((line) => line.includes('"doctor"')) ?? "{}");
    if (cuda === undefined)
      throw new Error(
        `invalid report of doctor: expected an event, received ${report || "nothing"}. Read the log of this step.`,
      );
    const isLoaded = cuda.plugin?.loaded === true;
    console.log(
      `devices: ${cuda.devices.join(", ") || cuda.reason}; plugin: ${isLoaded ? "loaded" : cuda.plugin?.reason ?? "none"}`,
    );
    if (device === "cuda" && !(cuda.available && isLoaded)) process.exitCode = 1;
  },

  /** Stores the part of the data that came with this call. */
  "keep-data"() {
    const target = join(work, "data");
    mkdirSync(target, { recursive: true });
    for (const part of readdirSync(root).filter((name) => name.startsWith(".gpu-data-")))
      cpSync(join(root, part), target, { recursive: true });
    console.log(`${readdirSync(target).length} files of the data set are on this machine`);
  },
};

const program = PROGRAMS[/** @type {keyof typeof PROGRAMS} */ (process.argv[2])];
if (program === undefined)
  throw new Error(
    `invalid program: expected ${Object.keys(PROGRAMS).join(", ")}, received ${process.argv[2] ?? "none"}. Start it through run.sh.`,
  );
program();
