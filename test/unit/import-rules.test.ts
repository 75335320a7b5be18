// Enforces who may import whom; docs and review rely on these layers.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect } from "chai";
import ts from "typescript";
import { cyclesOf } from "../support/cycles.js";

interface Import {
  from: string;
  to: string;
  /** Whether it imports types alone, which nothing remains of at run time. */
  isType: boolean;
}

/** The modules that a TypeScript file imports. */
function importsOf(from: string): { from: string; name: string; isType: boolean }[] {
  const source = ts.createSourceFile(from, readFileSync(from, "utf8"), ts.ScriptTarget.Latest);
  const found: { from: string; name: string; isType: boolean }[] = [];
  const visit = (node: ts.Node): void => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier !== undefined &&
      ts.isStringLiteral(node.moduleSpecifier)) {
      const isType = ts.isImportDeclaration(node) ? isTypeImport(node) : node.isTypeOnly;
      found.push({ from, name: node.moduleSpecifier.text, isType });
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [specifier] = node.arguments;
      if (specifier !== undefined && ts.isStringLiteral(specifier))
        found.push({ from, name: specifier.text, isType: false });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function isTypeImport({ importClause }: ts.ImportDeclaration): boolean {
  if (importClause === undefined) return false;
  if (importClause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const bindings = importClause.namedBindings;
  return importClause.name === undefined && bindings !== undefined && ts.isNamedImports(bindings) &&
    bindings.elements.every((element) => element.isTypeOnly);
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
    base: [],
    platform: ["base"],
    io: ["base", "platform"],
    formats: ["base", "platform"],
    ops: ["base", "platform"],
    models: ["base", "ops"],
    data: ["base", "platform", "formats", "ops"],
    distillation: ["base", "ops", "models"],
    tasks: ["base", "formats", "ops", "models", "data"],
    training: ["base", "ops", "models", "data", "distillation", "tasks"],
    distributed: ["base", "platform", "io", "ops", "models", "data", "distillation", "tasks", "training"],
    checkpoint: ["base", "platform", "io", "formats", "ops", "models", "data", "distillation", "tasks", "training"],
    onnx: ["base", "io", "formats", "ops", "models", "data"],
    binding: ["base", "platform", "io", "formats", "ops", "models", "data", "distillation", "tasks", "training",
      "distributed", "checkpoint", "onnx"],
    cuda: ["ops"],
    // Part of no package: a CUDA runtime for tests on Linux, with the addon by which they talk to it.
    recording: ["ops", "cuda"],
    preload: ["platform"],
    // Nothing includes tests.
    tests: ["base", "platform", "io", "formats", "ops", "models", "data", "distillation", "tasks", "training",
      "distributed", "checkpoint", "onnx", "cuda"],
  };

  const files = filesBelow("native", /\.(h|inl|cpp|cu|cuh)$/).filter((file) => file !== "native/core/pch.h");
  const text = new Map(files.map((file) => [file, readFileSync(file, "utf8")]));

  /** The layer of a file: its folder below core, or below native. */
  function layerOf(file: string): string {
    const [, top = "", folder = "", rest] = file.split("/");
    if (top === "cuda" && folder === "recording") return folder;
    if (top !== "core") return top;
    return rest === undefined ? "core" : folder;
  }

  function resolveInclude(file: string, name: string): string | undefined {
    return [join("native", name), join(dirname(file), name)].map((path) => normalize(path).replaceAll("\\", "/")).find((
      path,
    ) => text.has(path));
  }

  const includes = [...text].flatMap(([from, source]) =>
    [...source.matchAll(/^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]/gm)].map(([, quote, name = ""]) => ({ from, name,
      quote, to: resolveInclude(from, name) })
    )
  );

  it("finds sources to look at", () => {
    expect(files).to.include("native/core/base/error.h");
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

  it("has no cycle of folders, nor of modules: a header and its sources, whatever system they are for", () => {
    const edges = includes.flatMap(({ from, to }) => (to === undefined ? [] : [{ from, to }]));
    const folders = edges.map(({ from, to }) => ({ from: layerOf(from), to: layerOf(to) })).filter(({ from, to }) =>
      from !== to
    );
    expect(cyclesOf(folders)).to.deep.equal([]);
    // A header that is a part of another file, which alone includes it.
    const moduleOf = (file: string): string =>
      file.replace(/(?:_posix|_windows)?\.\w+$/, "").replace("cuda/launch_warps", "cuda/kernels");
    const modules = edges.map(({ from, to }) => ({ from: moduleOf(from), to: moduleOf(to) })).filter(({ from, to }) =>
      from !== to
    );
    // The dispatch of an operation and its paths include each other, in the operation's folder.
    const isOneOperation = (cycle: string): boolean =>
      new Set(cycle.split(" -> ").map((module) => dirname(module))).size === 1 && cycle.startsWith("native/core/ops/");
    expect(cyclesOf(modules).filter((cycle) => !isOneOperation(cycle))).to.deep.equal([]);
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
    const wrong = includes.filter(({ from, name }) =>
      /^(napi|node_api|js_native_api|node|uv|v8)\b.*\.h$/.test(name) &&
      !["binding", "preload", "recording"].includes(layerOf(from))
    );
    expect(wrong.map(({ from, name }) => `${from} includes ${name}`)).to.deep.equal([]);
  });

  it("speaks to the system in the platform layer alone", () => {
    const systems =
      /^(windows|winsock2|io|direct|process|dlfcn|unistd|fcntl|pthread|sched|dirent|poll|signal|sys\/.*|link|linux\/.*)\.h$/;
    const headers = includes.filter(({ from, name }) =>
      systems.test(name) && !["platform", "recording"].includes(layerOf(from))
    );
    expect(headers.map(({ from, name }) => `${from} includes ${name}`)).to.deep.equal([]);
    const asks =
      /^[ \t]*#[ \t]*(?:el)?if.*\b(?:_WIN32|_WIN64|WIN32|_MSC_VER|__MINGW32__|__linux__|__APPLE__|__unix__)\b/m;
    expect(files.filter((file) => layerOf(file) !== "platform" && asks.test(text.get(file) ?? ""))).to.deep.equal([]);
    expect(files.some((file) => asks.test(text.get(file) ?? ""))).to.equal(true);
  });

  it("gives each header of the platform layer a file for each system", () => {
    const of = (system: string): string[] =>
      files.filter((file) => file.endsWith(`_${system}.cpp`)).map((file) => file.replace(`_${system}.cpp`, ".h"));
    expect(of("windows")).to.include("native/core/platform/file.h").and.deep.equal(of("posix"));
    expect(of("windows").filter((header) => !text.has(header))).to.deep.equal([]);
  });

  it("guards each header with #pragma once", () => {
    expect(files.filter((file) => /\.(h|cuh)$/.test(file) && !/^#pragma once$/m.test(text.get(file) ?? ""))).to.deep
      .equal([]);
  });
});

describe("import rules of lib", () => {
  // Each folder (or file of the root) with those that its files may import; a folder may always import itself.
  const BASE = ["errors", "make-directory", "replace-file", "config", "install", "native-types", "native", "images",
    "distributed", "api"];
  const ALLOWED: Record<string, readonly string[]> = {
    errors: [],
    "make-directory": [],
    "replace-file": [],
    config: ["errors"],
    install: ["errors", "make-directory", "config"],
    "native-types": ["errors", "config"],
    native: ["errors", "config", "install", "native-types"],
    images: ["errors", "config"],
    distributed: ["errors", "config"],
    api: ["errors", "make-directory", "replace-file", "config", "install", "native-types", "native", "images",
      "distributed"],
    datasets: [...BASE, "detection"],
    detection: BASE,
    weights: BASE,
    fit: BASE,
    runs: [...BASE, "datasets", "weights", "fit"],
    study: [...BASE, "datasets", "weights", "fit", "runs"],
    worker: [...BASE, "datasets", "detection", "weights", "fit", "runs"],
    index: [...BASE, "datasets", "detection", "weights", "fit", "runs", "study"],
    // The public API suffices for it.
    cli: ["index"],
  };

  function layerOf(file: string): string {
    const [, top = ""] = file.split("/");
    return top.replace(/\.ts$/, "");
  }

  const files = filesBelow("lib", /\.ts$/);
  const imports = files.flatMap((from) => importsOf(from));
  const local: Import[] = imports
    .filter(({ name }) => name.startsWith("."))
    .map(({ from, name, isType }) => ({ from,
      to: normalize(join(dirname(from), name)).replaceAll("\\", "/").replace(/\.js$/, ".ts"), isType })
    );

  const show = (wrong: Import[]): string[] => wrong.map(({ from, to }) => `${from} imports ${to}`);

  it("finds sources to look at", () => {
    expect(files).to.include("lib/errors.ts");
    expect(local).to.have.length.greaterThan(5);
  });

  it("imports files that exist, by their compiled name", () => {
    expect(show(local.filter(({ to }) => !files.includes(to)))).to.deep.equal([]);
  });

  it("knows every folder", () => {
    expect(files.filter((file) => !(layerOf(file) in ALLOWED))).to.deep.equal([]);
  });

  it("imports downwards only", () => {
    const wrong = local.filter(({ from, to }) =>
      layerOf(from) !== layerOf(to) && !(ALLOWED[layerOf(from)] ?? []).includes(layerOf(to))
    );
    expect(show(wrong)).to.deep.equal([]);
  });

  it("has no cycle of folders, and at run time none of files", () => {
    const folders = local.map(({ from, to }) => ({ from: layerOf(from), to: layerOf(to) })).filter(({ from, to }) =>
      from !== to
    );
    expect(cyclesOf(folders)).to.deep.equal([]);
    expect(cyclesOf(local.filter(({ isType }) => !isType))).to.deep.equal([]);
  });

  it("finds a cycle where there is one", () => {
    expect(cyclesOf([{ from: "a", to: "b" }, { from: "b", to: "c" }, { from: "c", to: "b" }])).to.deep.equal([
      "b -> c",
    ]);
  });

  it("never imports the package by its own name", () => {
    expect(imports.filter(({ name }) => name === "reviewkd" || name.startsWith("reviewkd/"))).to.deep.equal([]);
  });

  it("loads the addon in install alone", () => {
    const loads = /process\.dlopen|\.node["'`]/;
    expect(files.filter((file) => layerOf(file) !== "install" && loads.test(readFileSync(file, "utf8")))).to.deep.equal(
      [],
    );
  });

  it("exports from index.ts and does nothing else there", () => {
    const index = ts.createSourceFile("index.ts", readFileSync("lib/index.ts", "utf8"), ts.ScriptTarget.Latest);
    const others = index.statements.filter((statement) => !ts.isExportDeclaration(statement));
    expect(others.map((statement) => ts.SyntaxKind[statement.kind])).to.deep.equal([]);
  });
});

describe("the layout of the source tree", () => {
  const MOST_ENTRIES = 20;
  const folders = ["lib", "native", "scripts"].flatMap((root) => [
    root,
    ...readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).replaceAll("\\", "/")),
  ]);

  it(`holds at most ${MOST_ENTRIES} entries a folder`, () => {
    const sizes = folders.map((folder) => ({ folder, entries: readdirSync(folder).length }));
    expect(sizes.filter(({ entries }) => entries > MOST_ENTRIES).map(({ folder, entries }) => `${folder}: ${entries}`))
      .to.deep.equal([]);
  });

  it("holds at most 6 files at the root of lib", () => {
    expect(readdirSync("lib", { withFileTypes: true }).filter((entry) => entry.isFile()).map(({ name }) => name)).to
      .have.length.at.most(6);
  });
});
