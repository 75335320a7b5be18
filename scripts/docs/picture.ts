// Draws the folders of the sources and their imports:
// node --import tsx scripts/docs/picture.ts CHECKOUT TITLE > FILE.svg
// Arrows that others imply are left out.
import { resolve } from "node:path";
import { instance, type Edge, type Graph } from "@viz-js/viz";
import { readFolders, type Folder } from "./folders.js";

/** The number of entries of one folder above which the tests of the layout fail today. */
const CROWDED = 20;
const LEGEND = `orange: a folder with more than ${CROWDED} files; an arrow: imports, red: in a cycle`;
const STYLE =
  `<style>svg{--paper:#fff;--ink:#1f2328;--box:#f6f8fa;--line:#d1d9e0;--full:#bc4c00;--arrow:#8c959f;--bad:#cf222e}
@media(prefers-color-scheme:dark){svg{--paper:#0d1117;--ink:#f0f6fc;--box:#151b23;--line:#3d444d;--full:#db6d28;--arrow:#656c76;--bad:#f85149}}
.graph>polygon{fill:var(--paper)}text{fill:var(--ink)}.node path{fill:var(--box);stroke:var(--line)}.full path{stroke:var(--full)}.cluster path{stroke:var(--line)}
.edge path{stroke:var(--arrow)}.edge polygon{stroke:var(--arrow);fill:var(--arrow)}.bad path{stroke:var(--bad)}.bad polygon{stroke:var(--bad);fill:var(--bad)}</style>`;

/** An SVG, the same for the same folders. */
export async function drawPicture(title: string,
  halves: readonly { name: string; folders: readonly Folder[] }[]): Promise<string> {
  const graph: Graph = {
    graphAttributes: { label: `${title}\n${LEGEND}`, fontsize: 12, labelloc: "t", fontname: "Helvetica", ranksep: 0.35,
      pad: 0.2 },
    nodeAttributes: { shape: "box", style: "rounded,filled", fontname: "Helvetica", fontsize: 12, margin: "0.2,0.07" },
    edgeAttributes: { arrowsize: 0.6 },
    subgraphs: halves.map(({ name, folders }) => ({
      name: `cluster_${name}`,
      graphAttributes: { label: `${name}: ${sum(folders)} files`, style: "rounded", fontsize: 15 },
      nodes: folders.map((folder) => ({ name: `${name}/${folder.name}`,
        attributes: { label: labelOf(folder), class: Math.max(...folder.rooms) > CROWDED ? "full" : "" } })
      ),
      edges: edgesOf(name, folders),
    })),
  };
  const svg = (await instance()).renderString(graph, { format: "svg" });
  return svg.slice(svg.indexOf("<svg")).replace(/(<svg[^>]*>)/, `$1\n${STYLE}`);
}

function sum(folders: readonly Folder[]): number {
  return folders.reduce((total, { files }) => total + files, 0);
}

function labelOf({ name, files, rooms }: Folder): string {
  const folders = rooms.length > 1 ? ` in ${rooms.length} folders` : "";
  return `${name}\n${files} ${files === 1 ? "file" : "files"}${folders}`;
}

function edgesOf(half: string, folders: readonly Folder[]): Edge[] {
  return folders.flatMap((from) =>
    folders.filter(({ name }) => from.imports.has(name)).flatMap((to) => {
      const isBad = reaches(folders, to, from);
      const others = folders.filter((other) => other !== to && from.imports.has(other.name));
      const isImplied = others.some((other) => !reaches(folders, other, from) && reaches(folders, other, to));
      if (isImplied && !isBad) return [];
      return [{ tail: `${half}/${from.name}`, head: `${half}/${to.name}`, attributes: { class: isBad ? "bad" : "" } }];
    })
  );
}

function reaches(folders: readonly Folder[], from: Folder, to: Folder, seen = new Set<Folder>()): boolean {
  return folders.some((next) =>
    from.imports.has(next.name) && !seen.has(next) &&
    (next === to || reaches(folders, next, to, seen.add(next)))
  );
}

if (resolve(process.argv[1] ?? "") === import.meta.filename) {
  const [checkout = ".", title = "The sources"] = process.argv.slice(2);
  process.stdout.write(await drawPicture(title, readFolders(checkout)));
}
