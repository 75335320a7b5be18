// The folders of a checkout's sources, with the folders that their files import.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";

/** A folder below lib, native or native/core, or a file of lib's root that is a layer of its own. */
export interface Folder {
  readonly name: string;
  readonly files: number;
  /** Files of each of its subfolders, first its own. */
  readonly rooms: readonly number[];
  readonly imports: ReadonlySet<string>;
}

/** Files that stand alone in lib's root. */
const ALONE = new Set(["lib/index.ts", "lib/native.ts", "lib/native-types.ts", "lib/errors.ts"]);
const IMPORT = /^[ \t]*#[ \t]*include "([^"]+)"|^(?:import|export|\}) [^;'"]*["'](\.[^"']+)["']/gm;

export function readFolders(checkout: string): { name: string; folders: Folder[] }[] {
  return ["lib", "native"].map((name) => ({ name, folders: foldersOf(checkout, name) }));
}

function foldersOf(checkout: string, root: string): Folder[] {
  const paths = readdirSync(join(checkout, root), { recursive: true, encoding: "utf8" }).sort()
    .map((path) => `${root}/${path.replaceAll("\\", "/")}`)
    .filter((path) =>
      /\.(?:ts|h|cpp|inl|cu)$/.test(path) && !/^native\/(?:tests|cuda\/recording)\/|\/pch\.h$/.test(path)
    );
  const names = [...new Set(paths.map(folderOf))].sort();
  return names.map((name) => {
    const own = paths.filter((path) => folderOf(path) === name);
    const rooms = [...new Set(own.map((path) => posix.dirname(path)))].sort()
      .map((room) => own.filter((path) => posix.dirname(path) === room).length);
    const imports = new Set(own.flatMap((path) => importsOf(checkout, path)).map(folderOf));
    imports.delete(name);
    return { name, files: own.length, rooms, imports };
  });
}

function folderOf(path: string): string {
  if (ALONE.has(path)) return posix.basename(path);
  const [root, top = "", folder] = posix.dirname(path).split("/");
  if (top === "") return `${root ?? ""} (root)`;
  if (root === "native" && top === "core") return folder ?? "core (root)";
  return top;
}

function importsOf(checkout: string, path: string): string[] {
  const text = readFileSync(join(checkout, path), "utf8");
  return [...text.matchAll(IMPORT)].flatMap(([, header, module]) => {
    const places = header === undefined ? [posix.join(posix.dirname(path), (module ?? "").replace(/\.js$/, ".ts"))]
      : [posix.join("native", header), posix.join(posix.dirname(path), header)];
    return places.find((place) => existsSync(join(checkout, place))) ?? [];
  });
}
