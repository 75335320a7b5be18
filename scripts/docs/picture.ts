// Draws the folders of the sources and their imports:
// node --import tsx scripts/docs/picture.ts CHECKOUT TITLE > FILE.svg
// A square is a file, a group of squares a folder. Arrows that others imply are left out; those behind a box shine
// through it.
import { resolve } from "node:path";
import { readFolders, type Folder } from "./folders.js";

/** Entries of one folder from which on the tests of the layout fail today. */
const CROWDED = 20;
const [BOX, GAP, PER_ROW, SQUARE] = [158, 20, 3, 6];
const HALF = PER_ROW * (BOX + GAP) + GAP;
const TOP = 86;
const LEGEND =
  `A square: a file, a group: a folder, orange: more than ${CROWDED} files in one; an arrow: imports, red: in a cycle`;
const STYLE =
  `svg{--paper:#fff;--ink:#1f2328;--soft:#59636e;--box:#f6f8fa;--line:#d1d9e0;--file:#54aeff;--full:#bc4c00;--arrow:#8c959f;--bad:#cf222e}
@media(prefers-color-scheme:dark){svg{--paper:#0d1117;--ink:#f0f6fc;--soft:#9198a1;--box:#151b23;--line:#3d444d;--file:#388bfd;--full:#db6d28;--arrow:#656c76;--bad:#f85149}}
text{font:13px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;fill:var(--ink)}.soft{fill:var(--soft);font-size:11px}.name{font-weight:600}.title{font-size:18px;font-weight:600}
.box{fill:var(--box);stroke:var(--line)}.file{fill:var(--file)}.full{fill:var(--full)}path{fill:none;stroke:var(--arrow);stroke-width:1.3}.bad{stroke:var(--bad)}marker path{stroke:none;fill:var(--arrow)}marker .bad{fill:var(--bad)}`;

interface Box extends Folder {
  readonly x: number;
  readonly y: number;
  readonly height: number;
  readonly squares: string;
}

/** An SVG, the same for the same folders. */
export function drawPicture(title: string, halves: readonly { name: string; folders: readonly Folder[] }[]): string {
  const drawn = halves.map(({ name, folders }, index) => ({ name, left: index * HALF,
    boxes: place(folders, index * HALF) })
  );
  const height = Math.max(...drawn.flatMap(({ boxes }) => boxes.map((box) => box.y + box.height))) + 24;
  const body = drawn.map(({ name, left, boxes }) => {
    const files = boxes.reduce((sum, box) => sum + box.files, 0);
    return `<text class="name" x="${left + GAP}" y="66">${name}</text>` +
      `<text class="soft" x="${left + GAP + 52}" y="66">${files} files in ${boxes.length} parts</text>\n<g id="${name}">\n${arrows(boxes)}</g>\n` +
      `${boxes.map(drawBox).join("")}<use href="#${name}" opacity="0.35"/>\n`;
  });
  const marker = (name: string): string =>
    `<marker id="${name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto"><path class="${name}" d="M0 0L8 4L0 8z"/></marker>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${halves.length * HALF} ${height}" role="img" aria-label="${title}">
<style>${STYLE}</style><defs>${marker("arrow")}${marker("bad")}</defs>
<rect width="100%" height="100%" rx="8" fill="var(--paper)"/><text class="title" x="${GAP}" y="34">${title}</text>
<text class="soft" text-anchor="end" x="${halves.length * HALF - GAP}" y="32">${LEGEND}</text>
${body.join("")}</svg>
`;
}

/** Importers above what they import; folders that import each other on one level. */
function place(folders: readonly Folder[], left: number): Box[] {
  const levels = new Map<Folder, number>();
  const levelOf = (folder: Folder): number => {
    const known = levels.get(folder);
    if (known !== undefined) return known;
    const group = folders.filter((other) => other === folder || isCycle(folders, folder, other));
    const below = folders.filter(({ name }) => group.some(({ imports }) => imports.has(name)));
    const level = Math.max(-1, ...below.filter((other) => !group.includes(other)).map(levelOf)) + 1;
    for (const member of group) levels.set(member, level);
    return level;
  };
  for (const folder of folders) levelOf(folder);
  const boxes: Box[] = [];
  let y = TOP;
  for (let level = Math.max(...levels.values()); level >= 0; --level) {
    const row = folders.filter((folder) => levels.get(folder) === level).sort((a, b) => b.files - a.files);
    for (let first = 0; first < row.length; first += PER_ROW) {
      const part = row.slice(first, first + PER_ROW).map((folder) => ({ folder, at: meanOfImporters(folder, boxes) }))
        .sort((a, b) => a.at - b.at);
      const added = part.map(({ folder }, index) => {
        const x = left + GAP + (PER_ROW - part.length) * (BOX + GAP) / 2 + index * (BOX + GAP);
        return { ...folder, x, y, ...drawSquares(folder, x + 10, y + 44) };
      });
      boxes.push(...added);
      y += Math.max(...added.map(({ height }) => height)) + 38;
    }
  }
  return boxes;
}

function meanOfImporters({ name }: Folder, boxes: readonly Box[]): number {
  const places = boxes.filter(({ imports }) => imports.has(name)).map(({ x }) => x);
  return places.reduce((sum, x) => sum + x, 0) / Math.max(1, places.length);
}

function reaches<Node extends Folder>(nodes: readonly Node[], from: Node, to: Node, seen = new Set<Node>()): boolean {
  return nodes.some((next) =>
    from.imports.has(next.name) && !seen.has(next) &&
    (next === to || reaches(nodes, next, to, seen.add(next)))
  );
}

function isCycle<Node extends Folder>(nodes: readonly Node[], one: Node, other: Node): boolean {
  return reaches(nodes, one, other) && reaches(nodes, other, one);
}

/** The files of a box, subfolder by subfolder, and the height of the box. */
function drawSquares({ rooms }: Folder, left: number, top: number): { squares: string; height: number } {
  let [x, y, squares] = [left, top, ""];
  const newLine = (): void => {
    [x, y] = [left, y + SQUARE + 3];
  };
  for (const files of rooms) {
    if (x > left && x + Math.min(files, 8) * (SQUARE + 2) > left + BOX - 20) newLine();
    for (let file = 0; file < files; ++file) {
      if (x + SQUARE > left + BOX - 20) newLine();
      squares += `<rect class="${files > CROWDED ? "full" : "file"}" x="${x}" y="${y}" width="${SQUARE}" height="${SQUARE}" rx="1"/>`;
      x += SQUARE + 2;
    }
    x += SQUARE;
  }
  return { squares, height: y + SQUARE + 10 - top + 44 };
}

function drawBox({ name, files, rooms, x, y, height, squares }: Box): string {
  const count = `${files} ${files === 1 ? "file" : "files"}${rooms.length > 1 ? ` in ${rooms.length} folders` : ""}`;
  return `<rect class="box" x="${x}" y="${y}" width="${BOX}" height="${height}" rx="6"/><text class="name" x="${x + 10}" y="${y + 20}">${name}</text>` +
    `<text class="soft" x="${x + 10}" y="${y + 35}">${count}</text>${squares}\n`;
}

function arrows(boxes: readonly Box[]): string {
  return boxes.flatMap((from) =>
    boxes.filter(({ name }) => from.imports.has(name)).map((to) => {
      const isBad = reaches(boxes, to, from);
      const others = boxes.filter((other) =>
        other !== to && from.imports.has(other.name) && !isCycle(boxes, from, other)
      );
      if (!isBad && others.some((other) => reaches(boxes, other, to))) return "";
      const d = from.y === to.y ? arc(from, to) : curve(from, to, boxes);
      return `<path class="${isBad ? "bad" : ""}" d="${d}" marker-end="url(#${isBad ? "bad" : "arrow"})"/>\n`;
    })
  ).join("");
}

function arc(from: Box, to: Box): string {
  const [x1, x2] = from.x < to.x ? [from.x + BOX * 0.6, to.x + BOX * 0.4] : [from.x + BOX * 0.4, to.x + BOX * 0.6];
  return `M${x1} ${from.y}Q${(x1 + x2) / 2} ${from.y - 30} ${x2} ${to.y}`;
}

/** The least bent curve that runs behind the fewest boxes. */
function curve(from: Box, to: Box, boxes: readonly Box[]): string {
  const isDown = from.y < to.y;
  const [y1, y2] = isDown ? [from.y + from.height, to.y] : [from.y, to.y + to.height];
  const left = Math.floor(from.x / HALF) * HALF;
  let best = { cost: Infinity, d: "" };
  for (const start of [0.5, 0.3, 0.7, 0.1, 0.9, 0.02, 0.98])
    for (const end of [0.5, 0.35, 0.65, 0.2, 0.8])
      for (const bow of [0, 40, -40, 80, -80, 120, -120, 160, -160, 210, -210, 260, -260]) {
        const [x1, x2] = [from.x + BOX * start, to.x + BOX * end];
        const [a, b] = [y1 + (y2 - y1) * 0.45, y2 - (y2 - y1) * 0.45];
        const at = (t: number, p: number, q: number, r: number, s: number): number =>
          (1 - t) ** 3 * p + 3 * t * (1 - t) ** 2 * q + 3 * t ** 2 * (1 - t) * r + t ** 3 * s;
        const hidden = Array.from({ length: 29 }, (_, i) => (i + 1) / 30).filter((t) => {
          const [x, y] = [at(t, x1, x1 + bow, x2 + bow, x2), at(t, y1, a, b, y2)];
          return x < left + 6 || x > left + HALF - 4 ||
            boxes.some((box) => x > box.x - 3 && x < box.x + BOX + 3 && y > box.y && y < box.y + box.height);
        }).length;
        const cost = hidden * 300 + Math.abs(bow) + Math.abs(start - 0.5) * 100 + Math.abs(end - 0.5) * 100;
        if (cost < best.cost) best = { cost, d: `M${x1} ${y1}C${x1 + bow} ${a} ${x2 + bow} ${b} ${x2} ${y2}` };
      }
  return best.d.replace(/\d+\.\d+/g, (number) => Number(number).toFixed(1));
}

if (resolve(process.argv[1] ?? "") === import.meta.filename) {
  const [checkout = ".", title = "The sources"] = process.argv.slice(2);
  process.stdout.write(drawPicture(title, readFolders(checkout)));
}
