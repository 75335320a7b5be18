import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { expect } from "chai";
import { useTemporaryDirectory, writeFiles } from "../lib/install/fake-libtorch.js";

/**
 * A compiler that finds its headers by nvcc.profile in the directory that it is invoked from, links not followed, as
 * nvcc does.
 */
const NVCC = `#!/bin/sh
case "$*" in *--list-gpu-arch*) echo compute_90; exit 0;; esac
if [ ! -f "$(dirname "$0")/nvcc.profile" ]; then echo "cuda_runtime.h: No such file or directory"; exit 1; fi
while [ $# -gt 1 ]; do shift; done
echo "compiled by $0"
echo "int kernels;" | cc -fPIC -x c -c - -o "$1"
`;

/** The plugin's own description, in a project with small sources and libraries. */
const PROJECT = `cmake_minimum_required(VERSION 3.22)
project(plugin LANGUAGES CXX)
set(REVIEWKD_OUTPUT_DIR "\${CMAKE_BINARY_DIR}/Release")
set(libtorch_library_dir "\${REVIEWKD_LIBTORCH_DIR}/lib")
function(reviewkd_compile_options target)
endfunction()
add_library(LibTorch::cpu INTERFACE IMPORTED)
include("${resolve("cmake/ReviewkdCuda.cmake")}")
`;

describe("the CUDA compiler of the CMake build", function () {
  this.timeout(60_000);
  this.slow(20_000);
  const root = useTemporaryDirectory();

  before(function () {
    if (process.platform !== "linux") this.skip();
  });

  beforeEach(() => {
    const sources = ["native/cuda/host_emulation/host_emulation.cpp", "native/cuda/plugin.cpp",
      ...["streams", "graph", "graph_memory"].map((name) => `native/cuda/streams/${name}.cpp`),
      "native/cuda/nccl/nccl.cpp", "native/cuda/kernels.cu", "native/core/ops/backend/kernel_backend.h"];
    writeFiles(root(), { "CMakeLists.txt": PROJECT, ...Object.fromEntries(sources.map((name) => [name, ""])),
      "library.cpp": "" });
    mkdirSync(join(root(), "torch/lib"), { recursive: true });
    for (const name of ["torch/lib/libtorch_cuda.so", "torch/lib/libc10_cuda.so", "torch/lib/libcudart.so.13"]) {
      const { status, stderr } = spawnSync("c++", ["-shared", "-fPIC", `-Wl,-soname,${basename(name)}`,
        join(root(), "library.cpp"), "-o", join(root(), name)], { encoding: "utf8" });
      expect(status, stderr).to.equal(0);
    }
  });

  /** A toolkit below `directory`. */
  function writeToolkit(directory: string): void {
    writeFiles(join(root(), directory), { "bin/nvcc": NVCC, "bin/nvcc.profile": "TOP = $(_HERE_)/..\n",
      "include/cuda_runtime_api.h": "", "include/nccl.h": "", "include/nv/target": "" });
    chmodSync(join(root(), directory, "bin/nvcc"), 0o755);
  }

  /** Builds the plugin with the toolkit at a path, and gives the path by which its compiler was invoked. */
  function compilerOf(toolkit: string, path = process.env["PATH"]): string {
    const build = join(root(), "build");
    const env = { ...process.env, PATH: path, CUDA_HOME: "" };
    const steps = [
      ["-S", root(), "-B", build, "-DREVIEWKD_CUDA=ON", `-DREVIEWKD_CUDA_TOOLKIT_DIR=${toolkit}`,
        `-DREVIEWKD_LIBTORCH_DIR=${join(root(), "torch")}`],
      ["--build", build, "--target", "reviewkd_cuda"],
    ];
    let said = "";
    for (const step of steps) {
      const { status, stdout, stderr } = spawnSync("cmake", step, { encoding: "utf8", env });
      expect(status, stdout + stderr).to.equal(0);
      said = stdout;
    }
    return /compiled by (.*)/.exec(said)?.[1] ?? said;
  }

  it("is invoked by its own path in pip's layout", () => {
    writeToolkit("nvidia/cu13");
    expect(compilerOf(join(root(), "nvidia/cu13"))).to.equal(join(root(), "nvidia/cu13/bin/nvcc"));
  });

  it("is invoked by its own path where a link on PATH leads to it", () => {
    writeToolkit("nvidia/cu13");
    mkdirSync(join(root(), "links"));
    symlinkSync(join(root(), "nvidia/cu13/bin/nvcc"), join(root(), "links/nvcc"));
    expect(compilerOf("", `${join(root(), "links")}:${process.env["PATH"] ?? ""}`)).to.equal(
      join(root(), "nvidia/cu13/bin/nvcc"),
    );
  });

  it("is invoked by its own path at the end of a chain of alternatives", () => {
    writeToolkit("cuda-13.0");
    mkdirSync(join(root(), "alternatives"));
    mkdirSync(join(root(), "cuda/bin"), { recursive: true });
    symlinkSync(join(root(), "cuda-13.0/bin/nvcc"), join(root(), "alternatives/nvcc"));
    symlinkSync("../../alternatives/nvcc", join(root(), "cuda/bin/nvcc"));
    expect(compilerOf(join(root(), "cuda"))).to.equal(join(root(), "cuda-13.0/bin/nvcc"));
  });

  for (const [header, message] of [["nccl.h", "no nccl.h for the CUDA plugin"], ["nv/target",
    "no nv/target for the CUDA plugin"]] as const) {
    it(`is not invoked without ${header}, and CMake names the fix`, () => {
      writeToolkit("nvidia/cu13");
      rmSync(join(root(), "nvidia/cu13/include", header));
      const { status, stderr } = spawnSync("cmake", ["-S", root(), "-B", join(root(), "build"), "-DREVIEWKD_CUDA=ON",
        `-DREVIEWKD_CUDA_TOOLKIT_DIR=${join(root(), "nvidia/cu13")}`,
        `-DREVIEWKD_LIBTORCH_DIR=${join(root(), "torch")}`], { encoding: "utf8" });
      expect(status).to.not.equal(0);
      expect(stderr).to.include(message).and.match(/Set\s+REVIEWKD_NCCL_INCLUDE_DIR|set\s+REVIEWKD_CUDA_TOOLKIT_DIR/);
    });
  }
});
