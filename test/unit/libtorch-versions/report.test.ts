import { expect } from "chai";
import { formatRecord, formatTable, hasPassed, isWarning,
  type CheckResult } from "../../../scripts/check/libtorch-versions/report.js";

const passed: CheckResult = { torch: "2.15.0", variant: "cu132", seconds: 181.6, warnings: [], symbols: 50,
  ncclSymbols: 20, models: 41 };

describe("isWarning", () => {
  it("recognizes the warnings of compilers, linkers, nvcc, ptxas and CMake", () => {
    for (const line of [
      "native/core/model.cpp:12:7: warning: unused variable ‘x’ [-Wunused-variable]",
      "/usr/bin/ld: warning: libcudart.so.13, needed by libtorch_cpu.so, not found",
      'native/cuda/kernels.cu(40): warning #177-D: variable "x" was declared but never referenced',
      "ptxas warning : Stack size for entry function cannot be statically determined",
      "nvcc warning : Support for offline compilation for architectures will be removed",
      "CMake Warning at CMakeLists.txt:3 (message):",
      "CMake Deprecation Warning at CMakeLists.txt:1 (cmake_minimum_required):",
    ]) expect(isWarning(line), line).to.equal(true);
  });

  it("passes over options and file names", () => {
    for (const line of ["c++ -Wall -Wno-unknown-warning-option -c warning.cpp",
      "[3/40] Building CXX object warning.cpp.o", "native/core/model.cpp:12:7: error: no member"]) {
      expect(isWarning(line), line).to.equal(false);
    }
  });
});

describe("formatTable", () => {
  it("has a row per version, the oldest first, with columns of one width", () => {
    const table = formatTable([passed, { ...passed, torch: "2.11.0", variant: "cu130", warnings: ["a", "b"] }]);
    expect(table.split("\n")).to.deep.equal([
      "| libtorch       | compiled and linked | warnings | plugin's symbols             | loads     |",
      "|----------------|---------------------|----------|------------------------------|-----------|",
      "| 2.11.0 (cu130) | 182 s               | 2        | all 50 defined, 20 of NCCL's | 41 models |",
      "| 2.15.0 (cu132) | 182 s               | 0        | all 50 defined, 20 of NCCL's | 41 models |",
    ]);
  });

  it("names the step that failed and leaves those after it open", () => {
    const row = (result: CheckResult): string[] =>
      formatTable([result]).split("\n")[2]!.split("|").map((cell) => cell.trim()).slice(2, -1);
    const { torch, variant, seconds, symbols, ncclSymbols } = { ...passed, seconds: 1, symbols: 50, ncclSymbols: 20 };
    expect(row({ torch, variant, warnings: [], error: "COMPILE_FAILED" })).to.deep.equal(["COMPILE_FAILED", "0", "–",
      "–"]);
    expect(row({ torch, variant, seconds, warnings: [], error: "SYMBOLS_MISSING" })).to.deep.equal(["1 s", "0",
      "SYMBOLS_MISSING", "–"]);
    expect(row({ torch, variant, seconds, symbols, ncclSymbols, warnings: [], error: "LOAD_FAILED" })).to.deep.equal([
      "1 s",
      "0",
      "all 50 defined, 20 of NCCL's",
      "LOAD_FAILED",
    ]);
  });
});

describe("hasPassed", () => {
  it("requires every step and no warning", () => {
    expect(hasPassed(passed)).to.equal(true);
    expect(hasPassed({ ...passed, warnings: ["warning: unused"] })).to.equal(false);
    expect(hasPassed({ ...passed, error: "LOAD_FAILED" })).to.equal(false);
  });
});

describe("formatRecord", () => {
  it("carries the command, the table, hardware and versions", () => {
    const text = formatRecord([passed], [["hardware", "2 cores"], ["Node", "v20.0.0"]]);
    expect(text).to.include("`npm run check:libtorch -- --record").and.include(formatTable([passed])).and.include(
      "checked first (2.15.0)",
    );
    expect(text.endsWith("| | |\n|---|---|\n| hardware | 2 cores |\n| Node | v20.0.0 |\n")).to.equal(true);
  });
});
