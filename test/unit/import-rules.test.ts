// Enforces who may import whom; docs and review rely on these layers.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect } from "chai";
import ts from "typescript";

interface Import {
  from: string;
  to: string;
}

function filesBelow(folder: string, pattern: RegExp): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name).replaceAll("\\", "/"))
    .filter((name) => pattern.test(name))
    .sort();
}

describe("import rules of native", () => {
  // Each layer with the layers that its files may include; a layer may always include itself.
  const ALLOWED: Record<string, readonly string[]> = {
    platform: [],
    base: ["platform"],
    ops: ["platform", "base"],
    models: ["base", "ops"],
    data: ["platform", "base", "ops"],
    distillation: ["base", "ops", "models", "data"],
    registry: ["base", "ops", "models", "data", "distillation"],
    training: ["base", "ops", "models", "data", "distillation", "registry"],
    checkpoint: ["platform", "base", "ops", "models", "data", "distillation", "registry", "training"],
    binding: ["platform", "base", "ops", "models", "data", "distillation", "registry", "training", "checkpoint"],
    cuda: ["ops"],
    // Part of no package: a CUDA runtime for tests on Linux, with the addon by which they talk to it.
    recording: ["ops", "cuda"],
    preload: ["platform"],
  };

  const files = filesBelow("native", /\.(h|cpp|cu|cuh)$/);
  const text = new Map(files.map((file) => [file, readFileSync(file, "utf8")]));

  /** The layer of a file; the files at the root of core, but for the registry, are what every other may use. */
  function layerOf(file: string): string {
    const [, top = "", folder = "", rest] = file.split("/");
    if (top === "cuda" && folder === "recording") return folder;
    if (top !== "core") return top;
    if (rest !== undefined) return folder;
    return folder.startsWith("registry.") ? "registry" : "base";
  }

  function resolveInclude(file: string, name: string): string | undefined {
    return [join("native", name), join(dirname(file), name)].map((path) => normalize(path).replaceAll("\\", "/")).find((path) => text.has(path));
  }

  const includes = [...text].flatMap(([from, source]) =>
    [...source.matchAll(/^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]/gm)].map(([, quote, name = ""]) =>
      ({ from, name, quote, to: resolveInclude(from, name) })));

  it("finds sources to look at", () => {
    expect(files).to.include("native/core/error.h");
    expect(includes.filter(({ to }) => to !== undefined)).to.have.length.greaterThan(10);
  });

  it("knows every layer", () => {
    expect(files.filter((file) => !(layerOf(file) in ALLOWED))).to.deep.equal([]);
  });

  it("includes downwards only", () => {
    const wrong = includes.filter(({ from, to }) => {
      if (to === undefined || layerOf(from) === layerOf(to)) return false;
      return !(ALLOWED[layerOf(from)] ?? []).includes(layerOf(to));
    });
    expect(wrong.map(({ from, to }) => `${from} includes ${String(to)}`)).to.deep.equal([]);
  });

  it("gives the CUDA plugin headers alone", () => {
    const wrong = includes.filter(({ from, to }) => layerOf(from) === "cuda" && to !== undefined && !to.endsWith(".h"));
    expect(wrong).to.deep.equal([]);
  });

  it("quotes its own headers, and only those", () => {
    const missing = includes.filter(({ quote, to }) => (quote === '"') !== (to !== undefined));
    expect(missing.map(({ from, name }) => `${from} includes ${name}`)).to.deep.equal([]);
  });

  it("includes napi.h in the binding and the small module that is loaded before it", () => {
    const wrong = includes.filter(({ from, name }) => /^(napi|node_api|js_native_api|node|uv|v8)\b.*\.h$/.test(name) && !["binding", "preload", "recording"].includes(layerOf(from)));
    expect(wrong.map(({ from, name }) => `${from} includes ${name}`)).to.deep.equal([]);
  });

  it("speaks to the system in the platform layer alone", () => {
    const systems = /^(windows|winsock2|io|direct|process|dlfcn|unistd|fcntl|pthread|sched|dirent|poll|signal|sys\/.*|link|linux\/.*)\.h$/;
    const headers = includes.filter(({ from, name }) => systems.test(name) && !["platform", "recording"].includes(layerOf(from)));
    expect(headers.map(({ from, name }) => `${from} includes ${name}`)).to.deep.equal([]);
    const asks = /^[ \t]*#[ \t]*(?:el)?if.*\b(?:_WIN32|_WIN64|WIN32|_MSC_VER|__MINGW32__|__linux__|__APPLE__|__unix__)\b/m;
    expect(files.filter((file) => layerOf(file) !== "platform" && asks.test(text.get(file) ?? ""))).to.deep.equal([]);
    expect(files.some((file) => asks.test(text.get(file) ?? ""))).to.equal(true);
  });

  it("gives each header of the platform layer a file for each system", () => {
    const of = (system: string): string[] => files.filter((file) => file.endsWith(`_${system}.cpp`)).map((file) => file.replace(`_${system}.cpp`, ".h"));
    expect(of("windows")).to.include("native/core/platform/file.h").and.deep.equal(of("posix"));
    expect(of("windows").filter((header) => !text.has(header))).to.deep.equal([]);
  });

  it("guards each header with #pragma once", () => {
    expect(files.filter((file) => /\.(h|cuh)$/.test(file) && !/^#pragma once$/m.test(text.get(file) ?? ""))).to.deep.equal([]);
  });
});

describe("import rules of lib", () => {
  const LAYERS = ["errors", "schemas", "install", "native", "rest", "index", "cli"] as const;
  type Layer = (typeof LAYERS)[number];

  function layerOf(file: string): Layer {
    const [, top = ""] = file.split("/");
    const name = top.replace(/\.ts$/, "");
    return (LAYERS as readonly string[]).includes(name) && name !== "rest" ? (name as Layer) : "rest";
  }

  const files = filesBelow("lib", /\.ts$/);
  const imports = files.flatMap((from) =>
    ts.preProcessFile(readFileSync(from, "utf8"), true, true).importedFiles.map(({ fileName }) => ({ from, name: fileName })));
  const local: Import[] = imports
    .filter(({ name }) => name.startsWith("."))
    .map(({ from, name }) => ({ from, to: normalize(join(dirname(from), name)).replaceAll("\\", "/").replace(/\.js$/, ".ts") }));

  const show = (wrong: Import[]): string[] => wrong.map(({ from, to }) => `${from} imports ${to}`);

  it("finds sources to look at", () => {
    expect(files).to.include("lib/errors.ts");
    expect(local).to.have.length.greaterThan(5);
  });

  it("imports files that exist, by their compiled name", () => {
    expect(show(local.filter(({ to }) => !files.includes(to)))).to.deep.equal([]);
  });

  it("imports downwards only", () => {
    const rank = (file: string): number => LAYERS.indexOf(layerOf(file));
    expect(show(local.filter(({ from, to }) => rank(to) > rank(from)))).to.deep.equal([]);
  });

  it("gives the command line the public API alone", () => {
    const wrong = local.filter(({ from, to }) => layerOf(from) === "cli" && layerOf(to) !== "cli" && to !== "lib/index.ts");
    expect(show(wrong)).to.deep.equal([]);
  });

  it("never imports the package by its own name", () => {
    expect(imports.filter(({ name }) => name === "reviewkd" || name.startsWith("reviewkd/"))).to.deep.equal([]);
  });

  it("loads the addon in native.ts and install alone", () => {
    const loads = /process\.dlopen|\.node["'`]/;
    expect(files.filter((file) => !["native", "install"].includes(layerOf(file)) && loads.test(readFileSync(file, "utf8")))).to.deep.equal([]);
  });

  it("exports from index.ts and does nothing else there", () => {
    const index = ts.createSourceFile("index.ts", readFileSync("lib/index.ts", "utf8"), ts.ScriptTarget.Latest);
    const others = index.statements.filter((statement) => !ts.isExportDeclaration(statement));
    expect(others.map((statement) => ts.SyntaxKind[statement.kind])).to.deep.equal([]);
  });
});
