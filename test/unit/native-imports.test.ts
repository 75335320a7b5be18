// Which folder of native/ may include which, and that no files include each other in a circle, a header and its sources taken as one module.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect } from "chai";

/** Folders, and those that each may include in addition to itself. A file belongs to the longest folder that it lies below. */
const MAY_INCLUDE: Readonly<Record<string, readonly string[]>> = {
  "core/platform": [],
  core: ["core/platform"],
  "core/ops": ["core", "core/platform"],
  "core/models": ["core", "core/ops"],
  "core/data": ["core", "core/platform", "core/ops"],
  "core/distillation": ["core", "core/ops", "core/models", "core/data"],
  "core/tasks": ["core", "core/ops", "core/models", "core/data"],
  "core/training": ["core", "core/ops", "core/models", "core/data", "core/distillation", "core/tasks"],
  "core/checkpoint": ["core", "core/platform", "core/ops", "core/models", "core/data", "core/distillation", "core/tasks", "core/training"],
  binding: ["core", "core/platform", "core/ops", "core/models", "core/data", "core/distillation", "core/tasks", "core/training", "core/checkpoint"],
  // Knows every network, method and data set.
  "core/registry": ["core", "core/ops", "core/models", "core/data", "core/distillation"],
  cuda: ["core/ops"],
  "cuda/recording": ["core/ops", "cuda"],
  preload: ["core/platform"],
  tests: ["core", "core/ops", "core/models", "core/data", "core/distillation", "core/tasks", "core/training", "core/checkpoint", "cuda"],
};

/** Files at the root of core that belong to a folder of their own in the table above. */
const OWN_FOLDER: Readonly<Record<string, string>> = { "core/registry": "core/registry" };

/** Who may include the registry of networks, methods and data sets. */
const ABOVE_REGISTRY = ["binding", "tests", "core/checkpoint"];

/** Headers that are a part of another file, which alone includes them. */
const PARTS: Readonly<Record<string, string>> = { "cuda/launch_warps": "cuda/kernels" };

/** Modules of one operation: its dispatch and its paths include each other, until each operation has a folder of its own. */
const ONE_OPERATION = [/^core\/ops\//];

const sources = readdirSync("native", { recursive: true, encoding: "utf8" })
  .map((name) => name.replaceAll("\\", "/"))
  .filter((name) => /\.(h|cpp|cu|cuh)$/.test(name))
  .sort();
const known = new Set(sources);

/** A header with its sources, whatever system they are for. */
function moduleOf(file: string): string {
  const name = file.replace(/(?:_posix|_windows)?\.\w+$/, "");
  return PARTS[name] ?? name;
}

function folderOf(file: string): string {
  const own = OWN_FOLDER[moduleOf(file)];
  if (own !== undefined) return own;
  const folders = Object.keys(MAY_INCLUDE).filter((folder) => file.startsWith(`${folder}/`));
  return folders.sort((a, b) => b.length - a.length)[0] ?? file;
}

const includes = sources.flatMap((from) =>
  [...readFileSync(join("native", from), "utf8").matchAll(/^[ \t]*#[ \t]*include[ \t]*"([^"]+)"/gm)].flatMap(([, name = ""]) => {
    const to = [name, join(dirname(from), name)].map((path) => normalize(path).replaceAll("\\", "/")).find((path) => known.has(path));
    return to === undefined ? [] : [{ from, to }];
  }));

/** Groups of nodes of which each reaches every other (Tarjan's strongly connected components), but for single ones. */
function cyclesOf(edges: readonly (readonly [string, string])[]): string[][] {
  const next = new Map<string, Set<string>>();
  for (const [from, to] of edges) {
    if (from !== to) next.set(from, (next.get(from) ?? new Set()).add(to));
  }
  const index = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const cycles: string[][] = [];
  const visit = (node: string): void => {
    index.set(node, index.size);
    lowest.set(node, index.get(node) ?? 0);
    open.push(node);
    for (const other of next.get(node) ?? []) {
      if (!index.has(other)) visit(other);
      if (open.includes(other)) lowest.set(node, Math.min(lowest.get(node) ?? 0, lowest.get(other) ?? 0));
    }
    if (lowest.get(node) !== index.get(node)) return;
    const group = open.splice(open.indexOf(node));
    if (group.length > 1) cycles.push(group.sort());
  };
  for (const node of [...next.keys()].sort()) {
    if (!index.has(node)) visit(node);
  }
  return cycles;
}

describe("includes of native", () => {
  it("are found, in folders that the table knows", () => {
    expect(includes).to.have.length.greaterThan(300);
    expect(sources.filter((file) => !(folderOf(file) in MAY_INCLUDE))).to.deep.equal([]);
  });

  it("go to the folders that the table allows", () => {
    const wrong = includes.filter(({ from, to }) => {
      const [own, other] = [folderOf(from), folderOf(to)];
      if (own === other) return false;
      return other === "core/registry" ? !ABOVE_REGISTRY.includes(own) : !(MAY_INCLUDE[own] ?? []).includes(other);
    });
    expect(wrong.map(({ from, to }) => `${from} includes ${to}`)).to.deep.equal([]);
  });

  it("make no circle of folders", () => {
    expect(cyclesOf(includes.map(({ from, to }) => [folderOf(from), folderOf(to)]))).to.deep.equal([]);
  });

  it("make no circle of modules, a header and its sources taken as one", () => {
    const cycles = cyclesOf(includes.map(({ from, to }) => [moduleOf(from), moduleOf(to)]));
    const ofOneOperation = (cycle: string[]): boolean => ONE_OPERATION.some((pattern) => cycle.every((module) => pattern.test(module)));
    expect(cycles.filter((cycle) => !ofOneOperation(cycle))).to.deep.equal([]);
  });

  it("would be found in a circle", () => {
    expect(cyclesOf([["a", "b"], ["b", "c"], ["c", "a"], ["c", "d"], ["e", "e"]])).to.deep.equal([["a", "b", "c"]]);
    expect(cyclesOf([["a", "b"], ["b", "c"], ["a", "c"]])).to.deep.equal([]);
  });
});
