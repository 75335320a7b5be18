import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect } from "chai";
import { useTemporaryDirectory, writeFakeLibTorch, writeFiles } from "./fake-libtorch.js";

// A project of its own, so that the real one's build directory is left alone.
describe("build.mjs --native", () => {
  const root = useTemporaryDirectory();
  const build = (path: string | undefined, parameters: string[] = ["--native"]): { status: number | null; stderr: string } =>
    spawnSync(process.execPath, [join(root(), "scripts/build.mjs"), ...parameters],
      { encoding: "utf8", env: { PATH: path, HOME: root(), REVIEWKD_LIBTORCH: join(root(), "libtorch") } });

  beforeEach(() => {
    cpSync("scripts", join(root(), "scripts"), { recursive: true });
    cpSync("package.json", join(root(), "package.json"));
    symlinkSync(resolve("node_modules"), join(root(), "node_modules"), "junction");
    writeFakeLibTorch(join(root(), "libtorch"));
  });

  it("says that there is no CMake, and how to get it", () => {
    mkdirSync(join(root(), "bin"));
    const { status, stderr } = build(join(root(), "bin"));
    expect(status).to.equal(1);
    expect(stderr).to.match(/^CMAKE_NOT_FOUND: expected CMake 3\.22 or later .*apt-get install cmake/m);
  });

  it("says that the dependencies are not installed", () => {
    rmSync(join(root(), "node_modules"));
    writeFiles(join(root(), "bin"), { cmake: "#!/bin/sh\necho cmake version 3.22\n" });
    chmodSync(join(root(), "bin/cmake"), 0o755);
    const { status, stderr } = build(join(root(), "bin"));
    expect(status).to.equal(1);
    expect(stderr).to.match(/^DEPENDENCIES_MISSING: .*run `npm ci`/m);
  });

  it("shows what CMake says when it cannot configure", () => {
    writeFiles(root(), { "CMakeLists.txt": 'cmake_minimum_required(VERSION 3.22)\nproject(broken NONE)\nmessage(FATAL_ERROR "no such luck")\n' });
    const { status, stderr } = build(process.env["PATH"]);
    expect(status).to.equal(1);
    expect(stderr).to.include("CONFIGURE_FAILED").and.to.include("no such luck");
    expect(stderr).not.to.match(/^ +at .*scripts/m);
  });

  it("shows what the compiler says and fails with it", () => {
    writeFiles(root(), {
      "CMakeLists.txt": "cmake_minimum_required(VERSION 3.22)\nproject(broken CXX)\nadd_library(broken OBJECT broken.cpp)\n",
      "broken.cpp": "int f() { return undeclared; }\n",
    });
    const { status, stderr } = build(process.env["PATH"]);
    expect(status).to.equal(1);
    expect(stderr).to.include("undeclared").and.to.match(/^COMPILE_FAILED: /m);

    writeFiles(root(), { "broken.cpp": "int f() { return 1; }\n" });
    const mended = build(process.env["PATH"]);
    expect(mended.status, mended.stderr).to.equal(0);
    expect(mended.stderr).not.to.include("configuring");
  });

  it("says what it expects of its parameters", () => {
    const { status, stderr } = build(process.env["PATH"], ["--all"]);
    expect(status).to.equal(1);
    expect(stderr).to.equal("USAGE: expected --ts, --native or nothing, got --all\n");
  });
});
